-- begin_next_run: begin the oldest run that waits, of a workflow whose runs come one at a time, if none is active.
--
-- Called by  add_run, settle_workflows when a run may have ended
-- Locks      the workflow (an advisory lock until the end of the transaction) and the row of the run, if nobody else has
--            them; then as begin_run
-- Raises     as begin_run
--
-- If another transaction has one of these locks, which may be a person's and last, it is left to a later sync.
--
-- p_patience  as in begin_run
-- p_again     it was left before
CREATE OR REPLACE FUNCTION long_task.begin_next_run(
  p_workflow text,
  p_patience interval,
  p_again    boolean
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_run_id bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(long_task.workflow_lock(p_workflow)) THEN
    PERFORM long_task.leave_workflow(p_workflow, true, p_again);
    RETURN;
  END IF;
  SELECT min(r.id) INTO v_run_id
  FROM long_task.workflow_run AS r
  WHERE r.workflow = p_workflow
    AND r.started IS NULL
    AND r.cancelled IS NULL;
  IF v_run_id IS NULL OR long_task.has_active_run(p_workflow, NULL) THEN
    RETURN;
  END IF;
  PERFORM
  FROM long_task.workflow_run AS r
  WHERE r.id = v_run_id
    AND r.started IS NULL
    AND r.cancelled IS NULL
  FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    PERFORM long_task.leave_workflow(p_workflow, true, p_again);
    RETURN;
  END IF;
  PERFORM long_task.begin_run(v_run_id, p_patience);
  IF NOT long_task.has_active_run(p_workflow, NULL) THEN
    PERFORM long_task.leave_workflow(p_workflow, false); -- it had no tasks
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.begin_next_run(text, interval, boolean) IS
  'Begin the oldest waiting run of a workflow, if none is active.';
