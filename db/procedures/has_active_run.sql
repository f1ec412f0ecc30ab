-- has_active_run: whether a task of any run of a workflow is active, or has a process.
--
-- Called by  begin_next_run, resume_workflow
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.has_active_run(
  p_workflow text,
  p_but      bigint
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN EXISTS (
    SELECT
    FROM long_task.task AS t
    JOIN long_task.workflow_run AS r ON r.id = t.run_id
    WHERE t.run_id IS NOT NULL
      AND (t.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC') OR t.running_on IS NOT NULL)
      AND r.workflow = p_workflow
      AND r.id IS DISTINCT FROM p_but
  );
END
$$;

COMMENT ON FUNCTION long_task.has_active_run(text, bigint) IS
  'Whether a run of a workflow, but for one, has an active task.';
