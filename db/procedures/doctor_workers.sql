-- doctor_workers: workers whose tasks count as running though nobody runs them, and those that drain without end.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- Every live node gives back what others have lost, once it has waited for the end of their leases itself: a whole lease
-- and the delay. Where no node is live, nobody does.
CREATE OR REPLACE FUNCTION long_task.doctor_workers()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_hour   CONSTANT interval := interval '1 hour';
  v_now    timestamptz := long_task.clock();
  v_served boolean := EXISTS (SELECT FROM long_task.worker_lease AS l WHERE l.active AND l.locked_until > v_now);
  v_last   bigint := -2147483649; -- less than any id
  v_lease  long_task.worker_lease;
  v_worker integer;
  v_stop   smallint;
  v_tasks  bigint;
  v_latest timestamptz;
BEGIN
  FOR v_place IN 1 .. 1000 LOOP
    SELECT t.running_on INTO v_worker
    FROM long_task.task AS t
    WHERE t.running_on IS NOT NULL AND t.running_on > v_last
    ORDER BY t.running_on
    LIMIT 1;
    EXIT WHEN v_worker IS NULL;
    v_last := v_worker;
    SELECT l.* INTO v_lease FROM long_task.worker_lease AS l WHERE l.worker_id = v_worker;
    v_stop := (SELECT s.stop FROM long_task.worker_stop AS s WHERE s.worker_id = v_worker);
    CONTINUE WHEN v_lease.active AND v_lease.locked_until > v_now AND COALESCE(v_stop, 0) < 2;
    SELECT count(*), max(r.started) INTO v_tasks, v_latest
    FROM (SELECT t.started FROM long_task.task AS t WHERE t.running_on = v_worker LIMIT 1001) AS r;

    IF v_lease.active AND v_lease.locked_until > v_now THEN
      IF v_latest < v_now - v_hour THEN
        RETURN NEXT ('warning', 'worker_drains', format('worker %s', v_worker),
          format('It has stop = %s, and leaves when its tasks have ended: %s, the latest of them started at %s.',
            v_stop, long_task.counted(v_tasks), v_latest),
          format('Wait, cancel them (stop = 3), or take it back: UPDATE long_task.worker SET stop = 0 WHERE id = %s', v_worker)
        )::long_task.finding;
      END IF;
    ELSIF NOT COALESCE(v_lease.active, false)
       OR long_task.lease_over_at(v_lease) < v_now
         - v_served::integer * (v_lease.lease_duration + v_lease.recovery_delay) THEN
      RETURN NEXT ('problem', 'worker_failed', format('worker %s', v_worker),
        format('Tasks that count as running: %s; no node holds the worker%s.', long_task.counted(v_tasks),
          CASE WHEN v_lease.active THEN ' since ' || v_lease.locked_until ELSE '' END),
        CASE
          WHEN v_served THEN 'Look for a transaction that holds their rows, among these findings and in pg_locks. '
          ELSE 'Start a node, of any group: it gives them back. '
        END || format('If need be, as the owner of the schema: SELECT long_task.recover_worker_tasks(%s)', v_worker)
      )::long_task.finding;
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.doctor_workers() IS
  'Findings about workers that have failed and whose tasks nobody gives back, and about those that drain for long.';
