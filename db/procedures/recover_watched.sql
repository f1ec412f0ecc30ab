-- recover_watched: give back the tasks of those of some workers whose lease is over.
--
-- Called by  recover_failed_workers, if its node has waited for the end of a lease
-- Locks      lease rows of failed workers FOR UPDATE SKIP LOCKED, so that one of the watchers does it and
--            none waits; task rows, as finish_attempts does.
-- Raises     nothing
--
-- Rows that somebody holds in an open transaction are passed over. The lease stays until none is left, so
-- that its worker is given to nobody whose tasks would then be somebody else's.
--
-- p_watched: leases (lease_state); one that has been renewed since is another one, and is let be.
CREATE OR REPLACE FUNCTION long_task.recover_watched(
  p_worker_id integer,
  p_watched   text[]
)
RETURNS void
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
END
$$;

COMMENT ON FUNCTION long_task.recover_watched(integer, text[]) IS
  'Give back the tasks of those of some workers whose lease is over.';
