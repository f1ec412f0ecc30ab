-- workflow_lock: the advisory lock of whoever lets a run begin, or go on, of a workflow whose runs come one at a time.
--
-- Called by  begin_next_run, resume_workflow
-- Locks      nothing
-- Raises     nothing
--
-- A body that is parsed here, not at each call.
CREATE OR REPLACE FUNCTION long_task.workflow_lock(p_workflow text)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
RETURN hashtextextended('long_task.workflow ' || p_workflow, 0);

COMMENT ON FUNCTION long_task.workflow_lock(text) IS
  'Number of the advisory lock of a workflow whose runs come one at a time.';
