-- begin_next_run: begin the oldest run that waits, of a workflow whose runs come one at a time, if none is active.
--
-- Called by  add_run, settle_workflows when a run may have ended
-- Locks      the workflow (an advisory lock until the end of the transaction), if nobody else has it; then as begin_run
-- Raises     as begin_run
--
-- p_patience  as in begin_run
--
-- If another transaction has the lock, which may be a person's and last, it is left to a later sync.
CREATE OR REPLACE FUNCTION long_task.begin_next_run(
  p_workflow text,
  p_patience interval
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_run_id bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('long_task.workflow ' || p_workflow, 0)) THEN
    PERFORM long_task.leave_workflow(p_workflow, true);
    RETURN;
  END IF;
  SELECT r.id INTO v_run_id
  FROM long_task.workflow_run AS r
  WHERE r.workflow = p_workflow
    AND r.started IS NULL
    AND r.cancelled IS NULL
    AND NOT long_task.has_active_run(p_workflow)
  ORDER BY r.id
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.begin_run(v_run_id, p_patience);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.begin_next_run(text, interval) IS
  'Begin the oldest waiting run of a workflow, if none is active.';
