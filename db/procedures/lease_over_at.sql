-- lease_over_at: when a lease that is not renewed any more counts as lost.
--
-- Called by  lock_worker, recover_failed_workers, recover_watched, recover_worker_tasks, change_worker
-- Locks      nothing
-- Raises     nothing
--
-- The recovery delay after its end: the holder and its guardian judge the end by their own clocks, and
-- have killed everything when the delay has passed.
CREATE OR REPLACE FUNCTION long_task.lease_over_at(p_lease long_task.worker_lease)
RETURNS timestamptz
LANGUAGE sql
STABLE
RETURN p_lease.locked_until + p_lease.recovery_delay;

COMMENT ON FUNCTION long_task.lease_over_at(long_task.worker_lease) IS
  'When a lease that is not renewed any more counts as lost.';
