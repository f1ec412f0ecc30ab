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
  IF NEW."on" NOT IN ('success', 'failure', 'cancel', 'end') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('on %s is not known', quote_literal(NEW."on")),
      HINT = 'Give one of ''success'', ''failure'', ''cancel'', ''end''.';
  END IF;
  IF NEW.pass NOT IN ('params', 'env', 'stdin') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('pass %s is not known', quote_literal(NEW.pass)),
      HINT = 'Give one of ''params'', ''env'', ''stdin'', or null.';
  END IF;
  IF NEW.condition IS NOT NULL THEN
    BEGIN
      PERFORM jsonb_path_match('{}', NEW.condition);
    EXCEPTION
      WHEN singleton_sql_json_item_required THEN
        RAISE EXCEPTION USING
          ERRCODE = 'LT012',
          MESSAGE = format('condition %s is no predicate', quote_literal(NEW.condition::text)),
          HINT = 'Write a comparison, such as $.rows > 0, or exists($.rows), and no filter.';
      WHEN data_exception THEN
        NULL; -- strict mode: it is the empty object that has not what it asks for
    END;
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_dependency() IS
  'Trigger: refuse a dependency that makes no sense.';

CREATE OR REPLACE TRIGGER check_dependency
BEFORE INSERT OR UPDATE OF task_id, needs_task_id, "on", condition, pass ON long_task.task_dependency
FOR EACH ROW
EXECUTE FUNCTION long_task.check_dependency();
