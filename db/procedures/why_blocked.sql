-- why_blocked: say in one sentence what a blocked task waits for.
--
-- Called by  why
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.why_blocked(p_task long_task.task)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_others integer;
  v_first  text;
  v_max    integer;
BEGIN
  IF p_task.wants_key THEN
    v_max := COALESCE(
      (SELECT c.max_running FROM long_task.concurrency_limit AS c WHERE c.concurrency_key = p_task.concurrency_key), 1
    );
    SELECT count(*) - 1, min(format('task %s', t.id)) INTO v_others, v_first
    FROM (
      SELECT r.id
      FROM long_task.task AS r
      WHERE r.concurrency_key = p_task.concurrency_key
        AND r.running_on IS NOT NULL
      UNION ALL
      SELECT d.task_id
      FROM long_task.deleted_attempt AS d
      WHERE d.concurrency_key = p_task.concurrency_key
    ) AS t;
    RETURN format('It waits for concurrency_key %L, with which at most %s may run at once: %s', p_task.concurrency_key,
      v_max, CASE
        WHEN v_max = 0 THEN 'none (concurrency_limit).'
        WHEN v_others < 0 THEN 'a node is about to look at it.'
        WHEN v_others = 0 THEN v_first || ' does.'
        ELSE format('%s and %s more do.', v_first, v_others)
      END);
  END IF;
  SELECT count(*) OVER () - 1, format('task %s%s, which is %s', p.id, ' (' || p.name || ')', p.state_id)
  INTO v_others, v_first
  FROM long_task.task_dependency AS d
  JOIN long_task.task AS p ON p.id = d.needs_task_id
  WHERE d.task_id = p_task.id
    AND d.met IS NULL
    AND d.enabled
  ORDER BY p.state_id NOT IN ('AE', 'AS', 'AC'), p.id
  LIMIT 1;
  RETURN CASE
    WHEN NOT FOUND THEN COALESCE(
      'It waits (unmet) because it ' || long_task.why_unmet(p_task.id) || '.',
      'What it needs has ended, and a node is about to look at it.'
    )
    WHEN v_others = 0 THEN format('It waits for %s.', v_first)
    WHEN p_task.needs = 'any' THEN format('It waits for any of %s tasks, such as %s.', v_others + 1, v_first)
    ELSE format('It waits for %s tasks, such as %s.', v_others + 1, v_first)
  END;
END
$$;

COMMENT ON FUNCTION long_task.why_blocked(long_task.task) IS
  'One sentence: what does this blocked task wait for?';
