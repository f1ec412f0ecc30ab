-- leave_workflow: have a later sync see whether a run of a workflow may begin.
--
-- Called by  begin_next_run, tell_workflow
-- Locks      nothing
-- Raises     nothing
--
-- p_held  whether somebody is about to see to it himself: then it is tried again after a pause
CREATE OR REPLACE FUNCTION long_task.leave_workflow(
  p_workflow text,
  p_held     boolean
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO long_task.unsettled_workflow (workflow, held)
  VALUES (p_workflow, p_held);
  PERFORM long_task.announce(NULL, NULL);
END
$$;

COMMENT ON FUNCTION long_task.leave_workflow(text, boolean) IS
  'Have a node see whether a run of a workflow may begin, in a transaction of its own.';
