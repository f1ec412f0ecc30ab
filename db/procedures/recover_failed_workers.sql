-- recover_failed_workers: give back the tasks of workers whose node has failed.
--
-- Called by  sync, at the renewal of a lease: every node watches over all others.
-- Locks      lease rows of failed workers FOR UPDATE SKIP LOCKED, so that one of the watchers does it and
--            none waits; task rows, as finish_attempts does.
-- Raises     nothing
--
-- Rows that somebody holds in an open transaction are passed over. The lease stays until none is left, so
-- that its worker is given to nobody whose tasks would then be somebody else's.
--
-- Returns seconds until another lease may be lost; null: nobody else holds one.
CREATE OR REPLACE FUNCTION long_task.recover_failed_workers(p_worker_id integer)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_again CONSTANT double precision := 0.2;
  v_since timestamptz := long_task.session_start();
  v_lease long_task.worker_lease;
  v_lost  integer;
  v_next  timestamptz;
BEGIN
  FOR v_lease IN
    SELECT l.*
    FROM long_task.worker_lease AS l
    WHERE l.active
      AND l.worker_id <> p_worker_id
      AND long_task.lease_over_at(l, v_since) <= long_task.clock()
    ORDER BY l.worker_id
    FOR UPDATE SKIP LOCKED
  LOOP
    v_lost := long_task.end_lease(v_lease);
    IF v_lost IS NOT NULL THEN
      PERFORM long_task.log_event('recovered', v_lease, v_lost,
        format('%s failed, and worker %s saw it', long_task.name_holder(v_lease), p_worker_id));
      PERFORM long_task.announce(NULL, v_lease.worker_id);
    END IF;
  END LOOP;

  SELECT min(long_task.lease_over_at(l, v_since)) INTO v_next
  FROM long_task.worker_lease AS l
  WHERE l.active
    AND l.worker_id <> p_worker_id;
  -- GREATEST would pass over a null.
  RETURN CASE WHEN v_next IS NOT NULL THEN GREATEST(extract(epoch FROM v_next - long_task.clock()), v_again) END;
END
$$;

COMMENT ON FUNCTION long_task.recover_failed_workers(integer) IS
  'Give back the tasks of workers whose node has failed. Returns seconds until another lease may be lost; null: there is none.';
