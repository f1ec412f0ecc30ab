-- recover_worker_tasks: write off the attempts of a worker whose node is gone.
--
-- Called by  lock_worker before a new holder begins, leave_worker, change_worker, recover_failed_workers;
--            by people for a worker that nobody is going to take.
-- Locks      task rows, as finish_attempts does.
-- Raises     LT001 the worker is being served
--
-- p_reports are ends that somebody still knows of (as finish_attempts takes them); they count first.
-- What is left is lost: a lost attempt counts as failed, and the hook retry_lost_task says whether the
-- task goes on.
--
-- Returns how many attempts were lost. Those whose row somebody holds in an open transaction are passed
-- over, and are the worker's until this is called again.
CREATE OR REPLACE FUNCTION long_task.recover_worker_tasks(
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
  PERFORM long_task.refuse('LT001', format('worker %s is served until %s', l.worker_id, l.locked_until),
    'Wait for the end of its lease, or set stop = 3 to have its node cancel everything and leave.')
  FROM long_task.worker_lease AS l
  WHERE l.worker_id = p_worker_id
    AND l.active
    AND long_task.lease_over_at(l, '-infinity') > long_task.clock();

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

COMMENT ON FUNCTION long_task.recover_worker_tasks(integer, json) IS
  'Write off the attempts of a worker whose node is gone. Returns how many were lost.';
