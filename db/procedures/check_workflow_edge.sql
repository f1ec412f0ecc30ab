-- check_workflow_edge: refuse edges of a workflow that make no sense.
--
-- Called by  triggers on workflow_edge: before each write of a row, and after INSERT and UPDATE for cycles.
-- Locks      after: the row of the version FOR UPDATE, so that two cannot close a cycle together
-- Raises     LT012 bad dependency
CREATE OR REPLACE FUNCTION long_task.check_workflow_edge()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_path text[];
BEGIN
  IF TG_WHEN = 'BEFORE' THEN
    PERFORM long_task.check_edge(NEW."on", NEW.condition, NEW.pass);
    RETURN NEW;
  END IF;
  PERFORM
  FROM long_task.workflow AS w
  WHERE w.name = NEW.workflow
    AND w.version = NEW.version
  FOR UPDATE;
  WITH RECURSIVE needed(step) AS (
    VALUES (NEW.needs_step)
    UNION
    SELECT e.needs_step
    FROM needed AS n
    JOIN long_task.workflow_edge AS e
      ON e.workflow = NEW.workflow AND e.version = NEW.version AND e.step = n.step
  )
  SELECT long_task.step_path(NEW.workflow, NEW.version, NEW.step, NEW.needs_step) INTO v_path
  FROM needed AS n
  WHERE n.step = NEW.step;
  IF FOUND THEN
    PERFORM long_task.refuse('LT012', format('step %s would wait for itself: %s', NEW.step, array_to_string(v_path, ' needs ')),
      'Leave out one of these edges.');
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.check_workflow_edge() IS
  'Trigger: refuse edges of a workflow that make no sense, and cycles.';

REVOKE ALL ON FUNCTION long_task.check_workflow_edge() FROM PUBLIC;

CREATE OR REPLACE TRIGGER check_workflow_edge
BEFORE INSERT OR UPDATE ON long_task.workflow_edge
FOR EACH ROW
EXECUTE FUNCTION long_task.check_workflow_edge();

CREATE OR REPLACE TRIGGER check_workflow_cycle
AFTER INSERT OR UPDATE ON long_task.workflow_edge
FOR EACH ROW
EXECUTE FUNCTION long_task.check_workflow_edge();
