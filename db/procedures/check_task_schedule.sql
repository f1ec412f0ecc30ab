-- check_task_schedule: refuse a schedule that makes no sense.
--
-- Called by  triggers on task, before INSERT and before UPDATE of the columns checked. Their WHEN lets
--            plain rows, and the writes of the nodes' procedures, pass without a call.
-- Locks      nothing
-- Raises     LT007 bad schedule
CREATE OR REPLACE FUNCTION long_task.check_task_schedule()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_longest CONSTANT interval := interval '100 years';
  v_from    CONSTANT timestamptz := timestamptz '1900-01-01 00:00+00';
  v_to      CONSTANT timestamptz := timestamptz '9999-12-31 00:00+00';
  v_unit    interval;
BEGIN
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
  IF NEW.cron IS NOT NULL AND NEW.shed_period_id IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = 'a task has either cron or shed_period_id',
      HINT = 'Set the other one to null.';
  END IF;
  IF NEW.time_zone IS NOT NULL
     AND (TG_OP = 'INSERT' OR NEW.time_zone IS DISTINCT FROM OLD.time_zone)
     AND NOT long_task.is_time_zone(NEW.time_zone) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('time_zone %s is not known', quote_literal(NEW.time_zone)),
      HINT = 'Give a name of pg_timezone_names such as ''Europe/Berlin''.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task_schedule() IS
  'Trigger: refuse a schedule that makes no sense.';

CREATE OR REPLACE TRIGGER check_task_schedule
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (
  NEW.next_start IS NOT NULL
  OR NEW.shed_period_id IS NOT NULL
  OR NEW.shed_period_count IS NOT NULL
  OR NEW.time_zone IS NOT NULL
  OR NEW.cron IS NOT NULL
)
EXECUTE FUNCTION long_task.check_task_schedule();

CREATE OR REPLACE TRIGGER check_changed_task_schedule
BEFORE UPDATE OF
  next_start, shed_period_id, shed_period_count, time_zone, cron
ON long_task.task
FOR EACH ROW
WHEN (NEW.running_on IS NOT DISTINCT FROM OLD.running_on AND NEW.queued_by <> 'system')
EXECUTE FUNCTION long_task.check_task_schedule();
