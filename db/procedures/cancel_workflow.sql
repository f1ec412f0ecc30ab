-- cancel_workflow: cancel a run: what waits of it, and what runs.
--
-- Called by  people. It is as if they had written AC over each of its active tasks.
-- Locks      as lock_run
-- Raises     LT006 no such run
--
-- SECURITY DEFINER, because it writes the run. long_task_user may cancel any task, so that this gives no right
-- which it does not have.
--
-- Returns how many tasks were cancelled.
CREATE OR REPLACE FUNCTION long_task.cancel_workflow(p_run_id bigint)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_run       long_task.workflow_run := long_task.lock_run(p_run_id);
  v_cancelled integer;
BEGIN
  UPDATE long_task.task AS t
  SET state_id = 'AC'
  WHERE t.run_id = p_run_id
    AND t.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS');
  GET DIAGNOSTICS v_cancelled = ROW_COUNT;
  IF v_cancelled > 0 OR v_run.started IS NULL THEN
    UPDATE long_task.workflow_run AS r
    SET cancelled = COALESCE(r.cancelled, long_task.clock())
    WHERE r.id = p_run_id;
  END IF;
  RETURN v_cancelled;
END
$$;

COMMENT ON FUNCTION long_task.cancel_workflow(bigint) IS
  'Cancel a run of a workflow and all its active tasks. Returns how many there were.';

REVOKE ALL ON FUNCTION long_task.cancel_workflow(bigint) FROM PUBLIC;
