-- worker: each worker as one row, the lease that its node writes beside the stop code that people write.
--
-- UPDATE of stop, INSERT of a worker that has not been there yet and DELETE of one that is not served
-- go through the trigger change_worker.
CREATE OR REPLACE VIEW long_task.worker AS
SELECT
  COALESCE(l.worker_id, s.worker_id) AS id,
  l.group_id,
  COALESCE(l.active, false) AS active,
  l.locked_until,
  COALESCE(l.task_count, 0) AS task_count,
  COALESCE(s.stop, 0::smallint) AS stop,
  l.node_name,
  l.slots,
  l.host,
  l.pid,
  l.version,
  l.since,
  COALESCE(l.epoch, 0) AS epoch
FROM long_task.worker_lease AS l
FULL JOIN long_task.worker_stop AS s ON s.worker_id = l.worker_id;

COMMENT ON VIEW long_task.worker IS
  'The workers. UPDATE long_task.worker SET stop = 2 WHERE id = 1 drains one.';
COMMENT ON COLUMN long_task.worker.id IS 'The worker, as given to node.py.';
COMMENT ON COLUMN long_task.worker.group_id IS 'Group whose tasks it runs.';
COMMENT ON COLUMN long_task.worker.active IS 'Whether a node holds it, as far as is known.';
COMMENT ON COLUMN long_task.worker.locked_until IS 'End of its node''s lease by the database''s clock.';
COMMENT ON COLUMN long_task.worker.task_count IS 'Processes at the latest renewal; worker_status counts them afresh.';
COMMENT ON COLUMN long_task.worker.stop IS '0 run; 1 start nothing new; 2 start nothing new, leave when idle; 3 cancel all, then leave.';
COMMENT ON COLUMN long_task.worker.node_name IS 'Name of the node that holds it, or held it last.';
COMMENT ON COLUMN long_task.worker.slots IS 'Largest number of processes at once.';
COMMENT ON COLUMN long_task.worker.host IS 'Host name of that node.';
COMMENT ON COLUMN long_task.worker.pid IS 'Process id of that node.';
COMMENT ON COLUMN long_task.worker.version IS 'Release of pg_tasks on that node.';
COMMENT ON COLUMN long_task.worker.since IS 'When that node took the lease.';
COMMENT ON COLUMN long_task.worker.epoch IS 'Grows with each new holder of the lease.';
