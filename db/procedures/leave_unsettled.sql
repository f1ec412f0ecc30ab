-- leave_unsettled: have a later sync look at tasks once more, and at those that wait for them.
--
-- Called by  settle_tasks, refresh_needs, settle_entering_task
-- Locks      nothing
-- Raises     nothing
--
-- p_held     whether somebody holds a row that is needed
-- p_refresh  whether what is known of the needs of these tasks may be out of date
-- p_again    it was left before: nobody is woken, the caller comes back for it, after a pause if somebody holds it
CREATE OR REPLACE FUNCTION long_task.leave_unsettled(
  p_ids     bigint[],
  p_held    boolean,
  p_refresh boolean DEFAULT false,
  p_again   boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_pause CONSTANT interval := interval '0.2 seconds';
BEGIN
  INSERT INTO long_task.unsettled_task (task_id, not_before, refresh)
  SELECT i.id, long_task.clock() + CASE WHEN p_held AND p_again THEN v_pause ELSE interval '0' END, p_refresh
  FROM unnest(p_ids) AS i(id);
  IF NOT p_again THEN
    PERFORM long_task.announce(NULL, NULL);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.leave_unsettled(bigint[], boolean, boolean, boolean) IS
  'Have a node look at these tasks, and at those that wait for them, in a transaction of its own.';
