-- find_next_start: find the first start of a schedule that a person has written.
--
-- Called by  triggers on task, before INSERT and before UPDATE of what a schedule consists of, after the checks
--            and before move_task, in the order of their names. Plain rows, and the writes of procedures, pass
--            without a call.
-- Locks      nothing
-- Raises     LT007 bad schedule
--
-- A cron line begins with its first start from now on, or from the next_start that is given with it. An interval
-- begins with next_start and is counted from there, also when it goes on after its end was put off. A schedule that
-- was paused goes on with its first start from now on: what fell into the pause was not wanted. Only a single start
-- is kept.
CREATE OR REPLACE FUNCTION long_task.find_next_start()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_now     timestamptz := long_task.clock() - interval '1 microsecond'; -- so that a start at this instant is one
  v_given   boolean := NEW.next_start IS NOT NULL;
  v_other   boolean := true; -- another schedule than before
  v_again   boolean := false; -- one that was paused
  v_longer  boolean := false; -- one whose end was put off
  v_period  boolean := false; -- another interval
  v_message text;
  v_hint    text;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    v_given := v_given AND NEW.next_start IS DISTINCT FROM OLD.next_start;
    v_other := NEW.cron IS DISTINCT FROM OLD.cron OR NEW.time_zone IS DISTINCT FROM OLD.time_zone;
    v_again := NEW.shed_enabled AND NOT OLD.shed_enabled AND NEW.next_start <= v_now AND NOT v_given;
    v_longer := NEW.until IS DISTINCT FROM OLD.until AND NEW.next_start IS NULL AND NEW.shed_anchor IS NOT NULL;
    v_period := NEW.shed_period_id IS DISTINCT FROM OLD.shed_period_id
      OR NEW.shed_period_count IS DISTINCT FROM OLD.shed_period_count;
    -- A start that waits for an end goes on waiting, unless it is judged by something else now.
    IF v_given OR v_other OR v_period OR NEW.next_start IS NULL OR NEW.shed_enabled <> OLD.shed_enabled
       OR NEW.shed_clone <> OLD.shed_clone OR NEW.missed IS DISTINCT FROM OLD.missed
       OR NEW.overlap IS DISTINCT FROM OLD.overlap THEN
      NEW.shed_waiting := NULL;
    END IF;
    IF NEW.shed_enabled THEN
      NEW.shed_error := NULL;
    END IF;
    IF NEW.cron IS NULL AND OLD.cron IS NOT NULL AND NOT v_given THEN
      NEW.next_start := NULL;
    END IF;
    IF NEW.next_start IS NULL AND OLD.next_start IS NOT NULL THEN
      NEW.shed_anchor := NULL;
    END IF;
  END IF;
  IF v_given OR v_period AND NEW.next_start IS NOT NULL THEN
    NEW.shed_anchor := NEW.next_start;
  END IF;
  IF v_other AND NEW.cron IS NULL THEN
    NEW.cron_fields := NULL;
  ELSIF v_other THEN
    BEGIN
      NEW.cron_fields := long_task.parse_cron(NEW.cron);
    EXCEPTION
      WHEN SQLSTATE 'LT007' THEN
        -- Raised anew, so that people see one line of context.
        GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
    END;
    IF v_message IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'LT007', MESSAGE = v_message, HINT = v_hint;
    END IF;
  END IF;

  IF NEW.cron IS NOT NULL AND v_given THEN
    NEW.next_start := long_task.next_start_after(long_task.schedule_of(NEW), NEW.next_start - interval '1 microsecond');
  ELSIF v_longer AND NOT v_other THEN
    NEW.next_start := long_task.next_start_after(
      long_task.schedule_of(NEW), GREATEST(v_now, NEW.shed_anchor - interval '1 microsecond'));
  ELSIF v_again AND NEW.shed_period_id IS NOT NULL
     OR NEW.cron IS NOT NULL AND (v_other OR v_again OR NEW.next_start IS NULL) THEN
    NEW.next_start := long_task.next_start_after(long_task.schedule_of(NEW), v_now);
  END IF;
  IF NEW.cron IS NOT NULL AND v_other AND NEW.next_start IS NULL
     AND long_task.cron_time_after(NEW.cron_fields, NEW.time_zone, v_now) IS NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('the time of cron %s never comes', quote_literal(NEW.cron)),
      HINT = 'No month it names has the day it names.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.find_next_start() IS
  'Trigger: find the first start of a schedule that a person has written, changed or resumed.';

CREATE OR REPLACE TRIGGER find_first_start
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (NEW.next_start IS NOT NULL OR NEW.cron IS NOT NULL)
EXECUTE FUNCTION long_task.find_next_start();

CREATE OR REPLACE TRIGGER find_next_start
BEFORE UPDATE OF
  next_start, cron, time_zone, shed_period_id, shed_period_count, shed_clone, shed_enabled, missed, missed_after,
  overlap, until
ON long_task.task
FOR EACH ROW
WHEN (NEW.running_on IS NOT DISTINCT FROM OLD.running_on AND NEW.queued_by <> 'system')
EXECUTE FUNCTION long_task.find_next_start();
