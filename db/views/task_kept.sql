-- task_kept: until when the policies of retention keep each task.
CREATE OR REPLACE VIEW long_task.task_kept AS
SELECT
  t.id,
  t.run_id,
  t.group_id,
  t.state_id,
  CASE
    WHEN t.state_id NOT IN ('CS', 'CF', 'CC')
      OR t.running_on IS NOT NULL
      OR t.next_start IS NOT NULL
      OR t.cron IS NOT NULL
      OR t.shed_period_id IS NOT NULL
      OR t.shed_clone
      OR t.workflow IS NOT NULL
    THEN 'infinity'
    ELSE COALESCE(
      t.last_state_change + CASE t.state_id
        WHEN 'CS' THEN CASE WHEN o.group_id IS NULL THEN e.keep_succeeded ELSE o.keep_succeeded END
        WHEN 'CF' THEN CASE WHEN o.group_id IS NULL THEN e.keep_failed ELSE o.keep_failed END
        ELSE CASE WHEN o.group_id IS NULL THEN e.keep_cancelled ELSE o.keep_cancelled END
      END,
      'infinity'
    )
  END AS kept_until,
  COALESCE(CASE WHEN o.group_id IS NULL THEN e.archive ELSE o.archive END, false) AS archive
FROM long_task.task AS t
LEFT JOIN long_task.retention AS o ON o.group_id = t.group_id
LEFT JOIN long_task.retention AS e ON e.group_id IS NULL;

COMMENT ON VIEW long_task.task_kept IS
  'Until when each task is kept, by the policies in retention.';
COMMENT ON COLUMN long_task.task_kept.id IS 'The task.';
COMMENT ON COLUMN long_task.task_kept.run_id IS 'Run of a workflow that it is a part of: kept as a whole, for as long as any task of it.';
COMMENT ON COLUMN long_task.task_kept.group_id IS 'Its group.';
COMMENT ON COLUMN long_task.task_kept.state_id IS 'Its state.';
COMMENT ON COLUMN long_task.task_kept.kept_until IS 'It may go after this time, unless a task that has not ended needs it; infinity: it has not ended, has a schedule, is a template, or no policy says when.';
COMMENT ON COLUMN long_task.task_kept.archive IS 'Whether it is moved to task_archive then.';
