-- tell_workflow: have it seen whether a run may begin when a task of another has ended.
--
-- Called by  triggers on task: after the end of a task of a run, and after DELETE of one that has not ended.
-- Locks      nothing
-- Raises     nothing
--
-- SECURITY DEFINER, because whoever may write a task need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.tell_workflow()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM long_task.leave_workflow(w.workflow, false)
  FROM long_task.workflow_run AS r
  JOIN long_task.workflow_run AS w ON w.workflow = r.workflow
  WHERE r.id = OLD.run_id
    AND w.started IS NULL
    AND w.cancelled IS NULL
  LIMIT 1;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.tell_workflow() IS
  'Trigger: have it seen whether a run may begin when a task of another has ended.';

REVOKE ALL ON FUNCTION long_task.tell_workflow() FROM PUBLIC;

CREATE OR REPLACE TRIGGER tell_workflow
AFTER UPDATE ON long_task.task
FOR EACH ROW
WHEN (
  NEW.run_id IS NOT NULL
  AND NEW.state_id IN ('CS', 'CF', 'CC')
  AND NEW.running_on IS NULL
  AND (OLD.running_on IS NOT NULL OR OLD.state_id NOT IN ('CS', 'CF', 'CC'))
)
EXECUTE FUNCTION long_task.tell_workflow();

CREATE OR REPLACE TRIGGER tell_workflow_of_deleted_task
AFTER DELETE ON long_task.task
FOR EACH ROW
WHEN (OLD.run_id IS NOT NULL AND (OLD.state_id NOT IN ('CS', 'CF', 'CC') OR OLD.running_on IS NOT NULL))
EXECUTE FUNCTION long_task.tell_workflow();
