-- scheduled: every task that has a schedule, and when it will start.
CREATE OR REPLACE VIEW long_task.scheduled AS
SELECT
  t.id,
  t.name,
  t.group_id,
  t.state_id,
  CASE
    WHEN t.cron IS NOT NULL THEN t.cron
    WHEN t.shed_period_id IS NOT NULL THEN format('every %s %s', COALESCE(t.shed_period_count, 1), t.shed_period_id)
    ELSE 'once'
  END AS schedule,
  COALESCE(t.time_zone, 'UTC') AS time_zone,
  CASE
    WHEN t.shed_error IS NOT NULL THEN 'failed'
    WHEN NOT t.shed_enabled THEN 'paused'
    WHEN t.next_start IS NULL AND t.shed_anchor IS NULL AND t.cron IS NULL THEN 'without next_start'
    WHEN t.next_start IS NULL OR t.next_start > t.until THEN 'over'
    WHEN t.state_id = 'DR' AND NOT t.shed_clone THEN 'draft'
    WHEN t.shed_waiting THEN 'waiting'
    ELSE 'on'
  END AS status,
  t.next_start,
  CASE WHEN t.state_id <> 'DR' OR t.shed_clone THEN long_task.next_starts(t.id, t.next_start) END AS next_starts,
  t.scheduled_for AS latest_start,
  t.shed_clone AS clone,
  COALESCE(t.overlap, CASE
    WHEN t.shed_clone THEN 'clone'
    WHEN t.missed = 'run each' THEN 'queue each'
    ELSE 'skip'
  END) AS overlap,
  COALESCE(t.missed, 'run once') AS missed,
  t.missed_after,
  t.jitter,
  t.until,
  t.shed_error AS error
FROM long_task.task AS t
WHERE t.next_start IS NOT NULL
   OR t.cron IS NOT NULL
   OR t.shed_period_id IS NOT NULL
ORDER BY t.shed_enabled DESC, t.next_start, t.id;

COMMENT ON VIEW long_task.scheduled IS
  'Tasks with a schedule, next ones first. long_task.schedule_preview(id) shows more of their starts.';
COMMENT ON COLUMN long_task.scheduled.id IS 'The task.';
COMMENT ON COLUMN long_task.scheduled.name IS 'Its name.';
COMMENT ON COLUMN long_task.scheduled.group_id IS 'Group whose workers run it.';
COMMENT ON COLUMN long_task.scheduled.state_id IS 'State of the task; of a template it says nothing about its copies.';
COMMENT ON COLUMN long_task.scheduled.schedule IS 'Its cron line, its interval, or once.';
COMMENT ON COLUMN long_task.scheduled.time_zone IS 'Whose clock on the wall it keeps.';
COMMENT ON COLUMN long_task.scheduled.status IS
  'on; waiting: next_start has come, and waits for the task to end; draft: starts are passed over; paused; failed: paused by the system, see error; over; without next_start.';
COMMENT ON COLUMN long_task.scheduled.next_start IS 'The next start; null: there are no more.';
COMMENT ON COLUMN long_task.scheduled.next_starts IS 'The next three, before jitter; null: the task is a draft, or they cannot be found.';
COMMENT ON COLUMN long_task.scheduled.latest_start IS 'Time of the schedule for which the task itself was queued last.';
COMMENT ON COLUMN long_task.scheduled.clone IS 'True: each start is a copy of the task.';
COMMENT ON COLUMN long_task.scheduled.overlap IS 'What becomes of a start at which it is active: skip, clone, queue one, or, if each is run, queue each.';
COMMENT ON COLUMN long_task.scheduled.missed IS 'What becomes of starts that were missed.';
COMMENT ON COLUMN long_task.scheduled.missed_after IS 'A start that is later than this is given up.';
COMMENT ON COLUMN long_task.scheduled.jitter IS 'Each start is delayed by a random time of up to so much.';
COMMENT ON COLUMN long_task.scheduled.until IS 'No start after this time.';
COMMENT ON COLUMN long_task.scheduled.error IS 'Why the system has paused it.';
