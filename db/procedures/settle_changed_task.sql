-- settle_changed_task: see to the tasks that wait for one that a person or a schedule has ended or queued again.
--
-- Called by  triggers on task: after UPDATE and after DELETE of a row that has to do with dependencies, before
--            TRUNCATE. What settle_tasks writes does not come here: it goes on with it by itself.
-- Locks      as settle_tasks; for DELETE the dependencies of that task too
-- Raises     nothing
--
-- SECURITY DEFINER, because whoever may write a task need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.settle_changed_task()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_dependents bigint[];
BEGIN
  CASE TG_OP
    WHEN 'UPDATE' THEN
      PERFORM long_task.settle_tasks(ARRAY[NEW.id]);
    WHEN 'DELETE' THEN
      DELETE FROM long_task.task_dependency AS d
      WHERE d.task_id = OLD.id;
      IF OLD.state_id IN ('CS', 'CF', 'CC') AND OLD.running_on IS NULL THEN
        -- How it ended is known for the last time.
        UPDATE long_task.task_dependency AS d
        SET met = long_task.is_met(d."on", d.condition, OLD.state_id, NULL, OLD.result)
        WHERE d.needs_task_id = OLD.id
          AND d.met IS NULL;
        -- Who is queued again at this moment finds what is known of it by himself.
        v_dependents := ARRAY(
          SELECT d.task_id
          FROM long_task.task_dependency AS d
          JOIN long_task.task AS t ON t.id = d.task_id
          WHERE d.needs_task_id = OLD.id
            AND t.state_id NOT IN ('CS', 'CF', 'CC')
        );
        IF cardinality(v_dependents) = 0 THEN
          RETURN NULL;
        END IF;
      END IF;
      PERFORM long_task.settle_tasks(OLD.id || v_dependents);
    ELSE
      BEGIN
        TRUNCATE long_task.task_dependency, long_task.unsettled_task;
      EXCEPTION
        WHEN object_in_use THEN
          NULL; -- the same statement truncates them too
      END;
      PERFORM long_task.leave_workflow(w.workflow, false)
      FROM (
        SELECT DISTINCT r.workflow
        FROM long_task.workflow_run AS r
        WHERE r.started IS NULL AND r.cancelled IS NULL
      ) AS w;
  END CASE;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.settle_changed_task() IS
  'Trigger: let tasks go on that waited for one that was ended, queued again or deleted by hand or by a schedule.';

REVOKE ALL ON FUNCTION long_task.settle_changed_task() FROM PUBLIC;

CREATE OR REPLACE TRIGGER settle_changed_task
AFTER UPDATE ON long_task.task
FOR EACH ROW
WHEN (
  NEW.has_dependents
  AND NEW.running_on IS NOT DISTINCT FROM OLD.running_on
  AND NEW.state_id <> OLD.state_id
  AND (NEW.state_id IN ('CS', 'CF', 'CC') OR OLD.state_id IN ('CS', 'CF', 'CC'))
  AND (NEW.queued_by <> 'dependency' OR OLD.queued_by = 'dependency')
)
EXECUTE FUNCTION long_task.settle_changed_task();

CREATE OR REPLACE TRIGGER settle_task_of_other_needs
AFTER UPDATE OF needs, unmet ON long_task.task
FOR EACH ROW
WHEN (NEW.has_needs)
EXECUTE FUNCTION long_task.settle_changed_task();

-- A condition may hold now, or no longer.
CREATE OR REPLACE TRIGGER settle_task_of_other_result
AFTER UPDATE OF result ON long_task.task
FOR EACH ROW
WHEN (
  NEW.has_dependents
  AND NEW.running_on IS NULL
  AND OLD.running_on IS NULL
  AND NEW.state_id = OLD.state_id
  AND NEW.state_id IN ('CS', 'CF', 'CC')
  AND NEW.result IS DISTINCT FROM OLD.result
)
EXECUTE FUNCTION long_task.settle_changed_task();

CREATE OR REPLACE TRIGGER settle_deleted_task
AFTER DELETE ON long_task.task
FOR EACH ROW
WHEN (OLD.has_needs OR OLD.has_dependents)
EXECUTE FUNCTION long_task.settle_changed_task();

CREATE OR REPLACE TRIGGER settle_truncated_tasks
BEFORE TRUNCATE ON long_task.task
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.settle_changed_task();
