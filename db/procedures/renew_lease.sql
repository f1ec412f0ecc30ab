-- renew_lease: renew a lease over a connection that is new.
--
-- Called by  a node that holds a worker and has connected again, before anything else.
-- Locks      the worker's lease row
-- Raises     LT001 lease lost
--
-- It touches no task, so that a table that is locked for hours costs no lease. From here on the calls that
-- the node's earlier connections may have left behind on their way are refused; what they did before this
-- call, the node finds when it compares (p_known of sync).
-- SECURITY DEFINER: roles that run nodes write no table themselves.
CREATE OR REPLACE FUNCTION long_task.renew_lease(
  p_worker_id     integer,
  p_epoch         bigint,
  p_connection    integer,
  p_lease_seconds double precision
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE long_task.worker_lease AS l
  SET
    locked_until = long_task.clock() + make_interval(secs => p_lease_seconds),
    connection = p_connection
  WHERE l.worker_id = p_worker_id
    AND l.epoch = p_epoch
    AND l.connection < p_connection
    AND l.active
    AND l.locked_until > long_task.clock();
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT001', format('epoch %s of worker %s is over', p_epoch, p_worker_id),
      'Kill everything and ask for the worker afresh.');
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.renew_lease(integer, bigint, integer, double precision) IS
  'For nodes: renew the lease over a new connection, and refuse what earlier connections left behind.';

REVOKE ALL ON FUNCTION long_task.renew_lease(integer, bigint, integer, double precision) FROM PUBLIC;
