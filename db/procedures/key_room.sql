-- key_room: how many more tasks with a key may be started.
--
-- Called by  pick_tasks and free_keys, which hold no key for longer than their transaction
-- Locks      the key (an advisory lock until the end of the transaction), if nobody else has it
-- Raises     nothing
--
-- Whoever starts tasks with a key, or lets those go on that wait for it, has this lock first and counts then: nothing that
-- is committed is missed, and nothing can come in between.
--
-- Returns null if another transaction has the lock.
CREATE OR REPLACE FUNCTION long_task.key_room(p_key text)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off -- which a plan that is forbidden, but the only one, looks worth to PostgreSQL 15
SET enable_bitmapscan = off
AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('long_task.concurrency_key ' || p_key, 0)) THEN
    RETURN NULL;
  END IF;
  RETURN COALESCE(
    (SELECT c.max_running FROM long_task.concurrency_limit AS c WHERE c.concurrency_key = p_key), 1
  ) - (
    SELECT count(*)
    FROM long_task.task AS t
    WHERE t.concurrency_key = p_key
      AND t.running_on IS NOT NULL
  ) - (
    SELECT count(*)
    FROM long_task.deleted_attempt AS d
    WHERE d.concurrency_key = p_key
  );
END
$$;

COMMENT ON FUNCTION long_task.key_room(text) IS
  'How many more tasks with a concurrency_key may be started; null: another transaction is about to find out.';
