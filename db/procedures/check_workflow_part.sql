-- check_workflow_part: give a new step or edge its version, and keep versions as they are that have been started.
--
-- Called by  triggers on workflow_step and workflow_edge, before each write of a row.
-- Locks      the row of the version FOR NO KEY UPDATE, so that start_workflow, which shares it, comes before or after
-- Raises     LT006 no such workflow, LT014 it has been started
CREATE OR REPLACE FUNCTION long_task.check_workflow_part()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_workflow text;
  v_version  integer;
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.workflow, NEW.version) <> (OLD.workflow, OLD.version) THEN
    PERFORM long_task.refuse('LT014', 'a step or an edge stays in its version of its workflow',
      'Insert it into the other one, and delete it here.');
  END IF;
  IF TG_OP = 'INSERT' AND NEW.version IS NULL THEN
    NEW.version := (SELECT max(w.version) FROM long_task.workflow AS w WHERE w.name = NEW.workflow);
  END IF;
  IF TG_OP = 'DELETE' THEN
    v_workflow := OLD.workflow;
    v_version := OLD.version;
  ELSE
    v_workflow := NEW.workflow;
    v_version := NEW.version;
  END IF;
  PERFORM
  FROM long_task.workflow AS w
  WHERE w.name = v_workflow
    AND w.version = v_version
  FOR NO KEY UPDATE;
  IF NOT FOUND AND TG_OP <> 'DELETE' THEN
    PERFORM long_task.refuse('LT006', format('there is no workflow %s', v_workflow || COALESCE(' version ' || v_version, '')),
      'INSERT INTO long_task.workflow (name) comes first.');
  END IF;
  IF EXISTS (
    SELECT
    FROM long_task.workflow_run AS r
    WHERE r.workflow = v_workflow
      AND r.version = v_version
  ) THEN
    PERFORM long_task.refuse('LT014', format('version %s of workflow %s has been started', v_version, v_workflow),
      format('Make another version with SELECT long_task.new_workflow_version(%L), and change that.', v_workflow));
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;

COMMENT ON FUNCTION long_task.check_workflow_part() IS
  'Trigger: keep versions of workflows as they are that have been started.';

REVOKE ALL ON FUNCTION long_task.check_workflow_part() FROM PUBLIC;

CREATE OR REPLACE TRIGGER check_workflow_part
BEFORE INSERT OR UPDATE OR DELETE ON long_task.workflow_step
FOR EACH ROW
EXECUTE FUNCTION long_task.check_workflow_part();

CREATE OR REPLACE TRIGGER check_workflow_part
BEFORE INSERT OR UPDATE OR DELETE ON long_task.workflow_edge
FOR EACH ROW
EXECUTE FUNCTION long_task.check_workflow_part();
