-- add_run: write down a run of a workflow, and begin it unless it has to wait.
--
-- Called by  start_workflow for people, insert_clones for schedules and run_now
-- Locks      the row of the version FOR SHARE, so that nobody changes its steps meanwhile; then as begin_run
-- Raises     LT004 bad value, LT006 no such workflow, LT012 bad dependency, LT013 there is no such value, LT014 bad workflow
--
-- p_task_id        the template that starts it; null: none
-- p_scheduled_for  the time of its schedule; null: a person starts it
CREATE OR REPLACE FUNCTION long_task.add_run(
  p_workflow      text,
  p_params        jsonb,
  p_version       integer,
  p_task_id       bigint,
  p_scheduled_for timestamptz
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_patience interval := CASE WHEN p_scheduled_for IS NOT NULL THEN interval '2 seconds' END;
  v_workflow long_task.workflow;
  v_params   jsonb := COALESCE(p_params, '{}');
  v_run_id   bigint;
BEGIN
  IF p_scheduled_for IS NULL THEN
    SELECT w.* INTO v_workflow
    FROM long_task.workflow AS w
    WHERE w.name = p_workflow
      AND CASE WHEN p_version IS NULL THEN w.enabled ELSE w.version = p_version END
    ORDER BY w.version DESC
    LIMIT 1
    FOR SHARE;
  ELSE
    -- A node waits for nobody who is writing the definition: the start is tried again a little later.
    SELECT w.* INTO v_workflow
    FROM long_task.workflow AS w
    WHERE w.name = p_workflow
      AND CASE WHEN p_version IS NULL THEN w.enabled ELSE w.version = p_version END
    ORDER BY w.version DESC
    LIMIT 1
    FOR SHARE NOWAIT;
  END IF;
  IF v_workflow.name IS NULL THEN
    PERFORM long_task.refuse('LT006',
      format('there is no workflow %s to start', COALESCE(p_workflow || ' version ' || p_version, p_workflow, 'null')),
      'The table long_task.workflow has all of them; without a version the latest one that is enabled is started.');
  END IF;
  IF jsonb_typeof(v_params) <> 'object' THEN
    PERFORM long_task.refuse('LT004', format('params is %s, not an object', jsonb_typeof(v_params)),
      'Give an object such as {"day": "2026-11-20"}.');
  END IF;
  INSERT INTO long_task.workflow_run (workflow, version, params, started_by, scheduled_for, task_id, owner)
  VALUES (
    v_workflow.name, v_workflow.version, v_params, CASE WHEN p_scheduled_for IS NULL THEN 'person' ELSE 'schedule' END,
    p_scheduled_for, p_task_id,
    COALESCE((SELECT t.owner FROM long_task.task AS t WHERE t.id = p_task_id), session_user)
  )
  RETURNING id INTO v_run_id;
  IF v_workflow.one_at_a_time THEN
    -- Seen by nodes when this is committed: the run before it may have ended until then.
    PERFORM long_task.leave_workflow(v_workflow.name, false);
    PERFORM long_task.begin_next_run(v_workflow.name, v_patience, true);
  ELSE
    PERFORM long_task.begin_run(v_run_id, v_patience);
  END IF;
  RETURN v_run_id;
END
$$;

COMMENT ON FUNCTION long_task.add_run(text, jsonb, integer, bigint, timestamptz) IS
  'Write down a run of a workflow, and begin it unless it has to wait for another. Returns its id.';
