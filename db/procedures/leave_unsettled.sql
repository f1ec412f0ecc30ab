-- leave_unsettled: have a later sync look at tasks once more, and at those that wait for them.
--
-- Called by  settle_tasks
-- Locks      nothing
-- Raises     nothing
--
-- p_held     whether somebody holds a row that is needed: then it is tried again after a pause
-- p_refresh  whether what is known of the needs of these tasks may be out of date
CREATE OR REPLACE FUNCTION long_task.leave_unsettled(
  p_ids     bigint[],
  p_held    boolean,
  p_refresh boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO long_task.unsettled_task (task_id, held, refresh)
  SELECT i.id, p_held, p_refresh
  FROM unnest(p_ids) AS i(id);
  PERFORM long_task.announce(NULL, NULL);
END
$$;

COMMENT ON FUNCTION long_task.leave_unsettled(bigint[], boolean, boolean) IS
  'Have a node look at these tasks, and at those that wait for them, in a transaction of its own.';
