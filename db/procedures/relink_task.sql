-- relink_task: see to the task whose dependency has been changed or deleted.
--
-- Called by  triggers on task_dependency: after UPDATE of what people write, after DELETE.
-- Locks      UPDATE: the tasks at both ends FOR NO KEY UPDATE in the order of their ids; DELETE: as settle_tasks
-- Raises     nothing
--
-- SECURITY DEFINER, because whoever may write a dependency need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.relink_task()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    -- With the task itself they are deleted by the thousand.
    IF EXISTS (SELECT FROM long_task.task AS t WHERE t.id = OLD.task_id) THEN
      PERFORM long_task.settle_tasks(ARRAY[OLD.task_id]);
    END IF;
  ELSE
    PERFORM
    FROM long_task.task AS t
    WHERE t.id IN (NEW.task_id, NEW.needs_task_id)
    ORDER BY t.id
    FOR NO KEY UPDATE;
    PERFORM long_task.refresh_needs(ARRAY[NEW.task_id]);
    PERFORM long_task.settle_tasks(ARRAY[NEW.task_id]);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.relink_task() IS
  'Trigger: have the task wait or go on whose dependency was changed or deleted.';

REVOKE ALL ON FUNCTION long_task.relink_task() FROM PUBLIC;

CREATE OR REPLACE TRIGGER relink_task
AFTER UPDATE OF "on", condition, enabled ON long_task.task_dependency
FOR EACH ROW
EXECUTE FUNCTION long_task.relink_task();

CREATE OR REPLACE TRIGGER unlink_task
AFTER DELETE ON long_task.task_dependency
FOR EACH ROW
EXECUTE FUNCTION long_task.relink_task();
