-- workflow_recovery_point: where a run stopped: what failed first, and what that holds up.
--
-- Called by  people
-- Locks      nothing
-- Raises     LT006 no such run
--
-- Failed are steps that failed or were cancelled by themselves; blocked are those that need one of these directly.
-- What hangs on the blocked ones is left out: resume_workflow finds it.
CREATE OR REPLACE FUNCTION long_task.workflow_recovery_point(p_run_id bigint)
RETURNS TABLE (
  what     text,
  step     text,
  item     integer,
  task_id  bigint,
  state_id text,
  error    text
)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM long_task.assert_run(p_run_id);
  RETURN QUERY
  WITH failed AS (
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
      AND (t.state_id = 'CF' OR t.state_id = 'CC' AND long_task.why_unmet(t.id) IS NULL)
  )
  SELECT 'failed', t.step, t.item, t.id, t.state_id, t.error
  FROM failed AS f
  JOIN long_task.task AS t ON t.id = f.id
  UNION ALL
  SELECT DISTINCT 'blocked', t.step, t.item, t.id, t.state_id, t.error
  FROM failed AS f
  JOIN long_task.task_dependency AS d ON d.needs_task_id = f.id AND d.enabled
  JOIN long_task.task AS t ON t.id = d.task_id AND t.run_id = p_run_id AND t.state_id IN ('AB', 'CC')
  WHERE t.id NOT IN (SELECT g.id FROM failed AS g)
  ORDER BY 1 DESC, 4;
END
$$;

COMMENT ON FUNCTION long_task.workflow_recovery_point(bigint) IS
  'The first failed steps of a run, and the steps that these block.';
