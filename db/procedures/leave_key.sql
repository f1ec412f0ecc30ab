-- leave_key: have a later sync look at the tasks once more that wait for a key.
--
-- Called by  free_keys, and the triggers of task and concurrency_limit
-- Locks      nothing
-- Raises     nothing
--
-- p_held  whether somebody holds what is needed
-- p_again    it was left before: nobody is woken, the caller comes back for it, after a pause if somebody holds it
CREATE OR REPLACE FUNCTION long_task.leave_key(
  p_key   text,
  p_held  boolean,
  p_again boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_pause CONSTANT interval := interval '0.2 seconds';
BEGIN
  INSERT INTO long_task.unsettled_key (concurrency_key, not_before)
  VALUES (p_key, long_task.clock() + CASE WHEN p_held AND p_again THEN v_pause ELSE interval '0' END);
  IF NOT p_again THEN
    PERFORM long_task.announce(NULL, NULL);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.leave_key(text, boolean, boolean) IS
  'Have a node look at the tasks that wait for a key, in a transaction of its own.';
