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
-- p_watched: the leases (lease_state) for whose end the node has waited by its own clock; no other is judged.
--
-- Returns a JSON array of the leases of all other workers, each as [lease_state, seconds until it is over by the
-- database's clock, seconds that the whole of it lasts].
CREATE OR REPLACE FUNCTION long_task.recover_failed_workers(
  p_worker_id integer,
  p_watched   text[]
)
RETURNS json
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lease long_task.worker_lease;
  v_lost  integer;
BEGIN
  FOR v_lease IN
    SELECT l.*
    FROM long_task.worker_lease AS l
    WHERE l.active
      AND l.worker_id <> p_worker_id
      AND long_task.lease_over_at(l) <= long_task.clock()
      AND long_task.lease_state(l) = ANY (p_watched)
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

  RETURN (
    SELECT json_agg(json_build_array(
      long_task.lease_state(l),
      extract(epoch FROM long_task.lease_over_at(l) - long_task.clock()),
      extract(epoch FROM l.lease_duration + l.recovery_delay)
    ))
    FROM long_task.worker_lease AS l
    WHERE l.active
      AND l.worker_id <> p_worker_id
  );
END
$$;

COMMENT ON FUNCTION long_task.recover_failed_workers(integer, text[]) IS
  'Give back the tasks of workers whose node has failed. Returns the leases that are left to be watched; null: none.';
