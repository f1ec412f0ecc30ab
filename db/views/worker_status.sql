-- worker_status: how each worker is doing, and each node that waits for one, counted at the moment of asking.
CREATE OR REPLACE VIEW long_task.worker_status AS
SELECT
  w.worker_id AS id,
  w.group_id,
  CASE
    WHEN NOT w.active THEN 'left'
    WHEN w.locked_until <= c.now THEN 'failed'
    -- A node renews when half of its lease is over, at the latest.
    WHEN w.locked_until - c.now < w.lease_duration * 0.4 THEN 'failing'
    WHEN w.stop IN (2, 3) THEN 'draining'
    WHEN w.stop = 1 THEN 'held'
    ELSE 'live'
  END AS status,
  w.stop,
  w.slots,
  r.running,
  e.ended AS ended_last_minute,
  e.failed AS failed_last_minute,
  CASE WHEN w.active THEN c.now - (w.locked_until - w.lease_duration) END AS lease_age,
  CASE WHEN w.active THEN w.locked_until - c.now END AS lease_left,
  w.node_name,
  w.host,
  w.pid,
  w.version,
  c.now - w.since AS age
FROM (
  SELECT
    COALESCE(l.worker_id, s.worker_id) AS worker_id,
    l.group_id,
    COALESCE(l.active, false) AS active,
    l.locked_until,
    l.lease_duration,
    COALESCE(s.stop, 0::smallint) AS stop,
    l.slots,
    l.node_name,
    l.host,
    l.pid,
    l.version,
    l.since
  FROM long_task.worker_lease AS l
  FULL JOIN long_task.worker_stop AS s ON s.worker_id = l.worker_id
) AS w
CROSS JOIN (SELECT long_task.clock() AS now OFFSET 0) AS c
CROSS JOIN LATERAL (
  SELECT count(*) AS running
  FROM long_task.task AS t
  WHERE t.running_on = w.worker_id
) AS r
LEFT JOIN (
  SELECT
    h.worker_id,
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
  GROUP BY h.worker_id
) AS e ON e.worker_id = w.worker_id
UNION ALL
SELECT
  b.worker_id,
  b.group_id,
  'standby',
  COALESCE(s.stop, 0::smallint),
  b.slots,
  0,
  NULL,
  NULL,
  NULL,
  NULL,
  b.node_name,
  b.host,
  b.pid,
  b.version,
  long_task.clock() - b.since
FROM long_task.worker_standby AS b
LEFT JOIN long_task.worker_stop AS s ON s.worker_id = b.worker_id
WHERE b.seen_until > long_task.clock()
ORDER BY 1, age DESC;

COMMENT ON VIEW long_task.worker_status IS
  'Workers: live, held (stop = 1), draining (stop = 2 or 3), failing (late with its renewal), failed (its lease ran out) or left; and the nodes that stand by.';
COMMENT ON COLUMN long_task.worker_status.id IS 'The worker.';
COMMENT ON COLUMN long_task.worker_status.group_id IS 'Group whose tasks it runs.';
COMMENT ON COLUMN long_task.worker_status.status IS 'live, held, draining, failing, failed or left; standby: this row is a node that waits for the worker.';
COMMENT ON COLUMN long_task.worker_status.stop IS 'Its stop code.';
COMMENT ON COLUMN long_task.worker_status.slots IS 'Largest number of processes at once.';
COMMENT ON COLUMN long_task.worker_status.running IS 'Tasks that have a process now.';
COMMENT ON COLUMN long_task.worker_status.ended_last_minute IS 'Attempts that ended in the last minute; null: none.';
COMMENT ON COLUMN long_task.worker_status.failed_last_minute IS 'Those of them that ended badly.';
COMMENT ON COLUMN long_task.worker_status.lease_age IS 'Since the lease was taken or renewed; null: nobody holds it.';
COMMENT ON COLUMN long_task.worker_status.lease_left IS 'Until its lease ends if its node does not renew it; null: nobody holds it.';
COMMENT ON COLUMN long_task.worker_status.node_name IS 'The node that holds it, held it last, or waits for it.';
COMMENT ON COLUMN long_task.worker_status.host IS 'The machine of that node.';
COMMENT ON COLUMN long_task.worker_status.pid IS 'The process of that node.';
COMMENT ON COLUMN long_task.worker_status.version IS 'Release of pg_tasks on that node.';
COMMENT ON COLUMN long_task.worker_status.age IS 'How long that node has held it, or waited.';
