-- start_workflow: start a run of a workflow.
--
-- Called by  people
-- Locks      as add_run
-- Raises     LT004 bad value, LT006 no such workflow, LT012 bad dependency, LT013 there is no such value, LT014 bad workflow
--
-- p_version  null: the latest that is enabled
--
-- A run of a workflow that runs one at a time waits for the run before it; some node begins it then.
-- SECURITY DEFINER, because tasks of a run name things that people do not write. long_task_user may insert any
-- task, so that this gives no right which it does not have.
--
-- Returns the id of the run.
CREATE OR REPLACE FUNCTION long_task.start_workflow(
  p_workflow text,
  p_params   jsonb DEFAULT '{}',
  p_version  integer DEFAULT NULL
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN long_task.add_run(p_workflow, p_params, p_version, NULL, NULL);
END
$$;

COMMENT ON FUNCTION long_task.start_workflow(text, jsonb, integer) IS
  'Start a workflow with parameters, an object. Returns the id of the run.';

REVOKE ALL ON FUNCTION long_task.start_workflow(text, jsonb, integer) FROM PUBLIC;
