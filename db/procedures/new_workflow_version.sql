-- new_workflow_version: copy the latest version of a workflow, to be changed.
--
-- Called by  people
-- Locks      the latest version FOR UPDATE, so that two do not get the same number
-- Raises     LT006 no such workflow
CREATE OR REPLACE FUNCTION long_task.new_workflow_version(p_workflow text)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_old integer;
  v_new integer;
BEGIN
  SELECT w.version INTO v_old
  FROM long_task.workflow AS w
  WHERE w.name = p_workflow
  ORDER BY w.version DESC
  LIMIT 1
  FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no workflow %s', COALESCE(p_workflow, 'null')),
      'The table long_task.workflow has all of them.');
  END IF;
  -- After the lock: somebody else may have made one meanwhile.
  v_old := (SELECT max(w.version) FROM long_task.workflow AS w WHERE w.name = p_workflow);
  INSERT INTO long_task.workflow (name, version, description, one_at_a_time, max_running)
  SELECT w.name, w.version + 1, w.description, w.one_at_a_time, w.max_running
  FROM long_task.workflow AS w
  WHERE w.name = p_workflow
    AND w.version = v_old
  RETURNING version INTO v_new;
  INSERT INTO long_task.workflow_step (
    workflow, version, name, command, params, env, stdin, cwd, group_id, worker_id, priority, timeout, kill_grace,
    max_attempts, retry_delay, concurrency_key, needs, unmet, fan_out
  )
  SELECT
    s.workflow, v_new, s.name, s.command, s.params, s.env, s.stdin, s.cwd, s.group_id, s.worker_id, s.priority,
    s.timeout, s.kill_grace, s.max_attempts, s.retry_delay, s.concurrency_key, s.needs, s.unmet, s.fan_out
  FROM long_task.workflow_step AS s
  WHERE s.workflow = p_workflow
    AND s.version = v_old;
  INSERT INTO long_task.workflow_edge (workflow, version, step, needs_step, "on", condition, enabled, pass, each)
  SELECT e.workflow, v_new, e.step, e.needs_step, e."on", e.condition, e.enabled, e.pass, e.each
  FROM long_task.workflow_edge AS e
  WHERE e.workflow = p_workflow
    AND e.version = v_old;
  RETURN v_new;
END
$$;

COMMENT ON FUNCTION long_task.new_workflow_version(text) IS
  'Copy the latest version of a workflow. Returns the number of the copy, which may be changed until it is started.';
