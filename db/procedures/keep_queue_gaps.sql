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
DECLARE
  v_name  CONSTANT text := p_queue || '_' || replace(p_key::text, '-', '_');
  v_noted text[] := array_remove(string_to_array(current_setting('long_task.gaps', true), ' '), v_name);
BEGIN
  IF cardinality(p_gaps.gaps) > 0 THEN
    v_noted := v_noted || v_name;
  END IF;
  -- Which queues have gaps, for those who would otherwise have to ask for each.
  PERFORM set_config('long_task.gaps', COALESCE(array_to_string(v_noted, ' '), ''), false);
  PERFORM set_config('long_task.gaps_' || v_name, p_gaps::text, false);
END
$$;

COMMENT ON FUNCTION long_task.keep_queue_gaps(text, integer, long_task.queue_gaps) IS
  'Remember the gaps of a queue for the rest of the session.';
