-- end_lease: close the lease of a worker whose node is gone, and write off what it has left behind.
--
-- Called by  lock_worker, leave_worker, recover_watched, recover_worker_tasks, change_worker, under a
--            lock of the lease's row.
-- Locks      the lease's row; task rows, as finish_attempts does.
-- Raises     nothing
--
-- p_reports are ends that somebody still knows of, as finish_attempts takes them.
--
-- Returns how many attempts were lost. Null: rows are left that somebody holds in an open transaction; then
-- the lease still is the node's, though over, and this is to be called again.
CREATE OR REPLACE FUNCTION long_task.end_lease(
  p_lease   long_task.worker_lease,
  p_reports json DEFAULT '[]'
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lost integer := long_task.write_off_attempts(p_lease.worker_id, p_reports);
  v_left boolean := EXISTS (SELECT FROM long_task.task AS t WHERE t.running_on = p_lease.worker_id);
BEGIN
  UPDATE long_task.worker_lease AS l
  SET
    active = l.active AND v_left,
    task_count = 0,
    locked_until = LEAST(l.locked_until, long_task.clock())
  WHERE l.worker_id = p_lease.worker_id;
  RETURN CASE WHEN NOT v_left THEN v_lost END;
END
$$;

COMMENT ON FUNCTION long_task.end_lease(long_task.worker_lease, json) IS
  'Close a lease and write off what was left behind. Returns how many attempts were lost; null: call again.';
