-- doctor_overdue: what nodes do by themselves when its time has come, and have not done.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- Schedules, delays and what was left over are seen to in each call of a node. Five minutes are enough for a backlog of
-- hundreds of thousands.
CREATE OR REPLACE FUNCTION long_task.doctor_overdue()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_now    timestamptz := long_task.clock();
  v_late   timestamptz := v_now - interval '5 minutes';
  v_served boolean := EXISTS (SELECT FROM long_task.worker_lease AS l WHERE l.active AND l.locked_until > v_now);
  v_advice text := CASE
    WHEN v_served THEN 'Look for a transaction that has been open for long, among these findings and in pg_locks, and at the logs of the nodes.'
    ELSE 'Start a node, of any group.'
  END;
BEGIN
  RETURN QUERY
  SELECT 'problem', 'schedules_overdue', format('task %s', (array_agg(s.id ORDER BY s.next_start))[1]),
    format('Starts that are overdue: %s, the first since %s.', long_task.counted(count(*)), min(s.next_start)), v_advice
  FROM (
    SELECT t.id, t.next_start
    FROM long_task.task AS t
    WHERE t.next_start IS NOT NULL
      AND t.shed_enabled
      AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
      AND t.next_start < v_late
    ORDER BY t.next_start
    LIMIT 1001
  ) AS s
  HAVING count(*) > 0;

  RETURN QUERY
  SELECT 'problem', 'delays_overdue',
    CASE WHEN q.worker_id IS NULL THEN 'group ' || q.group_id ELSE 'worker ' || q.worker_id END,
    format('A delay was over at %s, and its task is not ready yet, though a node is there.', q.since), v_advice
  FROM long_task.waiting_queues('AD') AS q
  WHERE q.since < v_late
    AND EXISTS (
      SELECT
      FROM long_task.worker_lease AS l
      WHERE l.active
        AND l.locked_until > v_now
        AND (l.worker_id = q.worker_id OR l.group_id = q.group_id)
    );

  RETURN QUERY
  SELECT 'problem', 'left_unsettled', format('table %s', u.name),
    format('Rows: %s, the first was to be seen to at %s. What waits for them may not be started.', long_task.counted(u.rows), u.first),
    v_advice
  FROM (
    SELECT 'unsettled_task' AS name, count(*) AS rows, min(l.not_before) AS first
    FROM (SELECT s.not_before FROM long_task.unsettled_task AS s ORDER BY s.id LIMIT 1001) AS l
    UNION ALL
    SELECT 'unsettled_key', count(*), min(l.not_before)
    FROM (SELECT s.not_before FROM long_task.unsettled_key AS s ORDER BY s.id LIMIT 1001) AS l
    UNION ALL
    SELECT 'unsettled_workflow', count(*), min(l.not_before)
    FROM (SELECT s.not_before FROM long_task.unsettled_workflow AS s ORDER BY s.id LIMIT 1001) AS l
  ) AS u
  WHERE u.first < v_late;
END
$$;

COMMENT ON FUNCTION long_task.doctor_overdue() IS
  'Findings about schedules, delays and leftovers that nobody has seen to in time.';
