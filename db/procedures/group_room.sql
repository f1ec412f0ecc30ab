-- group_room: how many more tasks of a group may be started.
--
-- Called by  pick_tasks, is_told_of_room
-- Locks      the group (an advisory lock until the end of the transaction), if it has a limit and nobody else has it
-- Raises     nothing
--
-- Counts all that runs, which is as much as all nodes have slots, and only for groups with a limit.
--
-- Returns null if another transaction has the lock.
CREATE OR REPLACE FUNCTION long_task.group_room(
  p_group_id integer,
  p_limit    integer
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off -- which a plan that is forbidden, but the only one, looks worth to PostgreSQL 15
AS $$
DECLARE
  v_max integer := (SELECT g.max_running FROM long_task.group_limit AS g WHERE g.group_id = p_group_id);
BEGIN
  IF v_max IS NULL THEN
    RETURN p_limit;
  END IF;
  IF NOT pg_try_advisory_xact_lock(hashtextextended('long_task.group_limit ' || p_group_id, 0)) THEN
    RETURN NULL;
  END IF;
  RETURN LEAST(p_limit, v_max - (
    SELECT count(*)
    FROM long_task.task AS t
    WHERE t.running_on IS NOT NULL
      AND t.group_id = p_group_id
  ) - (
    SELECT count(*)
    FROM long_task.deleted_attempt AS d
    WHERE d.group_id = p_group_id
  ));
END
$$;

COMMENT ON FUNCTION long_task.group_room(integer, integer) IS
  'How many more tasks of a group may be started, up to so many; null: another transaction is about to find out.';
