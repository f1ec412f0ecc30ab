-- fire_schedules: start what is due by schedule.
--
-- Called by  sync, of whichever node comes first.
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED in the order of next_start.
-- Raises     nothing
--
-- A task that has ended is queued again; one that is still active, or a draft, is passed over; one with
-- shed_clone stays as it is and a copy is queued. A worker_id that is only the trace of who ran the task
-- last does not bind the next start to that worker. Starts that were missed count as one. The schedule
-- moves on in the same statement, so that each start is made once.
CREATE OR REPLACE FUNCTION long_task.fire_schedules(p_limit integer)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_now   timestamptz := long_task.clock();
  v_ids   bigint[];
  v_fired integer;
BEGIN
  v_ids := ARRAY(
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.next_start <= v_now
      AND t.next_start IS NOT NULL
      AND t.shed_enabled
    ORDER BY t.next_start
    LIMIT p_limit
    FOR NO KEY UPDATE SKIP LOCKED
  );
  IF cardinality(v_ids) = 0 THEN
    RETURN 0;
  END IF;

  INSERT INTO long_task.task (
    name, state_id, priority, group_id, worker_id, command, params, env, stdin, cwd, timeout,
    kill_grace, max_attempts, retry_delay, owner, shed_parent_id, queued_by
  )
  SELECT
    t.name, 'AW', t.priority, t.group_id, CASE WHEN t.pinned OR t.attempt = 0 THEN t.worker_id END,
    t.command, t.params, t.env, t.stdin, t.cwd, t.timeout, t.kill_grace, t.max_attempts, t.retry_delay, t.owner, t.id, 'schedule'
  FROM long_task.task AS t
  WHERE t.id = ANY (v_ids)
    AND t.shed_clone
  ORDER BY t.next_start;

  -- 'due' tells the trigger move_task that a schedule writes this; it is never stored.
  UPDATE long_task.task AS t
  SET
    queued_by = 'due',
    state_id = CASE WHEN t.state_id LIKE 'C%' AND NOT t.shed_clone THEN 'AW' ELSE t.state_id END,
    worker_id = CASE
      WHEN t.state_id NOT LIKE 'C%' OR t.shed_clone OR t.pinned OR t.attempt = 0 THEN t.worker_id
    END,
    next_start = CASE
      WHEN t.shed_period_id IS NOT NULL THEN long_task.schedule_time_after(
        COALESCE(t.shed_anchor, t.next_start), t.shed_period_id, COALESCE(t.shed_period_count, 1),
        t.time_zone, v_now
      )
    END
  WHERE t.id = ANY (v_ids);
  GET DIAGNOSTICS v_fired = ROW_COUNT;
  RETURN v_fired;
END
$$;

COMMENT ON FUNCTION long_task.fire_schedules(integer) IS
  'Start up to so many tasks that are due by schedule, and move their schedules on. Returns how many schedules moved.';
