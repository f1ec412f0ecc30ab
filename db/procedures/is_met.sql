-- is_met: whether a task has ended in the way that a dependency needs.
--
-- Called by  settle_tasks, refresh_needs, settle_changed_task
-- Locks      nothing
-- Raises     nothing: a condition that cannot be evaluated does not hold
--
-- A task is over when its processes are: one that has written its own end may still be working.
-- A body that is parsed here, not at each call: its expression becomes a part of the calling statement.
CREATE OR REPLACE FUNCTION long_task.is_met(
  p_on         text,
  p_condition  jsonpath,
  p_state_id   text,
  p_running_on integer,
  p_result     jsonb
)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
RETURN CASE
  WHEN p_state_id NOT IN ('CS', 'CF', 'CC') OR p_running_on IS NOT NULL THEN NULL
  WHEN p_on <> 'end' AND p_on <> CASE p_state_id WHEN 'CS' THEN 'success' WHEN 'CF' THEN 'failure' ELSE 'cancel' END THEN false
  WHEN p_condition IS NULL THEN true
  ELSE COALESCE(p_result @@ p_condition, false)
END;

COMMENT ON FUNCTION long_task.is_met(text, jsonpath, text, integer, jsonb) IS
  'Whether a task in this state, with this result, meets a dependency; null: it has not ended.';
