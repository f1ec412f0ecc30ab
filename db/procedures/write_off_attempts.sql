-- write_off_attempts: end the attempts of a worker whose lease has ended.
--
-- Called by  end_lease
-- Locks      task rows, as finish_attempts does.
-- Raises     nothing
--
-- p_reports are ends that somebody still knows of (as finish_attempts takes them); they count first.
-- What is left is lost: a lost attempt counts as failed, and the hook retry_lost_task says whether the
-- task goes on. Whatever becomes of the hook, the rule of all failures decides in its place: also when it
-- asserts, and when it is cancelled (WHEN OTHERS would pass both by). A hook that hangs is cancelled by the
-- statement_timeout under which nodes call. It comes once for a statement, so that nothing would end the
-- hook if it hung a second time: until the end of the transaction it is not asked again. A person whose
-- session has no such timeout waits for the hook, and by cancelling ends the hook only.
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
    IF current_setting('long_task.hook_cancelled', true) = 'yes' THEN
      RAISE EXCEPTION 'not asked, because it was cancelled a moment ago';
    END IF;
    v_lost := long_task.lost_attempts(p_worker_id, v_spare, true);
  EXCEPTION
    WHEN OTHERS OR assert_failure OR query_canceled THEN
      -- A rule that fails must not keep the tasks from going on.
      IF SQLSTATE = '57014' THEN
        PERFORM set_config('long_task.hook_cancelled', 'yes', true);
      END IF;
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
