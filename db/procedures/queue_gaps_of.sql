-- queue_gaps_of: what this session knows of the gaps of a queue.
--
-- Called by  known_spans, note_gaps, look_into_gaps
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.queue_gaps_of(
  p_queue text,
  p_key   integer
)
RETURNS long_task.queue_gaps
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN NULLIF(current_setting(format('long_task.gaps_%s_%s', p_queue, replace(p_key::text, '-', '_')), true), '')::long_task.queue_gaps;
END
$$;

COMMENT ON FUNCTION long_task.queue_gaps_of(text, integer) IS
  'What this session knows of the gaps of a queue; null: it knows of none.';
