-- why: say in one sentence why a task is not running, or how it stands if that is not the question.
--
-- Called by  people.
-- Locks      nothing
-- Raises     LT006 no such task
CREATE OR REPLACE FUNCTION long_task.why(p_task_id bigint)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_task  long_task.task;
  v_ended timestamptz;
BEGIN
  SELECT t.* INTO v_task
  FROM long_task.task AS t
  WHERE t.id = p_task_id;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', COALESCE(p_task_id::text, 'null')),
      'Its history may still be in long_task.task_run.');
  END IF;

  SELECT l.locked_until INTO v_ended
  FROM long_task.worker_lease AS l
  WHERE l.worker_id = v_task.running_on
    AND (NOT l.active OR l.locked_until <= long_task.clock());

  RETURN CASE
    WHEN v_ended IS NOT NULL THEN
      format('Worker %s, which ran attempt %s, failed: its lease ended at %s. The attempt is written off by the first live node that sees it.',
        v_task.running_on, v_task.attempt, v_ended)
    WHEN v_task.workflow IS NOT NULL THEN
      format('It is a template, which starts workflow %s.', v_task.workflow)
    WHEN v_task.state_id = 'DR' THEN
      'It is a draft: set state_id to AW to queue it.'
    WHEN v_task.state_id IN ('AW', 'AD', 'AB') AND v_task.running_on IS NOT NULL THEN
      format('The process of attempt %s on worker %s has not exited yet.',
        v_task.attempt, v_task.running_on)
    WHEN v_task.state_id = 'AD' AND v_task.start_after <= long_task.clock() THEN
      long_task.why_waiting(v_task)
    WHEN v_task.state_id = 'AD' AND v_task.queued_by = 'retry' THEN
      format('Attempt %s failed (%s); the next one is delayed until %s.',
        v_task.attempt, v_task.error, v_task.start_after)
    WHEN v_task.state_id = 'AD' AND v_task.queued_by = 'schedule' AND v_task.jitter IS NOT NULL THEN
      format('Its start of %s is delayed until %s (jitter).', v_task.scheduled_for, v_task.start_after)
    WHEN v_task.state_id = 'AD' THEN
      format('It is delayed until %s (start_after).', v_task.start_after)
    WHEN v_task.state_id = 'AB' THEN
      long_task.why_blocked(v_task)
    WHEN v_task.state_id = 'AW' THEN
      long_task.why_waiting(v_task)
    WHEN v_task.state_id = 'AE' THEN
      format('It is running: attempt %s on worker %s since %s.',
        v_task.attempt, v_task.running_on, v_task.started)
    WHEN v_task.state_id = 'AS' THEN
      format('It is running and was asked to stop: attempt %s on worker %s, asked at %s.',
        v_task.attempt, v_task.running_on, v_task.last_state_change)
    WHEN v_task.state_id = 'AC' THEN
      format('It is being killed: attempt %s on worker %s, since %s.',
        v_task.attempt, v_task.running_on, v_task.last_state_change)
    WHEN v_task.state_id = 'CS' THEN
      format('It completed at %s.', v_task.finished)
    WHEN v_task.state_id = 'CF' THEN
      format('It failed at %s: %s.', v_task.finished, COALESCE(v_task.error, 'the task itself said so'))
    WHEN v_task.state_id = 'CC' THEN
      format('It was cancelled at %s%s.', v_task.finished, ': ' || v_task.error)
  END || CASE
    WHEN v_task.shed_error IS NOT NULL THEN format(' Its schedule was paused by the system: %s.', v_task.shed_error)
    WHEN v_task.next_start IS NULL OR NOT (v_task.shed_clone OR v_task.state_id LIKE 'C%' OR v_task.state_id = 'DR') THEN ''
    WHEN NOT v_task.shed_enabled THEN ' Its schedule is paused (shed_enabled).'
    WHEN v_task.shed_clone THEN format(' Its schedule starts %s at %s.',
      CASE WHEN v_task.workflow IS NULL THEN 'a copy' ELSE 'it' END, v_task.next_start)
    WHEN v_task.state_id = 'DR' THEN ' Its schedule passes over it for as long (shed_clone is false).'
    ELSE format(' Its schedule starts it at %s.', v_task.next_start)
  END;
END
$$;

COMMENT ON FUNCTION long_task.why(bigint) IS
  'One sentence: why is this task not running? SELECT long_task.why(7)';
