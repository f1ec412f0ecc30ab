-- check_task_workflow: refuse a template that is to start a workflow, and could not.
--
-- Called by  triggers on task, before INSERT and before UPDATE of the columns checked. Their WHEN lets all others pass
--            without a call.
-- Locks      nothing
-- Raises     LT003 illegal transition, LT006 no such workflow, LT007 bad schedule
CREATE OR REPLACE FUNCTION long_task.check_task_workflow()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NEW.state_id <> 'DR' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT003',
      MESSAGE = format('a task that starts workflow %s is not queued itself', NEW.workflow),
      HINT = 'Leave it a draft (DR): its schedule starts the workflow, and run_now does so at once.';
  END IF;
  IF NOT NEW.shed_clone OR NEW.jitter IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('a task that starts workflow %s is a template without jitter', NEW.workflow),
      HINT = 'Set shed_clone to true, and jitter to null.';
  END IF;
  IF NOT EXISTS (SELECT FROM long_task.workflow AS w WHERE w.name = NEW.workflow) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT006',
      MESSAGE = format('there is no workflow %s', NEW.workflow),
      HINT = 'INSERT INTO long_task.workflow (name) comes first.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task_workflow() IS
  'Trigger: refuse a template that is to start a workflow, and could not.';

CREATE OR REPLACE TRIGGER check_task_workflow
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (NEW.workflow IS NOT NULL)
EXECUTE FUNCTION long_task.check_task_workflow();

CREATE OR REPLACE TRIGGER check_changed_task_workflow
BEFORE UPDATE OF
  workflow, state_id, shed_clone, jitter
ON long_task.task
FOR EACH ROW
WHEN (NEW.workflow IS NOT NULL)
EXECUTE FUNCTION long_task.check_task_workflow();
