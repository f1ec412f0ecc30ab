-- skip_task: let those that wait for a task go on as if it had completed.
--
-- Called by  people
-- Locks      the task's row FOR UPDATE
-- Raises     LT003 it runs, LT006 no such task
--
-- The task is CS afterwards, without an exit code, and its error says that it was skipped.
-- SECURITY DEFINER, because CS is what tasks that run write. long_task_user may change every task, so that
-- this gives no right which it does not have.
CREATE OR REPLACE FUNCTION long_task.skip_task(p_task_id bigint)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_task long_task.task;
BEGIN
  SELECT t.* INTO v_task
  FROM long_task.task AS t
  WHERE t.id = p_task_id
  FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', COALESCE(p_task_id::text, 'null')),
      'Its history may still be in long_task.task_run.');
  END IF;
  IF v_task.running_on IS NOT NULL THEN
    PERFORM long_task.refuse('LT003', format('task %s has a process', p_task_id),
      'Cancel it, and skip it when it has ended.',
      format('state_id is %s since %s', v_task.state_id, v_task.last_state_change));
  END IF;
  -- 'system' tells the triggers that a procedure writes this; it is never stored.
  UPDATE long_task.task AS t
  SET
    queued_by = 'system',
    state_id = 'CS',
    error = format('skipped by %s', session_user)
  WHERE t.id = p_task_id
    AND t.state_id <> 'CS';
END
$$;

COMMENT ON FUNCTION long_task.skip_task(bigint) IS
  'Let those that wait for a task go on as if it had completed.';

REVOKE ALL ON FUNCTION long_task.skip_task(bigint) FROM PUBLIC;
