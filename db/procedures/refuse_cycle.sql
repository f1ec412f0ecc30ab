-- refuse_cycle: refuse dependencies through which a task would wait for itself.
--
-- Called by  link_tasks, with the lowest id of a task that got one. They are in the table already.
-- Locks      an advisory lock until the end of the transaction: see below
-- Raises     LT012 bad dependency
--
-- Ids grow, so that most dependencies name an older task. In a cycle the task with the highest id is needed by an older
-- one: each cycle has an upward dependency, to its highest id. So there is nothing to look for unless an
-- upward one leads to a task as new as those that got one; and only cycles through upward ones are looked for.
--
-- Two transactions do not see each other's dependencies, and might close a cycle together. So whoever may be closing
-- one is alone (exclusive lock), and waits for all that have written dependencies and are not committed
-- (shared lock). Nodes take no part: the runs that they start have dependencies among new tasks only.
CREATE OR REPLACE FUNCTION long_task.refuse_cycle(p_lowest bigint)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_lock   CONSTANT bigint := hashtextextended('long_task.task_dependency', 0);
  v_newest bigint; -- highest id to which an upward dependency leads
  v_edge   record;
  v_path   bigint[];
BEGIN
  v_newest := (SELECT max(d.needs_task_id) FROM long_task.task_dependency AS d WHERE d.task_id < d.needs_task_id);
  IF (v_newest >= p_lowest) IS NOT TRUE THEN
    PERFORM pg_advisory_xact_lock_shared(v_lock);
    -- Once more: what was committed during the wait counts.
    v_newest := (SELECT max(d.needs_task_id) FROM long_task.task_dependency AS d WHERE d.task_id < d.needs_task_id);
    IF (v_newest >= p_lowest) IS NOT TRUE THEN
      RETURN;
    END IF;
  END IF;
  PERFORM pg_advisory_xact_lock(v_lock);
  FOR v_edge IN
    SELECT d.task_id, d.needs_task_id
    FROM long_task.task_dependency AS d
    WHERE d.task_id < d.needs_task_id
      AND d.needs_task_id >= p_lowest
      AND EXISTS (SELECT FROM long_task.task_dependency AS n WHERE n.task_id = d.needs_task_id)
      AND EXISTS (SELECT FROM long_task.task_dependency AS n WHERE n.needs_task_id = d.task_id)
  LOOP
    WITH RECURSIVE needed(id) AS (
      VALUES (v_edge.needs_task_id)
      UNION
      SELECT d.needs_task_id
      FROM needed AS n
      JOIN long_task.task_dependency AS d ON d.task_id = n.id
    )
    SELECT long_task.cycle_path(v_edge.task_id, v_edge.needs_task_id) INTO v_path
    FROM needed AS n
    WHERE n.id = v_edge.task_id;
    IF FOUND THEN
      RAISE EXCEPTION USING
        ERRCODE = 'LT012',
        MESSAGE = format('task %s would wait for itself: %s', v_path[1], array_to_string(v_path, ' needs ')),
        HINT = 'Leave out one of these dependencies.';
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.refuse_cycle(bigint) IS
  'Refuse dependencies, already in the table, of tasks from this id on, through which a task would wait for itself.';
