-- quiet_for: whether there is nothing at all to do for an idle node, and for how long.
--
-- Called by  sync, at the renewal of a node that runs nothing and has nothing to report
-- Locks      nothing
-- Raises     nothing
--
-- One statement in place of all that sync would ask otherwise: in a large fleet nearly all calls are renewals of
-- idle nodes.
--
-- Returns the seconds until something is due, infinity: nothing is; null: there is something to do now, or is about to be.
CREATE OR REPLACE FUNCTION long_task.quiet_for(
  p_worker_id integer,
  p_group_id  integer
)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off -- which a plan that is forbidden, but the only one, looks worth to PostgreSQL 15
SET enable_bitmapscan = off
AS $$
DECLARE
  v_due timestamptz;
BEGIN
  SELECT CASE
    WHEN EXISTS (
      SELECT FROM long_task.task AS t
      WHERE t.state_id = 'AW' AND t.running_on IS NULL AND t.worker_id IS NULL AND t.group_id = p_group_id
    ) OR EXISTS (
      SELECT FROM long_task.task AS t
      WHERE t.state_id = 'AW' AND t.running_on IS NULL AND t.worker_id = p_worker_id
    )
      OR EXISTS (SELECT FROM long_task.task AS t WHERE t.running_on = p_worker_id)
      OR EXISTS (SELECT FROM long_task.deleted_attempt AS d WHERE d.worker_id = p_worker_id)
      OR EXISTS (SELECT FROM long_task.worker_stop AS s WHERE s.worker_id = p_worker_id AND s.stop <> 0)
      OR EXISTS (SELECT FROM long_task.maintenance AS m WHERE m.next_at <= long_task.clock())
      OR EXISTS (SELECT FROM long_task.unsettled_task)
      OR EXISTS (SELECT FROM long_task.unsettled_key)
      OR EXISTS (SELECT FROM long_task.unsettled_workflow)
    THEN '-infinity'
    ELSE LEAST(
      'infinity',
      (
        SELECT t.next_start
        FROM long_task.task AS t
        WHERE t.next_start IS NOT NULL
          AND t.shed_enabled
          AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
        ORDER BY t.next_start
        LIMIT 1
      ),
      (
        SELECT t.start_after
        FROM long_task.task AS t
        WHERE t.state_id = 'AD' AND t.running_on IS NULL AND t.worker_id IS NULL AND t.group_id = p_group_id
        ORDER BY t.start_after
        LIMIT 1
      ),
      (
        SELECT t.start_after
        FROM long_task.task AS t
        WHERE t.state_id = 'AD' AND t.running_on IS NULL AND t.worker_id = p_worker_id
        ORDER BY t.start_after
        LIMIT 1
      )
    )
  END
  INTO v_due;
  RETURN CASE
    WHEN v_due = 'infinity' THEN 'infinity'
    WHEN v_due > long_task.clock() THEN extract(epoch FROM v_due - long_task.clock())
  END;
END
$$;

COMMENT ON FUNCTION long_task.quiet_for(integer, integer) IS
  'Seconds until an idle node has something to do, infinity if nothing is due; null if there is something to do now.';
