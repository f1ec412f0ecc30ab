-- hold_tasks: let tasks wait, go on or be cancelled as their dependencies have it that were just written.
--
-- Called by  link_tasks and relink_task, which have locked the tasks at both ends.
-- Locks      dependencies between these tasks
-- Raises     nothing
--
-- p_tasks  tasks whose dependencies were written
-- p_needs  the tasks that these name
CREATE OR REPLACE FUNCTION long_task.hold_tasks(
  p_tasks bigint[],
  p_needs bigint[]
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE long_task.task_dependency AS d
  SET met = long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result)
  FROM unnest(p_needs) AS n(id)
  JOIN long_task.task AS p ON p.id = n.id
  WHERE d.needs_task_id = p.id
    AND d.task_id IN (SELECT i.id FROM unnest(p_tasks) AS i(id))
    AND d.met IS DISTINCT FROM long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result);
  PERFORM long_task.settle_tasks(p_tasks);
END
$$;

COMMENT ON FUNCTION long_task.hold_tasks(bigint[], bigint[]) IS
  'Let tasks wait, go on or be cancelled as their dependencies on others have it.';
