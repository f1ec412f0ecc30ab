-- check_task: refuse limits that make no sense, and columns that the system has to write.
--
-- Called by  triggers on task, before INSERT and before UPDATE of the columns checked. Their WHEN lets
--            plain rows, and the writes of the nodes' procedures, pass without a call.
-- Locks      nothing
-- Raises     LT004 bad value
CREATE OR REPLACE FUNCTION long_task.check_task()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_longest CONSTANT interval := interval '100 years';
  v_system  text;
BEGIN
  -- History and fences hang on these. Procedures that write some do not come here.
  IF TG_OP = 'UPDATE' THEN
    v_system := CASE
      WHEN NEW.attempt <> OLD.attempt THEN 'attempt'
      WHEN NEW.base_attempt <> OLD.base_attempt THEN 'base_attempt'
      WHEN NEW.pinned <> OLD.pinned THEN 'pinned'
      WHEN NEW.queued_by <> OLD.queued_by THEN 'queued_by'
      WHEN NEW.ready_seq <> OLD.ready_seq THEN 'ready_seq'
      WHEN NEW.created <> OLD.created THEN 'created'
      WHEN NEW.shed_anchor IS DISTINCT FROM OLD.shed_anchor THEN 'shed_anchor'
      WHEN NEW.shed_waiting IS DISTINCT FROM OLD.shed_waiting THEN 'shed_waiting'
      WHEN NEW.shed_error IS DISTINCT FROM OLD.shed_error THEN 'shed_error'
      WHEN NEW.cron_fields IS DISTINCT FROM OLD.cron_fields THEN 'cron_fields'
      WHEN NEW.scheduled_for IS DISTINCT FROM OLD.scheduled_for THEN 'scheduled_for'
      WHEN NEW.run_queued_by IS DISTINCT FROM OLD.run_queued_by THEN 'run_queued_by'
      WHEN NEW.run_scheduled_for IS DISTINCT FROM OLD.run_scheduled_for THEN 'run_scheduled_for'
      WHEN NEW.wants_key <> OLD.wants_key THEN 'wants_key'
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
  IF octet_length(NEW.concurrency_key) NOT BETWEEN 1 AND 1000 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('concurrency_key of %s bytes is not between 1 and 1000 bytes long', octet_length(NEW.concurrency_key)),
      HINT = 'Give a short name, or null for no limit.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task() IS
  'Trigger: refuse limits that make no sense, and columns that the system writes.';

-- Each INSERT parses and compiles this anew, at the cost of a call of the function for every 500 characters or so. So
-- what is not there, or as by default, passes; the rest is for the function. (The text, because -1 year 360 days 10
-- seconds compare as ten.)
CREATE OR REPLACE TRIGGER check_task
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (
  NEW.timeout IS NOT NULL
  OR NEW.kill_grace IS NOT NULL
  OR NEW.retry_delay::text <> '00:00:10'
  OR NEW.max_attempts <> 1
  OR NEW.progress IS NOT NULL
  OR NEW.concurrency_key IS NOT NULL
)
EXECUTE FUNCTION long_task.check_task();

CREATE OR REPLACE TRIGGER check_changed_task
BEFORE UPDATE OF
  timeout, kill_grace, retry_delay, max_attempts, progress, concurrency_key,
  attempt, base_attempt, pinned, queued_by, ready_seq, created, shed_anchor, shed_waiting, shed_error, cron_fields,
  scheduled_for, run_queued_by, run_scheduled_for, wants_key
ON long_task.task
FOR EACH ROW
WHEN (NEW.running_on IS NOT DISTINCT FROM OLD.running_on AND NEW.queued_by <> 'system')
EXECUTE FUNCTION long_task.check_task();
