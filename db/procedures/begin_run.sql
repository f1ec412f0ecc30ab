-- begin_run: make the tasks of a run, and the dependencies between them.
--
-- Called by  add_run, begin_next_run
-- Locks      nothing but the new rows, and the limit of the workflow if that has changed
-- Raises     LT004 bad value, LT012 bad dependency, LT013 there is no such value, LT014 bad workflow
--
-- Steps get their ids in an order in which each comes after those it needs. A step that is fanned out is a task for each
-- item, with the item in its params; it is given no arrays of the run's parameters, because each of ten thousand
-- tasks would have a copy of ten thousand items. No other step is given an array that one is fanned out over: it would
-- soon be longer than what Linux takes.
-- The settings keep the plans on the index of the run's tasks: statistics know nothing of a run that is being made.
--
-- p_patience  how long it may take to write the rows down before they are queued; null: as long as it takes. A node has to
--             go on renewing its lease.
CREATE OR REPLACE FUNCTION long_task.begin_run(
  p_run_id   bigint,
  p_patience interval
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off -- for what a forbidden plan costs on PostgreSQL 15
AS $$
DECLARE
  v_most     CONSTANT bigint := 1000000;
  v_run      long_task.workflow_run;
  v_workflow long_task.workflow;
  v_key      text;
  v_params   jsonb; -- of steps that are not fanned out
  v_scalars  jsonb; -- of those that are
  v_bad      record;
  v_begun    timestamptz := clock_timestamp(); -- a duration, not a time
BEGIN
  UPDATE long_task.workflow_run AS r
  SET started = long_task.clock()
  WHERE r.id = p_run_id
    AND r.started IS NULL
    AND r.cancelled IS NULL
  RETURNING r.* INTO v_run;
  SELECT w.* INTO v_workflow
  FROM long_task.workflow AS w
  WHERE w.name = v_run.workflow
    AND w.version = v_run.version;
  v_key := long_task.limit_workflow(v_workflow.name, v_workflow.version, v_workflow.max_running);
  v_params := v_run.params - COALESCE((
    SELECT array_agg(p.key)
    FROM jsonb_each(v_run.params) AS p
    JOIN long_task.workflow_step AS s ON s.workflow = v_run.workflow AND s.version = v_run.version
    WHERE jsonb_typeof(p.value) = 'array'
      AND s.fan_out IS NOT NULL
      AND jsonb_path_query_array(v_run.params, s.fan_out) IN (p.value, jsonb_build_array(p.value))
  ), ARRAY[]::text[]);
  v_scalars := COALESCE(
    (SELECT jsonb_object_agg(p.key, p.value) FROM jsonb_each(v_run.params) AS p WHERE jsonb_typeof(p.value) <> 'array'), '{}'
  );

  WITH RECURSIVE reached(step, level) AS (
    SELECT s.name, 0
    FROM long_task.workflow_step AS s
    WHERE s.workflow = v_run.workflow
      AND s.version = v_run.version
    UNION
    SELECT e.step, r.level + 1
    FROM reached AS r
    JOIN long_task.workflow_edge AS e
      ON e.workflow = v_run.workflow AND e.version = v_run.version AND e.needs_step = r.step
  ),
  ranked AS (
    SELECT r.step, max(r.level) AS level
    FROM reached AS r
    GROUP BY r.step
  )
  INSERT INTO long_task.task (
    name, state_id, priority, group_id, worker_id, command, params, env, stdin, cwd, timeout, kill_grace, max_attempts,
    retry_delay, concurrency_key, needs, unmet, run_id, step, item, owner, shed_parent_id, scheduled_for
  )
  SELECT
    s.name, 'DR', s.priority, s.group_id, s.worker_id, long_task.fill_in(s.command, 'PARAM', g.params), g.params, s.env,
    s.stdin, s.cwd, s.timeout, s.kill_grace, s.max_attempts, s.retry_delay, COALESCE(s.concurrency_key, v_key), s.needs,
    s.unmet, p_run_id, s.name, i.place, v_run.owner, v_run.task_id, v_run.scheduled_for
  FROM ranked AS k
  JOIN long_task.workflow_step AS s
    ON s.workflow = v_run.workflow AND s.version = v_run.version AND s.name = k.step
  CROSS JOIN LATERAL long_task.items_of_step(s.fan_out, v_run.params) AS i
  CROSS JOIN LATERAL (
    SELECT CASE
      WHEN i.place IS NULL THEN COALESCE(s.params, '{}') || v_params
      ELSE COALESCE(s.params, '{}') || v_scalars || jsonb_build_object('item', i.value)
    END AS params
  ) AS g
  ORDER BY k.level, s.name, i.place;

  IF EXISTS (SELECT FROM long_task.task AS t WHERE t.run_id = p_run_id AND t.command[1] = '') THEN
    PERFORM long_task.refuse('LT005', format('a command of workflow %s begins with an empty parameter', v_run.workflow),
      'Give the parameter that names the program.');
  END IF;
  -- Below, OFFSET 0 keeps the order: from the edges to the tasks, each found by the index.
  WITH size AS MATERIALIZED (
    SELECT t.step, count(*) AS tasks
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
    GROUP BY t.step
  )
  SELECT e.step, e.needs_step, t.tasks * p.tasks AS links INTO v_bad
  FROM long_task.workflow_edge AS e
  JOIN size AS t ON t.step = e.step
  JOIN size AS p ON p.step = e.needs_step
  WHERE e.workflow = v_run.workflow
    AND e.version = v_run.version
    AND NOT e.each
    AND t.tasks * p.tasks > v_most
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT014', format('step %s would need %s through %s dependencies', v_bad.step, v_bad.needs_step, v_bad.links),
      'Set each, so that each item waits for the same item only, or put a step between them.');
  END IF;
  SELECT e.step, t.item, e.needs_step INTO v_bad
  FROM long_task.workflow_edge AS e
  CROSS JOIN LATERAL (
    SELECT f.item FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = e.step OFFSET 0
  ) AS t
  LEFT JOIN LATERAL (
    SELECT f.id
    FROM long_task.task AS f
    WHERE f.run_id = p_run_id AND f.step = e.needs_step AND f.item = t.item
    OFFSET 0
  ) AS p ON true
  WHERE e.workflow = v_run.workflow
    AND e.version = v_run.version
    AND e.each
    AND p.id IS NULL
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT014', format('step %s needs each item of step %s, which has none for %s',
      v_bad.step, v_bad.needs_step, COALESCE('item ' || v_bad.item, 'a step that is not fanned out')),
      'Fan both steps out over the same array, or do not set each.');
  END IF;
  INSERT INTO long_task.task_dependency (task_id, needs_task_id, "on", condition, enabled, pass, gather, run_id)
  SELECT t.id, p.id, e."on", e.condition, e.enabled, e.pass, p.item IS NOT NULL, p_run_id
  FROM long_task.workflow_edge AS e
  CROSS JOIN LATERAL (
    SELECT f.id FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = e.step OFFSET 0
  ) AS t
  CROSS JOIN LATERAL (
    SELECT f.id, f.item FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = e.needs_step OFFSET 0
  ) AS p
  WHERE e.workflow = v_run.workflow
    AND e.version = v_run.version
    AND NOT e.each
  UNION ALL
  SELECT t.id, p.id, e."on", e.condition, e.enabled, e.pass, false, p_run_id
  FROM long_task.workflow_edge AS e
  CROSS JOIN LATERAL (
    SELECT f.id, f.item FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = e.step OFFSET 0
  ) AS t
  CROSS JOIN LATERAL (
    SELECT f.id
    FROM long_task.task AS f
    WHERE f.run_id = p_run_id AND f.step = e.needs_step AND f.item = t.item
    OFFSET 0
  ) AS p
  WHERE e.workflow = v_run.workflow
    AND e.version = v_run.version
    AND e.each;
  IF clock_timestamp() - v_begun > p_patience THEN
    PERFORM long_task.refuse('LT014', format('the %s tasks of a run of workflow %s are too many to be started by a node',
      (SELECT count(*) FROM long_task.task AS t WHERE t.run_id = p_run_id), v_run.workflow),
      'Start it with start_workflow, from a task of its own if need be, or let it do more in each task.');
  END IF;
  -- 'system' tells the triggers that a procedure writes this; it is never stored.
  UPDATE long_task.task AS t
  SET
    queued_by = CASE WHEN v_run.started_by = 'schedule' THEN 'system' ELSE t.queued_by END,
    state_id = 'AW'
  WHERE t.run_id = p_run_id;
END
$$;

COMMENT ON FUNCTION long_task.begin_run(bigint, interval) IS
  'Make the tasks of a run and the dependencies between them, and queue them.';
