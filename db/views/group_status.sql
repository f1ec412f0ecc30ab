-- group_status: what waits, runs and ended in each group.
CREATE OR REPLACE VIEW long_task.group_status AS
WITH active AS (
  SELECT
    t.group_id,
    count(*) FILTER (WHERE t.state_id = 'AW') AS ready,
    count(*) FILTER (WHERE t.state_id = 'AD') AS delayed,
    count(*) FILTER (WHERE t.state_id = 'AB') AS blocked,
    count(*) FILTER (WHERE t.running_on IS NOT NULL) AS running,
    min(t.last_state_change) FILTER (WHERE t.state_id = 'AW') AS oldest_ready
  FROM long_task.task AS t
  WHERE t.state_id IN ('AW', 'AD', 'AB') OR t.running_on IS NOT NULL
  GROUP BY t.group_id
),
ended AS (
  SELECT
    h.group_id,
    count(*) AS ended,
    count(*) FILTER (WHERE h.state_id = 'CF') AS failed
  FROM long_task.task_run AS h
  WHERE h.finished > long_task.clock() - interval '1 minute'
    -- Of the partitions that were closed before, none is opened.
    AND h.part >= (
      SELECT min(p.part)
      FROM long_task.task_run_part AS p
      WHERE COALESCE(p.ended > long_task.clock() - interval '1 minute', true)
    )
  GROUP BY h.group_id
),
workers AS (
  SELECT
    l.group_id,
    count(*) AS live_workers,
    sum(l.slots) AS slots
  FROM long_task.worker_lease AS l
  WHERE l.active AND l.locked_until > long_task.clock()
  GROUP BY l.group_id
)
SELECT
  g.group_id,
  COALESCE(a.ready, 0) AS ready,
  COALESCE(a.delayed, 0) AS delayed,
  COALESCE(a.blocked, 0) AS blocked,
  COALESCE(a.running, 0) AS running,
  COALESCE(w.live_workers, 0) AS live_workers,
  COALESCE(w.slots, 0) AS slots,
  long_task.clock() - a.oldest_ready AS oldest_ready_age,
  COALESCE(e.ended, 0) AS ended_last_minute,
  COALESCE(e.failed, 0) AS failed_last_minute
FROM (
  SELECT group_id FROM active
  UNION
  SELECT group_id FROM ended
  UNION
  SELECT group_id FROM workers
) AS g
LEFT JOIN active AS a ON a.group_id = g.group_id
LEFT JOIN ended AS e ON e.group_id = g.group_id
LEFT JOIN workers AS w ON w.group_id = g.group_id
ORDER BY g.group_id;

COMMENT ON VIEW long_task.group_status IS
  'Groups: what waits, runs, and ended in the last minute, and who is there to run it.';
COMMENT ON COLUMN long_task.group_status.group_id IS 'The group.';
COMMENT ON COLUMN long_task.group_status.ready IS 'Tasks that wait for a slot.';
COMMENT ON COLUMN long_task.group_status.delayed IS 'Tasks that wait for a time.';
COMMENT ON COLUMN long_task.group_status.blocked IS 'Tasks that wait for another task.';
COMMENT ON COLUMN long_task.group_status.running IS 'Tasks that have a process.';
COMMENT ON COLUMN long_task.group_status.live_workers IS 'Workers whose lease holds.';
COMMENT ON COLUMN long_task.group_status.slots IS 'Slots of these workers.';
COMMENT ON COLUMN long_task.group_status.oldest_ready_age IS 'How long the longest waiting ready task has waited.';
COMMENT ON COLUMN long_task.group_status.ended_last_minute IS 'Attempts that ended in the last minute.';
COMMENT ON COLUMN long_task.group_status.failed_last_minute IS 'Those of them that ended badly.';
