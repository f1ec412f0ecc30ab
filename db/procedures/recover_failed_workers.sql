-- recover_failed_workers: give back the tasks of workers whose node has failed, and tell which to watch.
--
-- Called by  sync, at the renewal of a lease: every node watches over some others.
-- Locks      as recover_watched
-- Raises     nothing
--
-- p_watched: the leases (lease_state) for whose end the node has waited by its own clock; no other is judged.
--
-- Which ones: so many as come after it in the order of index worker_lease_watch, so that the watch over a fleet costs each
-- node the same however large it is, and each lease has so many watchers. All others, if there are no more than that.
-- Those that are over and could not be recovered, because somebody holds their rows, come on top, or they would hide others
-- for as long: of these only some, because each call tries them all.
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
  v_stuck CONSTANT integer := 50;
  v_some  integer := 10;
  v_now   timestamptz;
BEGIN
  IF cardinality(p_watched) > 0 THEN
    PERFORM long_task.recover_watched(p_worker_id, p_watched);
    v_some := v_some + LEAST(v_stuck, (
      SELECT count(*)
      FROM long_task.worker_lease AS l
      WHERE l.active
        AND l.worker_id <> p_worker_id
        AND long_task.lease_over_at(l) <= long_task.clock()
        AND long_task.lease_state(l) = ANY (p_watched)
    ));
  END IF;
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
