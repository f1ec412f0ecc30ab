-- is_told_of_room: whether what is ready for an idle node is held back by nothing but the limit of its group.
--
-- Called by  seconds_to_next_due, of a node that has claimed nothing of what is ready
-- Locks      the group (group_room)
-- Raises     nothing
--
-- Then it can sleep: its group is told when the limit is raised, and when one of those that run has ended. The node is told
-- of no other group, to which a task that is pinned to it may belong.
CREATE OR REPLACE FUNCTION long_task.is_told_of_room(
  p_worker_id integer,
  p_group_id  integer
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
  RETURN EXISTS (SELECT FROM long_task.group_limit AS g WHERE g.group_id = p_group_id)
    AND NOT EXISTS (
      SELECT FROM long_task.live_places('worker', p_worker_id, long_task.queue_spans('worker', p_worker_id), 1)
    )
    AND long_task.group_room(p_group_id, 1) <= 0;
END
$$;

COMMENT ON FUNCTION long_task.is_told_of_room(integer, integer) IS
  'Whether what is ready for an idle node is held back by nothing but the limit of its group, of which it will be told; null: somebody else is finding out.';
