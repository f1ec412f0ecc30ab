-- announce: wake the nodes that may have something to do about a waiting task or a schedule.
--
-- Called by  the triggers of task, and procedures that have changed what others wait for. For a task that any node
--            of a group may start: announce_ready.
-- Locks      nothing until commit, then PostgreSQL's own queue of notifications.
-- Raises     nothing
--
-- A notification is a hint that shortens a sleep. It carries nothing: what to do follows from the
-- rows, and a node that hears nothing finds them at its next call.
CREATE OR REPLACE FUNCTION long_task.announce(
  p_group_id  integer,
  p_worker_id integer
)
RETURNS void
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT pg_notify(
    CASE
      WHEN p_worker_id IS NOT NULL THEN 'long_task_worker_' || p_worker_id
      WHEN p_group_id IS NOT NULL THEN 'long_task_group_' || p_group_id
      ELSE 'long_task_schedule'
    END,
    ''
  )
$$;

COMMENT ON FUNCTION long_task.announce(integer, integer) IS
  'Wake the nodes of a group; the node of one worker if a worker is given; all nodes, for the sake of schedules, if neither is.';
