-- retry_lost_task: a hook. Whether a task whose worker failed is run again, and after how long.
--
-- Called by  write_off_attempts, for each attempt that was lost while it was to go on; under the owner
--            of the schema.
-- Locks      nothing
-- Raises     nothing. If a rule of yours raises, the rule below is used and worker_event says so.
--
-- Yours to replace: CREATE OR REPLACE FUNCTION long_task.retry_lost_task(p_task long_task.task) ... . It is
-- created once and never again, so that an upgrade leaves your rule alone. p_task is the row as the lost
-- attempt left it: attempt is the number of that attempt, worker_id the worker that failed.
--
-- Returns the delay until the next attempt; null: the task ends CF 'Worker failed'.
CREATE FUNCTION long_task.retry_lost_task(p_task long_task.task)
RETURNS interval
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF p_task.attempt - p_task.base_attempt < p_task.max_attempts THEN
    RETURN long_task.retry_delay_after(p_task.attempt - p_task.base_attempt, p_task.retry_delay);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.retry_lost_task(long_task.task) IS
  'Hook, yours to replace: how long a task whose worker failed waits for its next attempt; null: it is not run again.';
