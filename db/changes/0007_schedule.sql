-- Schedules: what a task's own schedule may say beside the interval, and what its starts remember.
--
-- Everything is null unless a person says otherwise, so that a task without a schedule carries none of it.

CREATE TYPE long_task.cron_fields AS (
  minutes      bit(60),
  hours        bit(24),
  days         bit(31),
  months       bit(12),
  weekdays     bit(7),
  last_day     boolean,
  last_workday boolean,
  near_days    integer[],
  nth_weekdays integer[],
  either_day   boolean,
  every_hour   boolean
);
COMMENT ON TYPE long_task.cron_fields IS
  'A cron line, parsed. One bit for each minute, hour, day, month and weekday from Sunday; near_days are days with W; nth_weekdays are ten times the weekday plus n, n is 0 for the last; either_day: one of the two day fields is enough; every_hour: it follows elapsed time.';

CREATE TYPE long_task.schedule AS (
  task_id           bigint,
  state_id          text,
  next_start        timestamptz,
  shed_period_id    text,
  shed_period_count integer,
  shed_anchor       timestamptz,
  shed_clone        boolean,
  shed_waiting      boolean,
  cron              text,
  cron_fields       long_task.cron_fields,
  time_zone         text,
  missed            text,
  missed_after      interval,
  overlap           text,
  until             timestamptz,
  copy_bytes        bigint
);
COMMENT ON TYPE long_task.schedule IS
  'The schedule of a task, without what its program is given: that may be long, and is copied with each call that takes a whole row.';

ALTER TABLE long_task.task
  ADD COLUMN missed        text,
  ADD COLUMN missed_after  interval,
  ADD COLUMN overlap       text,
  ADD COLUMN jitter        interval,
  ADD COLUMN until         timestamptz,
  ADD COLUMN cron_fields   long_task.cron_fields,
  ADD COLUMN shed_waiting  boolean,
  ADD COLUMN shed_error    text,
  ADD COLUMN scheduled_for timestamptz,
  ADD COLUMN run_queued_by text,
  ADD COLUMN run_scheduled_for timestamptz;
ALTER TABLE long_task.task_run
  ADD COLUMN scheduled_for timestamptz;
ALTER TABLE long_task.deleted_attempt
  ADD COLUMN scheduled_for timestamptz;

-- What can be fired when its time has come. A start that waits for the task to end comes in with that end.
DROP INDEX long_task.task_scheduled;
CREATE INDEX task_scheduled
  ON long_task.task (next_start)
  WHERE next_start IS NOT NULL
    AND shed_enabled
    AND (shed_waiting IS NULL OR state_id IN ('CS', 'CF', 'CC'));
-- The copies of a template that have not ended.
CREATE INDEX task_active_clones
  ON long_task.task (shed_parent_id)
  WHERE shed_parent_id IS NOT NULL
    AND state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC');

-- What it returns has changed.
DROP FUNCTION IF EXISTS long_task.fire_schedules(integer);

COMMENT ON COLUMN long_task.task.missed IS 'Schedule: what becomes of starts that were missed: run once (null), run each, skip.';
COMMENT ON COLUMN long_task.task.missed_after IS 'Schedule: a start that is later than this is given up; null: with skip a minute, else never.';
COMMENT ON COLUMN long_task.task.overlap IS 'Schedule: a start at which the task is still active: skip (null), clone, queue one.';
COMMENT ON COLUMN long_task.task.jitter IS 'Schedule: each start is delayed by a random time of up to so much.';
COMMENT ON COLUMN long_task.task.until IS 'Schedule: no start after this time.';
COMMENT ON COLUMN long_task.task.cron IS 'Schedule: minute, hour, day of month, month, day of week, or @hourly to @yearly; instead of a period.';
COMMENT ON COLUMN long_task.task.cron_fields IS 'Schedule: the cron line, parsed. System.';
COMMENT ON COLUMN long_task.task.time_zone IS 'Schedule: cron lines, days, weeks and months keep the wall clock of this zone; null: UTC.';
COMMENT ON COLUMN long_task.task.next_start IS 'Schedule: the task is queued at this time if it has ended by then. By cron it is found by the system.';
COMMENT ON COLUMN long_task.task.shed_period_id IS 'Schedule: unit of the interval, SEC MIN HOU DAY WEE MON; null: next_start is the only start, or cron says more.';
COMMENT ON COLUMN long_task.task.shed_waiting IS 'Schedule: true if next_start has come and waits for the task to end. System.';
COMMENT ON COLUMN long_task.task.shed_error IS 'Schedule: why the system has paused it. System.';
COMMENT ON COLUMN long_task.task.scheduled_for IS 'Time of the schedule for which it was queued last; null: it was not queued by a schedule. System.';
COMMENT ON COLUMN long_task.task.run_queued_by IS 'queued_by of the attempt whose process still runs, if the task is queued again already. System.';
COMMENT ON COLUMN long_task.task.run_scheduled_for IS 'scheduled_for of that attempt. System.';
COMMENT ON COLUMN long_task.task_run.scheduled_for IS 'Time of the schedule for which the task was queued; null: it was not queued by a schedule.';
COMMENT ON COLUMN long_task.deleted_attempt.scheduled_for IS 'As in task.';
