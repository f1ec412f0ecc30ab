-- run_now: start a scheduled task at once, beside its schedule.
--
-- Called by  people. It is as if they had written AW themselves; the schedule goes on as before.
-- Locks      the task's row FOR UPDATE
-- Raises     LT003 the task is active, LT006 no such task
--
-- SECURITY DEFINER, because a copy of a template names things that people do not write. long_task_user may
-- change every task, so that this gives no right which it does not have.
CREATE OR REPLACE FUNCTION long_task.run_now(p_task_id bigint)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_task   long_task.task;
  v_copies bigint[];
BEGIN
  SELECT t.* INTO v_task
  FROM long_task.task AS t
  WHERE t.id = p_task_id
  FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', COALESCE(p_task_id::text, 'null')),
      'Its history may still be in long_task.task_run.');
  END IF;
  IF v_task.shed_clone OR v_task.state_id LIKE 'A%' AND v_task.overlap = 'clone' THEN
    v_copies := long_task.insert_clones(ARRAY[p_task_id], ARRAY[NULL]::timestamptz[], 'person');
    RETURN v_copies[1];
  END IF;
  IF v_task.state_id LIKE 'A%' THEN
    PERFORM long_task.refuse('LT003', format('task %s is active already', p_task_id),
      'Wait for its end, or set overlap to clone to have a copy run beside it.',
      format('state_id is %s since %s', v_task.state_id, v_task.last_state_change));
  END IF;
  UPDATE long_task.task AS t
  SET
    state_id = 'AW',
    worker_id = long_task.pinned_worker(t)
  WHERE t.id = p_task_id;
  RETURN p_task_id;
END
$$;

COMMENT ON FUNCTION long_task.run_now(bigint) IS
  'Start a task at once, whatever its schedule says. Returns the id of the task that is queued: its own, or that of a copy.';

REVOKE ALL ON FUNCTION long_task.run_now(bigint) FROM PUBLIC;
