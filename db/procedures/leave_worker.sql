-- leave_worker: give a lease back.
--
-- Called by  a node that ends, after it has reported everything.
-- Locks      the worker's lease row; task rows by recover_worker_tasks.
-- Raises     nothing: a node that has lost its lease has nothing to give back.
--
-- The stop codes 2 and 3 ask a node to leave; they are done with now, so that the next node that serves
-- the worker runs. Code 1 is a condition of the worker and stays.
-- SECURITY DEFINER: roles that run nodes write no table themselves.
CREATE OR REPLACE FUNCTION long_task.leave_worker(
  p_worker_id integer,
  p_epoch     bigint
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE long_task.worker_lease AS l
  SET
    active = false,
    locked_until = long_task.clock(),
    task_count = 0
  WHERE l.worker_id = p_worker_id
    AND l.epoch = p_epoch
    AND l.active;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM long_task.recover_worker_tasks(p_worker_id);
  DELETE FROM long_task.worker_stop AS s
  WHERE s.worker_id = p_worker_id
    AND s.stop IN (2, 3);
  PERFORM long_task.announce(NULL, p_worker_id);
  RETURN true;
END
$$;

COMMENT ON FUNCTION long_task.leave_worker(integer, bigint) IS
  'For nodes: give the lease of a worker back. False if it was not held any more.';

REVOKE ALL ON FUNCTION long_task.leave_worker(integer, bigint) FROM PUBLIC;
