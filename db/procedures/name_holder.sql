-- name_holder: who holds a lease, or held it last, in words.
--
-- Called by  lock_worker, recover_watched, recover_worker_tasks, change_worker
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.name_holder(p_lease long_task.worker_lease)
RETURNS text
LANGUAGE sql
STABLE
RETURN 'node ' || p_lease.node_name || ' (pid ' || p_lease.pid || ' on ' || p_lease.host || ')';

COMMENT ON FUNCTION long_task.name_holder(long_task.worker_lease) IS
  'Name, process and machine of the node that holds a lease, or held it last.';
