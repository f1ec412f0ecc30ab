-- worker_status: how each worker is doing, counted at the moment of asking.
CREATE OR REPLACE VIEW long_task.worker_status AS
SELECT
  w.id,
  w.group_id,
  CASE
    WHEN NOT w.active THEN 'left'
    WHEN w.locked_until <= c.now THEN 'failed'
    WHEN w.stop IN (2, 3) THEN 'draining'
    WHEN w.stop = 1 THEN 'held'
    ELSE 'live'
  END AS status,
  w.stop,
  w.slots,
  r.running,
  e.ended AS ended_last_minute,
  e.failed AS failed_last_minute,
  w.locked_until - c.now AS lease_left,
  w.node_name,
  w.host,
  w.pid,
  w.version,
  c.now - w.since AS age
FROM long_task.worker AS w
CROSS JOIN (SELECT long_task.clock() AS now OFFSET 0) AS c
CROSS JOIN LATERAL (
  SELECT count(*) AS running
  FROM long_task.task AS t
  WHERE t.running_on = w.id
) AS r
LEFT JOIN (
  SELECT
    h.worker_id,
    count(*) AS ended,
    count(*) FILTER (WHERE h.state_id = 'CF') AS failed
  FROM long_task.task_run AS h
  WHERE h.finished > long_task.clock() - interval '1 minute'
  GROUP BY h.worker_id
) AS e ON e.worker_id = w.id
ORDER BY w.id;

COMMENT ON VIEW long_task.worker_status IS
  'Workers: live, held (stop = 1), draining (stop = 2 or 3), failed (its lease ran out) or left.';
COMMENT ON COLUMN long_task.worker_status.id IS 'The worker.';
COMMENT ON COLUMN long_task.worker_status.group_id IS 'Group whose tasks it runs.';
COMMENT ON COLUMN long_task.worker_status.status IS 'live, held, draining, failed or left.';
COMMENT ON COLUMN long_task.worker_status.stop IS 'Its stop code.';
COMMENT ON COLUMN long_task.worker_status.slots IS 'Largest number of processes at once.';
COMMENT ON COLUMN long_task.worker_status.running IS 'Tasks that have a process now.';
COMMENT ON COLUMN long_task.worker_status.ended_last_minute IS 'Attempts that ended in the last minute; null: none.';
COMMENT ON COLUMN long_task.worker_status.failed_last_minute IS 'Those of them that ended badly.';
COMMENT ON COLUMN long_task.worker_status.lease_left IS 'Until its lease ends if its node does not renew it.';
COMMENT ON COLUMN long_task.worker_status.node_name IS 'The node that holds it, or held it last.';
COMMENT ON COLUMN long_task.worker_status.host IS 'The machine of that node.';
COMMENT ON COLUMN long_task.worker_status.pid IS 'The process of that node.';
COMMENT ON COLUMN long_task.worker_status.version IS 'Release of pg_tasks on that node.';
COMMENT ON COLUMN long_task.worker_status.age IS 'How long that node has held it.';
