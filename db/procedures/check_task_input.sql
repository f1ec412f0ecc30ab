-- check_task_input: refuse a task whose program could never be started as the row is written.
--
-- Called by  triggers on task, before INSERT and before UPDATE of the columns checked. Their WHEN lets
--            plain rows, and the writes of the nodes' procedures, pass without a call.
-- Locks      nothing
-- Raises     LT004 bad value, LT005 bad command
CREATE OR REPLACE FUNCTION long_task.check_task_input()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- What a node is handed when it starts a task: see claim_tasks. PATH_MAX of Linux is 4096.
  v_stdin_limit CONSTANT integer := 16777216;
  v_limit       CONSTANT integer := 1048576;
  v_cwd_limit   CONSTANT integer := 4096;
  v_name        text;
  v_type        text;
BEGIN
  IF octet_length(NEW.stdin) > v_stdin_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('stdin of %s bytes is longer than %s', octet_length(NEW.stdin), v_stdin_limit),
      HINT = 'Put it into a file or a table, where the task can read it.';
  END IF;
  IF octet_length(NEW.params::text) > v_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('params of %s bytes is longer than %s', octet_length(NEW.params::text), v_limit),
      HINT = 'Put it into a file or a table, where the task can read it, or into stdin.';
  END IF;
  IF octet_length(NEW.env::text) > v_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('env of %s bytes is longer than %s', octet_length(NEW.env::text), v_limit),
      HINT = 'Put it into a file or a table, where the task can read it, or into stdin.';
  END IF;
  IF NEW.cwd = '' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = 'cwd is empty',
      HINT = 'Give a directory, or null for the root that the node is configured with.';
  END IF;
  IF octet_length(NEW.cwd) > v_cwd_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('cwd of %s bytes is longer than %s', octet_length(NEW.cwd), v_cwd_limit),
      HINT = 'No path can be longer.';
  END IF;
  IF octet_length(NEW.command::text) > v_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT005',
      MESSAGE = format('command of %s bytes is longer than %s', octet_length(NEW.command::text), v_limit),
      HINT = 'Put it into a file or a table, where the task can read it, or into stdin.';
  END IF;
  IF jsonb_typeof(NEW.env) <> 'object' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('env is %s, not an object', jsonb_typeof(NEW.env)),
      HINT = 'Give an object of strings such as {"LANG": "C"}.';
  END IF;
  -- The value is not shown: what is in an environment may be a secret.
  SELECT e.key, jsonb_typeof(e.value) INTO v_name, v_type
  FROM jsonb_each(NEW.env) AS e
  WHERE jsonb_typeof(e.value) <> 'string'
     OR e.key = ''
     OR strpos(e.key, '=') > 0;
  IF FOUND THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('env has a bad entry %s, of type %s', quote_literal(v_name), v_type),
      HINT = 'Names are not empty and have no "="; values are strings.';
  END IF;
  -- A draft may be unfinished, unless a schedule is to copy it. What else than AW is asked of a draft is
  -- refused by move_task, which knows the better reason.
  IF (CASE
    WHEN NEW.state_id = 'DR' THEN NEW.shed_clone AND (NEW.next_start IS NOT NULL OR NEW.cron IS NOT NULL)
    ELSE TG_OP = 'INSERT' OR OLD.state_id <> 'DR' OR NEW.state_id = 'AW'
  END) AND NEW.workflow IS NULL AND (
    NEW.command IS NULL
    OR array_ndims(NEW.command) IS DISTINCT FROM 1
    OR array_lower(NEW.command, 1) <> 1
    OR array_position(NEW.command, NULL) IS NOT NULL
    OR NEW.command[1] = ''
  ) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT005',
      MESSAGE = format('command %s cannot be run', COALESCE(quote_literal(NEW.command::text), 'null')),
      HINT = 'Give a list of strings whose first element names a program, such as ''{ping,-c,1,127.0.0.1}''.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task_input() IS
  'Trigger: refuse a task whose program could never be started as the row is written.';

-- As short as that of check_task, and for the same reason. A thousand bytes cannot be a megabyte of text, compressed or
-- not. Where there is an element 1 that is not empty, there is one dimension; a draft without is let pass by the function.
CREATE OR REPLACE TRIGGER check_task_input
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (
  NEW.env IS NOT NULL
  OR NEW.params IS NOT NULL
  OR NEW.stdin IS NOT NULL
  OR NEW.cwd IS NOT NULL
  OR pg_column_size(NEW.command) > 1000
  OR (NEW.command[1] <> '') IS NOT TRUE
  OR array_lower(NEW.command, 1) <> 1
  OR array_position(NEW.command, NULL::text) IS NOT NULL
)
EXECUTE FUNCTION long_task.check_task_input();

CREATE OR REPLACE TRIGGER check_changed_task_input
BEFORE UPDATE OF
  state_id, command, params, env, stdin, cwd, shed_clone, next_start, cron
ON long_task.task
FOR EACH ROW
WHEN (NEW.running_on IS NOT DISTINCT FROM OLD.running_on AND NEW.queued_by <> 'system')
EXECUTE FUNCTION long_task.check_task_input();
