-- why_unmet: say why the dependencies of a task can no longer be met.
--
-- Called by  move_task, why_blocked, resume_workflow, workflow_recovery_point
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.why_unmet(p_task_id bigint)
RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT format('needs %s of task %s%s, which %s%s',
      d."on", d.needs_task_id, ' (' || p.name || ')',
      CASE COALESCE(p.state_id, '')
        WHEN 'CS' THEN 'completed'
        WHEN 'CF' THEN 'failed'
        WHEN 'CC' THEN 'was cancelled'
        WHEN '' THEN 'was deleted'
        ELSE 'has ended otherwise'
      END,
      CASE WHEN d.condition IS NOT NULL AND p.state_id IS NOT NULL
        AND long_task.is_met(d."on", NULL, p.state_id, NULL, NULL) THEN ' without ' || d.condition
      END)
    FROM long_task.task_dependency AS d
    LEFT JOIN long_task.task AS p ON p.id = d.needs_task_id
    WHERE d.task_id = p_task_id
      AND d.enabled
      AND NOT d.met
    ORDER BY d.needs_task_id
    LIMIT 1
  );
END
$$;

COMMENT ON FUNCTION long_task.why_unmet(bigint) IS
  'The first dependency of a task that has not come as it was needed, in words.';
