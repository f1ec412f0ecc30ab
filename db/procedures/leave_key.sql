-- leave_key: have a later sync look at the tasks once more that wait for a key.
--
-- Called by  free_keys, and the triggers of task and concurrency_limit
-- Locks      nothing
-- Raises     nothing
--
-- p_held  whether somebody holds what is needed: then it is tried again after a pause
CREATE OR REPLACE FUNCTION long_task.leave_key(
  p_key  text,
  p_held boolean
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO long_task.unsettled_key (concurrency_key, held)
  VALUES (p_key, p_held);
  PERFORM long_task.announce(NULL, NULL);
END
$$;

COMMENT ON FUNCTION long_task.leave_key(text, boolean) IS
  'Have a node look at the tasks that wait for a key, in a transaction of its own.';
