-- lock_run: a run that a person wants to do something about, and its tasks.
--
-- Called by  resume_workflow, cancel_workflow
-- Locks      the row of the run FOR UPDATE, then its tasks FOR UPDATE in the order of their ids
-- Raises     LT006 no such run
CREATE OR REPLACE FUNCTION long_task.lock_run(p_run_id bigint)
RETURNS long_task.workflow_run
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_run long_task.workflow_run;
BEGIN
  PERFORM long_task.assert_run(p_run_id);
  SELECT r.* INTO v_run
  FROM long_task.workflow_run AS r
  WHERE r.id = p_run_id
  FOR UPDATE;
  PERFORM
  FROM long_task.task AS t
  WHERE t.run_id = p_run_id
  ORDER BY t.id
  FOR UPDATE;
  RETURN v_run;
END
$$;

COMMENT ON FUNCTION long_task.lock_run(bigint) IS
  'Lock a run of a workflow and all its tasks. Returns the run.';
