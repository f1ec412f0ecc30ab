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
DECLARE
  v_first  integer;
  v_last   integer;
  v_count  bigint;
  v_pinned bigint;
BEGIN
  -- Grouping costs as much as all the rest, and mostly there is one group.
  SELECT min(i.group_id), max(i.group_id), count(*), count(i.worker_id)
  INTO v_first, v_last, v_count, v_pinned
  FROM inserted AS i
  WHERE i.state_id IN ('AW', 'AD');
  IF v_count = 0 THEN
    RETURN NULL;
  ELSIF v_first = v_last AND v_pinned = 0 THEN
    PERFORM long_task.announce_ready(v_first, v_count);
    RETURN NULL;
  END IF;
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
