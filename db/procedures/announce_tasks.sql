-- announce_tasks: wake the nodes for which an INSERT has left something to do.
--
-- Called by  trigger announce_tasks on task, once after each INSERT statement.
-- Locks      as announce_ready
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.announce_tasks()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM CASE
    WHEN n.worker_id IS NULL THEN long_task.announce_ready(n.group_id, n.count)
    ELSE long_task.announce(n.group_id, n.worker_id)
  END
  FROM (
    SELECT
      i.group_id,
      i.worker_id,
      count(*) AS count
    FROM inserted AS i
    WHERE i.state_id IN ('AW', 'AD')
    GROUP BY i.group_id, i.worker_id
  ) AS n;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.announce_tasks() IS
  'Trigger: wake the nodes that inserted tasks are waiting for.';

CREATE OR REPLACE TRIGGER announce_tasks
AFTER INSERT ON long_task.task
REFERENCING NEW TABLE AS inserted
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.announce_tasks();
