-- leave_workflow: have a later sync see whether a run of a workflow may begin.
--
-- Called by  add_run, begin_next_run, settle_workflows, tell_workflow, settle_changed_task
-- Locks      nothing
-- Raises     nothing
--
-- p_held  whether somebody is about to see to it himself
-- p_again    it was left before: nobody is woken, the caller comes back for it, after a pause if somebody holds it
CREATE OR REPLACE FUNCTION long_task.leave_workflow(
  p_workflow text,
  p_held     boolean,
  p_again    boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_pause CONSTANT interval := interval '0.2 seconds';
BEGIN
  INSERT INTO long_task.unsettled_workflow (workflow, not_before)
  VALUES (p_workflow, long_task.clock() + CASE WHEN p_held AND p_again THEN v_pause ELSE interval '0' END);
  IF NOT p_again THEN
    PERFORM long_task.announce(NULL, NULL);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.leave_workflow(text, boolean, boolean) IS
  'Have a node see whether a run of a workflow may begin, in a transaction of its own.';
