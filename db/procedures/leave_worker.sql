-- leave_worker: give a lease back.
--
-- Called by  a node that ends, after it has reported everything.
-- Locks      the worker's lease row; task rows by end_lease.
-- Raises     nothing: a node that has lost its lease has nothing to give back.
--
-- The stop codes 2 and 3 ask a node to leave; they are done with now, so that the next node that serves
-- the worker runs. Code 1 is a condition of the worker and stays.
--
-- Returns true: given back; false: it was not held any more; null: an attempt whose start the node never
-- heard of has a row that somebody holds, so call again.
-- SECURITY DEFINER: roles that run nodes write no table themselves.
CREATE OR REPLACE FUNCTION long_task.leave_worker(
  p_worker_id  integer,
  p_epoch      bigint,
  p_connection integer
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lease long_task.worker_lease;
  v_lost  integer;
BEGIN
  SELECT l.* INTO v_lease
  FROM long_task.worker_lease AS l
  WHERE l.worker_id = p_worker_id
    AND l.epoch = p_epoch
    AND l.connection = p_connection
    AND l.active
  FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  v_lost := long_task.end_lease(v_lease);
  IF v_lost IS NULL THEN
    RETURN NULL;
  END IF;
  DELETE FROM long_task.worker_stop AS s
  WHERE s.worker_id = p_worker_id
    AND s.stop IN (2, 3);
  PERFORM long_task.leave_post(v_lease.group_id, 0);
  PERFORM long_task.log_event('left', v_lease, v_lost);
  PERFORM long_task.announce(NULL, p_worker_id);
  RETURN true;
END
$$;

COMMENT ON FUNCTION long_task.leave_worker(integer, bigint, integer) IS
  'For nodes: give the lease of a worker back. False: it was not held any more; null: call again.';

REVOKE ALL ON FUNCTION long_task.leave_worker(integer, bigint, integer) FROM PUBLIC;
