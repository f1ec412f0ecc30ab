-- assert_attempt: let a transaction of a task's own process commit only if its attempt is not over.
--
-- Called by  programs that run as tasks, as the last statement before COMMIT.
-- Locks      the task row FOR SHARE until the transaction ends: nobody can declare the attempt over, or
--            cancel it, in between. What comes later in the transaction keeps people waiting.
-- Raises     LT002 the attempt is over, or is being cancelled
--
-- A process that was cut off and believes that it still runs cannot be kept from going on for a moment;
-- its writes can be kept from being committed. The attempt is the fencing token.
CREATE OR REPLACE FUNCTION long_task.assert_attempt(
  p_task_id bigint,
  p_attempt integer
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_state_id text;
  v_attempt  integer;
  v_running  boolean;
BEGIN
  SELECT t.state_id, t.attempt, t.running_on IS NOT NULL
  INTO v_state_id, v_attempt, v_running
  FROM long_task.task AS t
  WHERE t.id = p_task_id
  FOR SHARE;
  IF v_running AND v_attempt = p_attempt AND v_state_id <> 'AC' THEN
    RETURN;
  END IF;
  PERFORM long_task.refuse('LT002',
    format('attempt %s of task %s is over', COALESCE(p_attempt::text, 'null'), COALESCE(p_task_id::text, 'null')),
    'Roll back and exit: whatever this process does now counts for nothing.',
    CASE
      WHEN v_state_id IS NULL THEN 'There is no such task.'
      ELSE format('The task is %s, attempt %s%s.', v_state_id, v_attempt,
        CASE WHEN v_running THEN '' ELSE ', with no process' END)
    END);
END
$$;

COMMENT ON FUNCTION long_task.assert_attempt(bigint, integer) IS
  'For a task''s own transactions, just before COMMIT: raises LT002 if this attempt is over. The attempt is in PG_TASKS_ATTEMPT.';
