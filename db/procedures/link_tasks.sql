-- link_tasks: see to the tasks that dependencies have been written for.
--
-- Called by  trigger on task_dependency, after each INSERT.
-- Locks      the tasks at both ends FOR NO KEY UPDATE in the order of their ids, so that none of them ends, or is
--            started, unseen; then as refuse_cycle
-- Raises     LT003 it has been started already, LT004 in an old snapshot, LT006 no such task, LT012 bad dependency
--
-- SECURITY DEFINER, because whoever may write a dependency need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.link_tasks()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_tasks  bigint[] := ARRAY(SELECT DISTINCT w.task_id FROM written AS w ORDER BY w.task_id);
  v_needs  bigint[] := ARRAY(SELECT DISTINCT w.needs_task_id FROM written AS w ORDER BY w.needs_task_id);
  v_bad    record;
  v_lowest bigint;
BEGIN
  IF cardinality(v_tasks) = 0 THEN
    RETURN NULL;
  END IF;
  PERFORM
  FROM long_task.task AS t
  WHERE t.id IN (SELECT i.id FROM unnest(v_tasks || v_needs) AS i(id))
  ORDER BY t.id
  FOR NO KEY UPDATE;
  SELECT i.id INTO v_bad
  FROM unnest(v_tasks || v_needs) AS i(id)
  WHERE NOT EXISTS (SELECT FROM long_task.task AS t WHERE t.id = i.id)
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', v_bad.id),
      'Insert the task first, in the same transaction if it shall wait from the beginning.');
  END IF;
  SELECT t.id, t.state_id, t.last_state_change INTO v_bad
  FROM long_task.task AS t
  WHERE t.id IN (SELECT w.task_id FROM written AS w)
    AND t.state_id IN ('AE', 'AS', 'AC')
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT003', format('task %s has been started already, it can wait for nothing', v_bad.id),
      'Insert the task and its dependencies in one transaction, or the task as a draft (DR) first.',
      format('state_id is %s since %s', v_bad.state_id, v_bad.last_state_change));
  END IF;
  -- The dependencies of a run are among its own tasks, in the order of the definition, which has no cycle.
  v_lowest := (SELECT min(w.task_id) FROM written AS w WHERE w.run_id IS NULL);
  IF v_lowest IS NOT NULL THEN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      PERFORM long_task.refuse('LT004', format('dependencies cannot be written in a transaction that is %s',
        current_setting('transaction_isolation')), 'BEGIN ISOLATION LEVEL READ COMMITTED: it has to see those of others.');
    END IF;
    PERFORM long_task.refuse_cycle(v_lowest);
  END IF;
  UPDATE long_task.task AS t
  SET
    has_needs = t.has_needs OR i.needs,
    has_dependents = t.has_dependents OR i.is_needed
  FROM (
    SELECT b.id, bool_or(b.needs) AS needs, bool_or(NOT b.needs) AS is_needed
    FROM (
      SELECT n.id, true AS needs FROM unnest(v_tasks) AS n(id)
      UNION ALL
      SELECT n.id, false FROM unnest(v_needs) AS n(id)
    ) AS b
    GROUP BY b.id
  ) AS i
  WHERE t.id = i.id
    AND (i.needs AND NOT t.has_needs OR i.is_needed AND NOT t.has_dependents);
  PERFORM long_task.refresh_needs(v_tasks);
  PERFORM long_task.settle_tasks(v_tasks);
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.link_tasks() IS
  'Trigger: have the tasks wait that dependencies were written for, if what they need has not come.';

REVOKE ALL ON FUNCTION long_task.link_tasks() FROM PUBLIC;

CREATE OR REPLACE TRIGGER link_tasks
AFTER INSERT ON long_task.task_dependency
REFERENCING NEW TABLE AS written
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.link_tasks();
