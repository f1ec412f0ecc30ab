-- number_workflow: give a new version of a workflow its number.
--
-- Called by  trigger on workflow, before INSERT.
-- Locks      nothing: of two that take the same number at once one is refused by the primary key
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.number_workflow()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.version := COALESCE((SELECT max(w.version) FROM long_task.workflow AS w WHERE w.name = NEW.name) + 1, 1);
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.number_workflow() IS
  'Trigger: give a new version of a workflow its number.';

CREATE OR REPLACE TRIGGER number_workflow
BEFORE INSERT ON long_task.workflow
FOR EACH ROW
WHEN (NEW.version IS NULL)
EXECUTE FUNCTION long_task.number_workflow();
