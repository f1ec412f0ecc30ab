-- recover_failed_workers: give back the tasks of workers whose node has failed.
--
-- Called by  sync, at the renewal of a lease: every node watches over some others.
-- Locks      lease rows of failed workers FOR UPDATE SKIP LOCKED, so that one of the watchers does it and
--            none waits; task rows, as finish_attempts does.
-- Raises     nothing
--
-- Rows that somebody holds in an open transaction are passed over. The lease stays until none is left, so
-- that its worker is given to nobody whose tasks would then be somebody else's.
--
-- p_watched: the leases (lease_state) for whose end the node has waited by its own clock; no other is judged.
--
-- Which ones: so many as come after it in the order of index worker_lease_watch, so that the watch over a fleet costs each
-- node the same however large it is, and each lease has so many watchers. All others, if there are no more than that.
--
-- Returns a JSON array of the leases to be watched, each as [lease_state, seconds until it is over by the
-- database's clock, seconds that the whole of it lasts].
CREATE OR REPLACE FUNCTION long_task.recover_failed_workers(
  p_worker_id integer,
  p_watched   text[]
)
RETURNS json
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_some  CONSTANT integer := 16;
  v_now   timestamptz;
  v_lease long_task.worker_lease;
  v_lost  integer;
BEGIN
  FOR v_lease IN
    SELECT l.*
    FROM long_task.worker_lease AS l
    WHERE l.active
      AND l.worker_id = ANY (ARRAY(SELECT split_part(w.lease, '/', 1)::integer FROM unnest(p_watched) AS w(lease)))
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

  v_now := long_task.clock();
  RETURN (
    SELECT json_agg(json_build_array(
      long_task.lease_state(w.lease),
      extract(epoch FROM long_task.lease_over_at(w.lease) - v_now),
      extract(epoch FROM (w.lease).lease_duration + (w.lease).recovery_delay)
    ))
    FROM (
      SELECT o.lease
      FROM (
        (
          SELECT a AS lease
          FROM long_task.worker_lease AS a
          WHERE a.active
            AND hashint4(a.worker_id) > hashint4(p_worker_id)
          ORDER BY hashint4(a.worker_id)
          LIMIT v_some
        )
        UNION ALL
        (
          SELECT b
          FROM long_task.worker_lease AS b
          WHERE b.active
            AND hashint4(b.worker_id) <= hashint4(p_worker_id)
            AND b.worker_id <> p_worker_id
          ORDER BY hashint4(b.worker_id)
          LIMIT v_some
        )
      ) AS o
      LIMIT v_some
    ) AS w
  );
END
$$;

COMMENT ON FUNCTION long_task.recover_failed_workers(integer, text[]) IS
  'Give back the tasks of workers whose node has failed. Returns the leases that this worker''s node has to watch; null: none.';
