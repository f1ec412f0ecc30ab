-- keep_queue_gaps: remember the gaps of a queue for the rest of the session, if the transaction is committed.
--
-- Called by  note_gaps, look_into_gaps
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.keep_queue_gaps(
  p_queue text,
  p_key   integer,
  p_gaps  long_task.queue_gaps
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- For those who would otherwise have to ask for each queue.
  PERFORM set_config('long_task.gaps', 'noted', false);
  PERFORM set_config(
    format('long_task.gaps_%s_%s', p_queue, replace(p_key::text, '-', '_')),
    p_gaps::text,
    false
  );
END
$$;

COMMENT ON FUNCTION long_task.keep_queue_gaps(text, integer, long_task.queue_gaps) IS
  'Remember the gaps of a queue for the rest of the session.';
