-- check_task: refuse a row that could never be run as it is written, or that the system has to write.
--
-- Called by  triggers on task, before INSERT and before UPDATE of the columns checked. Their WHEN lets
--            plain rows, and the writes of the nodes' procedures, pass without a call.
-- Locks      nothing
-- Raises     LT004 bad value, LT005 bad command, LT007 bad schedule, LT010 not available yet
CREATE OR REPLACE FUNCTION long_task.check_task()
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
  v_longest CONSTANT interval := interval '100 years';
  v_from    CONSTANT timestamptz := timestamptz '1900-01-01 00:00+00';
  v_to      CONSTANT timestamptz := timestamptz '9999-12-31 00:00+00';
  v_unit    interval;
  v_system  text;
  v_name    text;
  v_type    text;
BEGIN
  -- History and fences hang on these. 'due' is what fire_schedules writes.
  IF TG_OP = 'UPDATE' THEN
    v_system := CASE
      WHEN NEW.attempt <> OLD.attempt THEN 'attempt'
      WHEN NEW.base_attempt <> OLD.base_attempt THEN 'base_attempt'
      WHEN NEW.pinned <> OLD.pinned THEN 'pinned'
      WHEN NEW.queued_by <> OLD.queued_by AND NEW.queued_by <> 'due' THEN 'queued_by'
      WHEN NEW.ready_seq <> OLD.ready_seq THEN 'ready_seq'
      WHEN NEW.started IS DISTINCT FROM OLD.started THEN 'started'
      WHEN NEW.created <> OLD.created THEN 'created'
    END;
    IF v_system IS NOT NULL THEN
      RAISE EXCEPTION USING
        ERRCODE = 'LT004',
        MESSAGE = format('%s of task %s is written by the system', v_system, OLD.id),
        HINT = 'Leave this column out of the UPDATE.';
    END IF;
  END IF;
  -- The seconds are asked for too, because the node counts in them: of -1 year 361 days there are less than
  -- none, though it compares as a day.
  IF NEW.timeout <= interval '0' OR extract(epoch FROM NEW.timeout) <= 0 OR NEW.timeout > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('timeout %s is not between 0 and %s', NEW.timeout, v_longest),
      HINT = 'Give an interval such as ''5 minutes'', or null for no limit.';
  END IF;
  IF NEW.kill_grace < interval '0' OR extract(epoch FROM NEW.kill_grace) < 0 OR NEW.kill_grace > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('kill_grace %s is not between 0 and %s', NEW.kill_grace, v_longest),
      HINT = 'Give an interval such as ''10 seconds'', or null for the node''s setting.';
  END IF;
  IF NEW.retry_delay < interval '0' OR extract(epoch FROM NEW.retry_delay) < 0 OR NEW.retry_delay > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('retry_delay %s is not between 0 and %s', NEW.retry_delay, v_longest),
      HINT = 'Give an interval such as ''30 seconds''.';
  END IF;
  IF NEW.max_attempts < 1 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('max_attempts %s is less than 1', NEW.max_attempts),
      HINT = 'One attempt is the least there is; 3 means two retries.';
  END IF;
  IF NEW.progress NOT BETWEEN 0 AND 1 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('progress %s is not between 0 and 1', NEW.progress),
      HINT = 'Half done is 0.5.';
  END IF;
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
    WHEN NEW.state_id = 'DR' THEN NEW.shed_clone AND NEW.next_start IS NOT NULL
    ELSE TG_OP = 'INSERT' OR OLD.state_id <> 'DR' OR NEW.state_id = 'AW'
  END) AND (
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
  IF NEW.shed_period_id NOT IN ('SEC', 'MIN', 'HOU', 'DAY', 'WEE', 'MON') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('shed_period_id %s is not known', quote_literal(NEW.shed_period_id)),
      HINT = 'Give one of SEC, MIN, HOU, DAY, WEE, MON.';
  END IF;
  IF NEW.shed_period_count < 1 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('shed_period_count %s is less than 1', NEW.shed_period_count),
      HINT = 'Give the number of units from one start to the next.';
  END IF;
  v_unit := CASE NEW.shed_period_id
    WHEN 'MON' THEN interval '1 month'
    WHEN 'WEE' THEN interval '7 days'
    WHEN 'DAY' THEN interval '1 day'
    WHEN 'HOU' THEN interval '1 hour'
  END;
  -- Divided, because a multiple may be more than an interval can hold.
  IF v_unit > v_longest / NEW.shed_period_count THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('a period of %s %s is longer than %s',
        NEW.shed_period_count, NEW.shed_period_id, v_longest),
      HINT = 'Set next_start alone for a single start.';
  END IF;
  IF NEW.next_start NOT BETWEEN v_from AND v_to THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('next_start %s is not between the years 1900 and 9999', NEW.next_start),
      HINT = 'Set shed_enabled to false to pause a schedule.';
  END IF;
  -- The list of zones is read from files: too slow to be asked at each start of a schedule.
  IF NEW.time_zone IS NOT NULL
     AND (TG_OP = 'INSERT' OR NEW.time_zone IS DISTINCT FROM OLD.time_zone)
     AND NOT EXISTS (SELECT FROM pg_timezone_names AS z WHERE z.name = NEW.time_zone) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('time_zone %s is not known', quote_literal(NEW.time_zone)),
      HINT = 'Give a name of pg_timezone_names such as ''Europe/Berlin''.';
  END IF;
  IF NEW.cron IS NOT NULL OR NEW.concurrency_key IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT010',
      MESSAGE = 'cron and concurrency_key cannot be used with this schema version',
      HINT = 'Use next_start and shed_period_id to schedule by interval.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task() IS
  'Trigger: refuse a task that could never be run as it is written.';

CREATE OR REPLACE TRIGGER check_task
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (
  NEW.timeout IS NOT NULL
  OR NEW.kill_grace IS NOT NULL
  OR NEW.retry_delay NOT BETWEEN interval '0' AND interval '100 years'
  OR date_part('epoch', NEW.retry_delay) < 0
  OR NEW.max_attempts < 1
  OR NEW.progress NOT BETWEEN 0 AND 1
  OR NEW.env IS NOT NULL
  OR octet_length(NEW.params::text) > 1048576
  OR octet_length(NEW.stdin) > 16777216
  OR octet_length(NEW.cwd) NOT BETWEEN 1 AND 4096
  OR octet_length(NEW.command::text) > 1048576
  OR NEW.next_start IS NOT NULL
  OR NEW.shed_period_id IS NOT NULL
  OR NEW.shed_period_count IS NOT NULL
  OR NEW.time_zone IS NOT NULL
  OR NEW.cron IS NOT NULL
  OR NEW.concurrency_key IS NOT NULL
  OR (
    NEW.state_id <> 'DR'
    AND (
      NEW.command IS NULL
      OR array_ndims(NEW.command) IS DISTINCT FROM 1
      OR array_lower(NEW.command, 1) <> 1
      OR array_position(NEW.command, NULL) IS NOT NULL
      OR NEW.command[1] = ''
    )
  )
)
EXECUTE FUNCTION long_task.check_task();

CREATE OR REPLACE TRIGGER check_changed_task
BEFORE UPDATE OF
  state_id, command, params, env, stdin, cwd, timeout, kill_grace, retry_delay, max_attempts, progress, cron, time_zone,
  concurrency_key, next_start, shed_period_id, shed_period_count, shed_clone,
  attempt, base_attempt, pinned, queued_by, ready_seq, started, created
ON long_task.task
FOR EACH ROW
WHEN (NEW.running_on IS NOT DISTINCT FROM OLD.running_on)
EXECUTE FUNCTION long_task.check_task();
