-- pinned_worker: the only worker that may run a task when it is queued again.
--
-- Called by  fire_tasks, insert_clones, run_now
-- Locks      nothing
-- Raises     nothing
--
-- A worker_id that is only the trace of who ran the task last binds nobody. A body that is parsed here, not at each
-- call: its expression becomes a part of the calling statement.
CREATE OR REPLACE FUNCTION long_task.pinned_worker(p_task long_task.task)
RETURNS integer
LANGUAGE sql
IMMUTABLE
RETURN CASE WHEN p_task.pinned OR p_task.attempt = 0 THEN p_task.worker_id END;

COMMENT ON FUNCTION long_task.pinned_worker(long_task.task) IS
  'The worker that a person has given a task to; null: any of its group.';
