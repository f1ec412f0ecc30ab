-- lock_worker: give the lease of a worker to a node, if nobody else may hold it.
--
-- Called by  a node when it starts, and again while it stands by.
-- Locks      the worker's lease row; task rows by recover_worker_tasks.
-- Raises     LT004 bad value
--
-- A lease that has ended is given away p_recovery_delay seconds later, not at once: its holder and
-- the holder's guardian judge its end by their own clocks and need a margin to have killed everything.
-- What the holder of before can still report (it was away, and is back) is handed in with p_reports
-- and counts; what is left then is lost.
--
-- Returns epoch (null: not given), held_by, and retry_in seconds.
-- SECURITY DEFINER: roles that run nodes write no table themselves.
CREATE OR REPLACE FUNCTION long_task.lock_worker(
  p_worker_id      integer,
  p_group_id       integer,
  p_slots          integer,
  p_node_name      text,
  p_host           text,
  p_pid            integer,
  p_version        text,
  p_lease_duration double precision,
  p_recovery_delay double precision,
  p_reports        json DEFAULT '[]'
)
RETURNS TABLE (epoch bigint, held_by text, retry_in double precision)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lease long_task.worker_lease;
  v_free  timestamptz;
  v_now   timestamptz;
BEGIN
  IF p_slots < 0 OR p_lease_duration <= 0 OR p_recovery_delay < 0 THEN
    PERFORM long_task.refuse('LT004', format('worker %s cannot be served with %s slots, a lease of %s s and a recovery delay of %s s',
      p_worker_id, p_slots, p_lease_duration, p_recovery_delay), 'None of them can be negative, and a lease must last.');
  END IF;
  -- Again, if a person deleted the worker while its row was waited for.
  LOOP
    INSERT INTO long_task.worker_lease (worker_id, group_id)
    VALUES (p_worker_id, p_group_id)
    ON CONFLICT DO NOTHING;
    SELECT l.* INTO v_lease
    FROM long_task.worker_lease AS l
    WHERE l.worker_id = p_worker_id
    FOR UPDATE;
    EXIT WHEN FOUND;
  END LOOP;

  v_now := long_task.clock();
  v_free := v_lease.locked_until + make_interval(secs => p_recovery_delay);
  IF v_lease.active AND v_free > v_now THEN
    RETURN QUERY SELECT
      NULL::bigint,
      format('node %s (pid %s on %s)', v_lease.node_name, v_lease.pid, v_lease.host),
      extract(epoch FROM v_free - v_now)::double precision;
    RETURN;
  END IF;

  PERFORM long_task.recover_worker_tasks(p_worker_id, p_reports);

  v_now := long_task.clock();
  UPDATE long_task.worker_lease AS l
  SET
    group_id = p_group_id,
    epoch = l.epoch + 1,
    active = true,
    locked_until = v_now + make_interval(secs => p_lease_duration),
    task_count = 0,
    slots = p_slots,
    node_name = p_node_name,
    host = p_host,
    pid = p_pid,
    version = p_version,
    since = v_now
  WHERE l.worker_id = p_worker_id
  RETURNING l.* INTO v_lease;
  RETURN QUERY SELECT v_lease.epoch, NULL::text, NULL::double precision;
END
$$;

COMMENT ON FUNCTION long_task.lock_worker(integer, integer, integer, text, text, integer, text, double precision, double precision, json) IS
  'For nodes: take the lease of a worker. Returns its epoch, or who holds it and for how many seconds yet.';

REVOKE ALL ON FUNCTION long_task.lock_worker(integer, integer, integer, text, text, integer, text, double precision, double precision, json) FROM PUBLIC;
