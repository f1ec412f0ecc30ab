-- check_dependency: refuse a dependency that makes no sense.
--
-- Called by  triggers on task_dependency, before INSERT and before UPDATE of what people write.
-- Locks      nothing
-- Raises     LT004 bad value, LT012 bad dependency
CREATE OR REPLACE FUNCTION long_task.check_dependency()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.task_id <> OLD.task_id OR NEW.needs_task_id <> OLD.needs_task_id) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('the dependency of task %s on task %s cannot become another', OLD.task_id, OLD.needs_task_id),
      HINT = 'Delete it, and insert the other.';
  END IF;
  IF NEW.task_id = NEW.needs_task_id THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('task %s cannot wait for itself', NEW.task_id),
      HINT = 'Name another task.';
  END IF;
  PERFORM long_task.check_edge(NEW."on", NEW.condition, NEW.pass);
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_dependency() IS
  'Trigger: refuse a dependency that makes no sense.';

CREATE OR REPLACE TRIGGER check_dependency
BEFORE INSERT OR UPDATE OF task_id, needs_task_id, "on", condition, pass ON long_task.task_dependency
FOR EACH ROW
EXECUTE FUNCTION long_task.check_dependency();
