-- log_event: a line in the log of what happened to leases.
--
-- Called by  lock_worker, leave_worker, recover_watched, recover_worker_tasks, change_worker,
--            write_off_attempts
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.log_event(
  p_kind       text,
  p_lease      long_task.worker_lease,
  p_task_count integer,
  p_detail     text DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO long_task.worker_event (kind, worker_id, epoch, node_name, task_count, detail)
  VALUES (p_kind, p_lease.worker_id, p_lease.epoch, p_lease.node_name, p_task_count, p_detail);
END
$$;

COMMENT ON FUNCTION long_task.log_event(text, long_task.worker_lease, integer, text) IS
  'Write a row of worker_event.';
