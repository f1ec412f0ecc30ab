-- is_needed: whether a task that has not ended waits for this one, or is going to be given its result.
--
-- Called by  sweep_tasks, clear_tasks, clear_run
-- Locks      nothing
-- Raises     nothing
--
-- The settings keep the plan on the indexes, however many dependencies there are.
CREATE OR REPLACE FUNCTION long_task.is_needed(p_task_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
  RETURN EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS t ON t.id = d.task_id
    WHERE d.needs_task_id = p_task_id
      AND (t.state_id NOT IN ('CS', 'CF', 'CC') OR t.running_on IS NOT NULL)
  );
END
$$;

COMMENT ON FUNCTION long_task.is_needed(bigint) IS
  'Whether a task that has not ended needs this one.';
