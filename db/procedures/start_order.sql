-- start_order: what a node has to know to start the attempt that a row is in.
--
-- Called by  claim_tasks, reconcile_attempts
-- Locks      nothing
-- Raises     nothing
--
-- A body that is parsed here, not at each call: it needs no search_path, and its expression becomes a part
-- of the calling statement.
CREATE OR REPLACE FUNCTION long_task.start_order(p_task long_task.task)
RETURNS json
LANGUAGE sql
STABLE
RETURN CASE
  WHEN p_task.has_needs THEN long_task.order_with_results(p_task)
  ELSE long_task.plain_order(p_task)
END;

COMMENT ON FUNCTION long_task.start_order(long_task.task) IS
  'What a node has to know to start the attempt that the row is in, with the results of the tasks that it needs.';
