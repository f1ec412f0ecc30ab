-- why_waiting: say in one sentence what a ready task waits for.
--
-- Called by  why
-- Locks      nothing
-- Raises     nothing
--
-- Looks at the workers that may run the task, from the hardest obstacle to the mildest: nobody there,
-- nobody willing, nobody free.
CREATE OR REPLACE FUNCTION long_task.why_waiting(p_task long_task.task)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_now     timestamptz := long_task.clock();
  v_whose   text := CASE
    WHEN p_task.worker_id IS NULL THEN 'group ' || p_task.group_id
    ELSE 'worker ' || p_task.worker_id
  END;
  v_live    integer;
  v_willing integer;
  v_slots   integer;
  v_busy    bigint;
  v_stops   text;
  v_ahead   integer;
  v_free    bigint;
  v_max     integer;
BEGIN
  SELECT
    count(*),
    count(*) FILTER (WHERE w.stop = 0),
    COALESCE(sum(w.slots) FILTER (WHERE w.stop = 0), 0),
    COALESCE(sum((SELECT count(*) FROM long_task.task AS t WHERE t.running_on = w.id)) FILTER (WHERE w.stop = 0), 0),
    string_agg(format('worker %s has stop = %s', w.id, w.stop), ', ' ORDER BY w.id) FILTER (WHERE w.stop > 0)
  INTO v_live, v_willing, v_slots, v_busy, v_stops
  FROM long_task.worker AS w
  WHERE w.active
    AND w.locked_until > v_now
    AND CASE
      WHEN p_task.worker_id IS NULL THEN w.group_id = p_task.group_id
      ELSE w.id = p_task.worker_id
    END;

  IF v_live = 0 AND p_task.worker_id IS NULL THEN
    RETURN format('There is no live worker in %s.', v_whose);
  ELSIF v_live = 0 THEN
    RETURN format('The task is for worker %s alone (worker_id), which no live node serves.', p_task.worker_id);
  ELSIF v_willing = 0 AND p_task.worker_id IS NOT NULL THEN
    RETURN format('The task is for worker %s alone (worker_id), and %s.', p_task.worker_id, v_stops);
  ELSIF v_willing = 0 THEN
    RETURN format('No worker of %s starts anything: %s.', v_whose, v_stops);
  ELSIF v_busy >= v_slots THEN
    SELECT count(*) INTO v_ahead
    FROM (
      SELECT
      FROM long_task.task AS t
      WHERE t.state_id = 'AW'
        AND t.running_on IS NULL
        AND t.worker_id IS NOT DISTINCT FROM p_task.worker_id
        AND (t.group_id = p_task.group_id OR p_task.worker_id IS NOT NULL)
        AND (t.priority, t.ready_seq) < (p_task.priority, p_task.ready_seq)
      LIMIT 1001
    ) AS a;
    RETURN format('All %s slots of %s are busy; %s tasks are ahead of it.', v_slots, v_whose,
      CASE WHEN v_ahead > 1000 THEN 'more than 1000' ELSE v_ahead::text END);
  END IF;
  v_free := v_slots - v_busy;
  SELECT
    g.max_running,
    (SELECT count(*) FROM long_task.task AS t WHERE t.running_on IS NOT NULL AND t.group_id = g.group_id)
      + (SELECT count(*) FROM long_task.deleted_attempt AS d WHERE d.group_id = g.group_id)
  INTO v_max, v_busy
  FROM long_task.group_limit AS g
  WHERE g.group_id = p_task.group_id;
  IF v_busy >= v_max THEN
    RETURN format('Group %s runs at most %s tasks at once (group_limit), and runs %s.', p_task.group_id, v_max, v_busy);
  END IF;
  RETURN format('It is about to be started: %s of %s slots of %s are free.', v_free, v_slots, v_whose);
END
$$;

COMMENT ON FUNCTION long_task.why_waiting(long_task.task) IS
  'One sentence: what does this ready task wait for?';
