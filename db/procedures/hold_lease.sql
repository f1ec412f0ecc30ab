-- hold_lease: make sure that a node holds its worker, until the end of its call.
--
-- Called by  sync
-- Locks      the worker's lease row FOR NO KEY UPDATE, which writes no version of the row; a renewal writes one.
-- Raises     LT001 lease lost
--
-- A plan that is made once: PostgreSQL would make the first five anew, which costs more than all the rest, and in a large
-- fleet each session renews every ten seconds only.
--
-- p_lease_seconds  renew the lease for so long from now; null: leave it
--
-- Returns the group of the worker.
CREATE OR REPLACE FUNCTION long_task.hold_lease(
  p_worker_id     integer,
  p_epoch         bigint,
  p_connection    integer,
  p_lease_seconds double precision,
  p_running       integer
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_group_id integer;
BEGIN
  IF p_lease_seconds IS NULL THEN
    SELECT l.group_id INTO v_group_id
    FROM long_task.worker_lease AS l
    WHERE l.worker_id = p_worker_id
      AND l.epoch = p_epoch
      AND l.connection = p_connection
      AND l.active
      AND l.locked_until > long_task.clock()
    FOR NO KEY UPDATE;
  ELSE
    UPDATE long_task.worker_lease AS l
    SET
      locked_until = long_task.clock() + make_interval(secs => p_lease_seconds),
      task_count = p_running
    WHERE l.worker_id = p_worker_id
      AND l.epoch = p_epoch
      AND l.connection = p_connection
      AND l.active
      AND l.locked_until > long_task.clock()
    RETURNING l.group_id INTO v_group_id;
  END IF;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT001', format('epoch %s of worker %s is over', p_epoch, p_worker_id),
      'Kill everything and ask for the worker afresh.');
  END IF;
  RETURN v_group_id;
END
$$;

COMMENT ON FUNCTION long_task.hold_lease(integer, bigint, integer, double precision, integer) IS
  'Make sure that a node holds its worker until the end of its call, and renew the lease if told to. Returns its group.';
