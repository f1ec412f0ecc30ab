-- settle_entering_task: let a task that was queued go on, if what it needs has come already.
--
-- Called by  trigger on task, after UPDATE of a row with dependencies that enters AB.
-- Locks      as refresh_needs and settle_tasks
-- Raises     nothing
--
-- After the statement, and by the rows of the tasks it needs: those may have been queued again by the same statement.
-- SECURITY DEFINER, because whoever may write a task need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.settle_entering_task()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF long_task.needs_verdict(NEW.id, NEW.needs, NEW.unmet) <> 'wait' THEN
    PERFORM long_task.refresh_needs(ARRAY[NEW.id]);
    PERFORM long_task.settle_tasks(ARRAY[NEW.id]);
  ELSIF current_setting('transaction_isolation') <> 'read committed' THEN
    PERFORM long_task.leave_unsettled(ARRAY[NEW.id], false);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.settle_entering_task() IS
  'Trigger: let a task that was queued go on, if what it needs has come already.';

REVOKE ALL ON FUNCTION long_task.settle_entering_task() FROM PUBLIC;

CREATE OR REPLACE TRIGGER settle_entering_task
AFTER UPDATE ON long_task.task
FOR EACH ROW
WHEN (
  NEW.has_needs
  AND NEW.state_id = 'AB'
  AND NOT NEW.wants_key
  AND OLD.state_id IN ('DR', 'CS', 'CF', 'CC')
)
EXECUTE FUNCTION long_task.settle_entering_task();
