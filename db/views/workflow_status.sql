-- workflow_status: each run of a workflow, and how it stands.
CREATE OR REPLACE VIEW long_task.workflow_status AS
SELECT
  r.id AS run_id,
  r.workflow,
  r.version,
  CASE
    WHEN r.error IS NOT NULL THEN 'failed'
    WHEN r.cancelled IS NOT NULL AND c.active = 0 THEN 'cancelled'
    WHEN r.started IS NULL THEN 'waiting'
    WHEN c.active > 0 THEN 'running'
    WHEN c.failed > 0 THEN 'failed'
    WHEN c.cancelled_alone > 0 THEN 'cancelled'
    ELSE 'completed'
  END AS status,
  c.tasks,
  c.waiting,
  c.running,
  c.completed,
  c.failed,
  c.cancelled,
  r.created,
  r.started,
  CASE WHEN c.active = 0 THEN c.finished END AS finished,
  r.started_by,
  r.scheduled_for,
  r.params,
  r.error
FROM long_task.workflow_run AS r
CROSS JOIN LATERAL (
  SELECT
    count(*) AS tasks,
    count(*) FILTER (WHERE t.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC') OR t.running_on IS NOT NULL) AS active,
    count(*) FILTER (WHERE t.state_id IN ('DR', 'AW', 'AD', 'AB')) AS waiting,
    count(*) FILTER (WHERE t.state_id IN ('AE', 'AS', 'AC')) AS running,
    count(*) FILTER (WHERE t.state_id = 'CS') AS completed,
    count(*) FILTER (WHERE t.state_id = 'CF') AS failed,
    count(*) FILTER (WHERE t.state_id = 'CC') AS cancelled,
    count(*) FILTER (WHERE t.state_id = 'CC' AND NOT EXISTS (
      SELECT
      FROM long_task.task_dependency AS d
      WHERE d.task_id = t.id AND d.met IS NOT NULL AND d.enabled AND NOT d.met
    )) AS cancelled_alone,
    max(t.finished) AS finished
  FROM long_task.task AS t
  WHERE t.run_id = r.id
) AS c;

COMMENT ON VIEW long_task.workflow_status IS
  'Runs of workflows: waiting (for the run before), running, completed, failed, cancelled.';
COMMENT ON COLUMN long_task.workflow_status.run_id IS 'The run.';
COMMENT ON COLUMN long_task.workflow_status.workflow IS 'What was started.';
COMMENT ON COLUMN long_task.workflow_status.version IS 'Its version.';
COMMENT ON COLUMN long_task.workflow_status.status IS 'waiting, running, completed, failed (a step failed), cancelled (by a person).';
COMMENT ON COLUMN long_task.workflow_status.tasks IS 'How many tasks it has.';
COMMENT ON COLUMN long_task.workflow_status.waiting IS 'Those that have not been started.';
COMMENT ON COLUMN long_task.workflow_status.running IS 'Those that run.';
COMMENT ON COLUMN long_task.workflow_status.completed IS 'Those that completed, or were skipped.';
COMMENT ON COLUMN long_task.workflow_status.failed IS 'Those that failed.';
COMMENT ON COLUMN long_task.workflow_status.cancelled IS 'Those that were cancelled, by a person or because of what they need.';
COMMENT ON COLUMN long_task.workflow_status.created IS 'When it was asked for.';
COMMENT ON COLUMN long_task.workflow_status.started IS 'When its tasks were made.';
COMMENT ON COLUMN long_task.workflow_status.finished IS 'When its last task ended; null: it has not.';
COMMENT ON COLUMN long_task.workflow_status.started_by IS 'person or schedule.';
COMMENT ON COLUMN long_task.workflow_status.scheduled_for IS 'Time of the schedule for which it was started.';
COMMENT ON COLUMN long_task.workflow_status.params IS 'What it was given.';
COMMENT ON COLUMN long_task.workflow_status.error IS 'Why it could not be begun.';
