-- lease_state: a lease as it is now, in one word that is another one after each renewal.
--
-- Called by  lock_worker, recover_failed_workers, recover_watched
-- Locks      nothing
-- Raises     nothing
--
-- Nodes hand it back when they have waited for the end of this lease by their own clocks: a lease is
-- given to others only if it is over by the database's clock and by that of whoever asks. So a step of the
-- database's clock ends nobody's lease, and after an outage, in which nobody could renew, a node that has just
-- come back judges nobody before each has had a whole lease to come back too.
CREATE OR REPLACE FUNCTION long_task.lease_state(p_lease long_task.worker_lease)
RETURNS text
LANGUAGE sql
STABLE
RETURN p_lease.worker_id || '/' || p_lease.epoch || '/' || extract(epoch FROM p_lease.locked_until);

COMMENT ON FUNCTION long_task.lease_state(long_task.worker_lease) IS
  'A word for the present state of a lease; every renewal makes another one of it.';
