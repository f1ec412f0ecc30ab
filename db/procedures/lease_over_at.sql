-- lease_over_at: when a lease that is not renewed any more counts as lost.
--
-- Called by  lock_worker, recover_failed_workers, recover_worker_tasks, change_worker
-- Locks      nothing
-- Raises     nothing
--
-- The recovery delay after its end: the holder and its guardian judge the end by their own clocks, and
-- have killed everything when the delay has passed.
--
-- Whoever judges counts only the time in which it had the database itself (p_judge_since): after a restart
-- or a failover all leases look old at once, and each holder gets a whole lease to come back and report what
-- happened meanwhile, before others write its attempts off.
CREATE OR REPLACE FUNCTION long_task.lease_over_at(
  p_lease       long_task.worker_lease,
  p_judge_since timestamptz
)
RETURNS timestamptz
LANGUAGE sql
STABLE
RETURN GREATEST(p_lease.locked_until, p_judge_since + p_lease.lease_duration) + p_lease.recovery_delay;

COMMENT ON FUNCTION long_task.lease_over_at(long_task.worker_lease, timestamptz) IS
  'When a lease that is not renewed any more counts as lost, for a judge that has had the database since a given time.';
