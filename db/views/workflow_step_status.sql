-- workflow_step_status: the tasks of each run of a workflow, and what each waits for.
CREATE OR REPLACE VIEW long_task.workflow_step_status AS
SELECT
  t.run_id,
  r.workflow,
  t.step,
  t.item,
  t.id AS task_id,
  t.state_id,
  t.priority,
  t.attempt,
  t.started,
  t.finished,
  CASE
    WHEN t.state_id IN ('AE', 'AS', 'AC') THEN long_task.clock() - t.started
    ELSE t.finished - t.started
  END AS duration,
  w.waits_for,
  t.error
FROM long_task.task AS t
JOIN long_task.workflow_run AS r ON r.id = t.run_id
LEFT JOIN LATERAL (
  SELECT array_agg(DISTINCT COALESCE(p.name, p.id::text) ORDER BY COALESCE(p.name, p.id::text)) AS waits_for
  FROM long_task.task_dependency AS d
  JOIN long_task.task AS p ON p.id = d.needs_task_id
  WHERE t.state_id = 'AB'
    AND d.task_id = t.id
    AND d.met IS NULL
    AND d.enabled
) AS w ON true
WHERE t.run_id IS NOT NULL
ORDER BY t.run_id, t.id;

COMMENT ON VIEW long_task.workflow_step_status IS
  'Tasks of runs of workflows, each after those that it needs.';
COMMENT ON COLUMN long_task.workflow_step_status.run_id IS 'The run.';
COMMENT ON COLUMN long_task.workflow_step_status.workflow IS 'The workflow.';
COMMENT ON COLUMN long_task.workflow_step_status.step IS 'The step.';
COMMENT ON COLUMN long_task.workflow_step_status.item IS 'Place of the item, from 0; null: the step is not fanned out.';
COMMENT ON COLUMN long_task.workflow_step_status.task_id IS 'The task.';
COMMENT ON COLUMN long_task.workflow_step_status.state_id IS 'Its state.';
COMMENT ON COLUMN long_task.workflow_step_status.priority IS 'Smaller is sooner.';
COMMENT ON COLUMN long_task.workflow_step_status.attempt IS 'Number of its latest attempt.';
COMMENT ON COLUMN long_task.workflow_step_status.started IS 'When that was started.';
COMMENT ON COLUMN long_task.workflow_step_status.finished IS 'When it ended.';
COMMENT ON COLUMN long_task.workflow_step_status.duration IS 'How long it has run.';
COMMENT ON COLUMN long_task.workflow_step_status.waits_for IS 'Names of the tasks it waits for, each once.';
COMMENT ON COLUMN long_task.workflow_step_status.error IS 'Why it ended badly, or was not started.';
