-- check_workflow_step: refuse a step of a workflow whose tasks could never be started as it is written.
--
-- Called by  trigger on workflow_step, before INSERT and UPDATE.
-- Locks      nothing
-- Raises     LT004 bad value, LT005 bad command, LT012 bad dependency
CREATE OR REPLACE FUNCTION long_task.check_workflow_step()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_longest CONSTANT interval := interval '100 years';
  v_bad     text;
BEGIN
  IF NEW.command IS NULL
     OR array_ndims(NEW.command) IS DISTINCT FROM 1
     OR array_lower(NEW.command, 1) <> 1
     OR array_position(NEW.command, NULL) IS NOT NULL
     OR NEW.command[1] = '' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT005',
      MESSAGE = format('command %s cannot be run', COALESCE(quote_literal(NEW.command::text), 'null')),
      HINT = 'Give a list of strings whose first element names a program, such as ''{ping,-c,1,127.0.0.1}''.';
  END IF;
  v_bad := CASE
    WHEN jsonb_typeof(NEW.params) <> 'object' THEN format('params is %s, not an object', jsonb_typeof(NEW.params))
    WHEN jsonb_typeof(NEW.env) <> 'object' THEN format('env is %s, not an object', jsonb_typeof(NEW.env))
    WHEN NEW.max_attempts < 1 THEN format('max_attempts %s is less than 1', NEW.max_attempts)
    WHEN extract(epoch FROM NEW.timeout) <= 0 OR NEW.timeout > v_longest THEN
      format('timeout %s is not between 0 and %s', NEW.timeout, v_longest)
    WHEN extract(epoch FROM NEW.kill_grace) < 0 OR NEW.kill_grace > v_longest THEN
      format('kill_grace %s is not between 0 and %s', NEW.kill_grace, v_longest)
    WHEN extract(epoch FROM NEW.retry_delay) < 0 OR NEW.retry_delay > v_longest THEN
      format('retry_delay %s is not between 0 and %s', NEW.retry_delay, v_longest)
    WHEN octet_length(NEW.concurrency_key) NOT BETWEEN 1 AND 1000 THEN 'concurrency_key is not between 1 and 1000 bytes long'
  END;
  IF v_bad IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = v_bad,
      HINT = 'The columns of a step are those of long_task.task.';
  END IF;
  IF NEW.needs NOT IN ('all', 'any') OR NEW.unmet NOT IN ('cancel', 'start', 'wait') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('needs %L or unmet %L is not known', NEW.needs, NEW.unmet),
      HINT = 'needs is ''all'' (the same as null) or ''any''; unmet ''cancel'' (the same as null), ''start'' or ''wait''.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_workflow_step() IS
  'Trigger: refuse a step of a workflow whose tasks could never be started as it is written.';

CREATE OR REPLACE TRIGGER check_workflow_step
BEFORE INSERT OR UPDATE ON long_task.workflow_step
FOR EACH ROW
EXECUTE FUNCTION long_task.check_workflow_step();
