-- doctor_blocked: tasks that wait for what cannot come.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- What is stuck gathers where the oldest is, so the open dependencies of the 1000 lowest ids are looked at; of those that
-- are decided, which are most of all, the 10000 of the highest ids.
CREATE OR REPLACE FUNCTION long_task.doctor_blocked()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off -- which a plan that is forbidden, but the only one, looks worth to PostgreSQL 15
AS $$
DECLARE
  v_shown CONSTANT integer := 20;
  v_now   timestamptz := long_task.clock();
BEGIN
  RETURN QUERY
  SELECT 'warning', 'key_limit_zero', format('concurrency_key %s', quote_literal(c.concurrency_key)),
    'Tasks wait for the key, and its limit is 0.',
    format('UPDATE long_task.concurrency_limit SET max_running = 1 WHERE concurrency_key = %L, or as many as you like, or DELETE the row: that is 1.', c.concurrency_key)
  FROM long_task.concurrency_limit AS c
  WHERE c.max_running = 0
    AND (
      EXISTS (SELECT FROM long_task.task AS t WHERE t.wants_key AND t.worker_id IS NULL AND t.concurrency_key = c.concurrency_key)
      OR EXISTS (SELECT FROM long_task.task AS t WHERE t.wants_key AND t.worker_id IS NOT NULL AND t.concurrency_key = c.concurrency_key)
    )
  ORDER BY c.concurrency_key
  LIMIT v_shown;

  RETURN QUERY
  SELECT f.severity, f.code, format('task %s', t.id), f.found, f.advice
  FROM (
    SELECT d.task_id, d.needs_task_id
    FROM long_task.task_dependency AS d
    WHERE d.met IS NULL
      AND d.enabled
    ORDER BY d.task_id, d.needs_task_id
    LIMIT 1000
  ) AS o
  JOIN long_task.task AS t ON t.id = o.task_id AND t.state_id = 'AB'
  JOIN long_task.task AS p ON p.id = o.needs_task_id
  CROSS JOIN LATERAL (
    VALUES
      ('problem', 'needs_template', p.shed_clone AND p.state_id IN ('DR', 'CS', 'CF', 'CC'),
        format('It waits for task %s, a template, which never runs itself.', p.id),
        format('DELETE FROM long_task.task_dependency WHERE task_id = %s AND needs_task_id = %s', t.id, p.id)),
      ('warning', 'needs_draft', p.state_id = 'DR' AND NOT p.shed_clone AND t.last_state_change < v_now - interval '1 day',
        format('It waits since %s for task %s, which is a draft.', t.last_state_change, p.id),
        format('UPDATE long_task.task SET state_id = ''AW'' WHERE id = %s', p.id))
  ) AS f(severity, code, holds, found, advice)
  WHERE f.holds
  ORDER BY t.id, p.id
  LIMIT v_shown;

  RETURN QUERY
  SELECT 'warning', 'needs_unmet', format('task %s', t.id),
    format('It waits, as its column unmet says, though it %s.', long_task.why_unmet(t.id)),
    format('UPDATE long_task.task SET unmet = ''start'' (or ''cancel'') WHERE id = %s, or run again what it needs.', t.id)
  FROM (
    SELECT d.task_id, d.met
    FROM long_task.task_dependency AS d
    WHERE d.met IS NOT NULL
      AND d.enabled
    ORDER BY d.task_id DESC, d.met DESC
    LIMIT 10000
  ) AS o
  JOIN long_task.task AS t ON t.id = o.task_id AND t.state_id = 'AB' AND t.unmet = 'wait'
  WHERE NOT o.met
  GROUP BY t.id
  ORDER BY t.id
  LIMIT v_shown;
END
$$;

COMMENT ON FUNCTION long_task.doctor_blocked() IS
  'Findings about tasks that wait for a key, or for tasks, in vain.';
