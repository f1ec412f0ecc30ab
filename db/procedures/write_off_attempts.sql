-- write_off_attempts: end the attempts of a worker whose lease has ended.
--
-- Called by  end_lease
-- Locks      task rows, as finish_attempts does.
-- Raises     nothing
--
-- p_reports are ends that somebody still knows of (as finish_attempts takes them); they count first.
-- What is left is lost: a lost attempt counts as failed, and the hook retry_lost_task says whether the
-- task goes on.
--
-- Returns how many attempts were lost. Those whose row somebody holds in an open transaction are passed
-- over, and are the worker's until this is called again.
CREATE OR REPLACE FUNCTION long_task.write_off_attempts(
  p_worker_id integer,
  p_reports   json DEFAULT '[]'
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_spare bigint[] := ARRAY[]::bigint[];
  v_lost  json;
BEGIN
  IF json_array_length(p_reports) > 0 THEN
    v_spare := long_task.finish_attempts(p_worker_id, p_reports);
  END IF;
  BEGIN
    v_lost := long_task.lost_attempts(p_worker_id, v_spare, true);
  EXCEPTION
    WHEN OTHERS THEN
      -- A rule that fails must not keep the tasks from going on.
      PERFORM long_task.log_event('hook failed', l, 0, 'retry_lost_task: ' || SQLERRM)
      FROM long_task.worker_lease AS l
      WHERE l.worker_id = p_worker_id;
      v_lost := long_task.lost_attempts(p_worker_id, v_spare, false);
  END;
  IF v_lost IS NULL THEN
    RETURN 0;
  END IF;
  RETURN json_array_length(v_lost) - cardinality(long_task.finish_attempts(p_worker_id, v_lost));
END
$$;

COMMENT ON FUNCTION long_task.write_off_attempts(integer, json) IS
  'End the attempts of a worker whose lease has ended, as reported or as lost. Returns how many were lost.';
