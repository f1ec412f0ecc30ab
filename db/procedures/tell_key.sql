-- tell_key: have those looked at that wait for a key when one that was about to take it does not.
--
-- Called by  triggers on task: after UPDATE and DELETE of a ready row with a key that is not claimed, but leaves the
--            queue or its place in it; on concurrency_limit after each write.
-- Locks      nothing
-- Raises     nothing
--
-- An end needs no trigger: finish_attempts sees to it in the same transaction.
-- SECURITY DEFINER, because whoever may write a task need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.tell_key()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    PERFORM long_task.leave_key(OLD.concurrency_key, false);
  END IF;
  IF TG_TABLE_NAME = 'concurrency_limit' AND TG_OP <> 'DELETE' THEN
    PERFORM long_task.leave_key(NEW.concurrency_key, false);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.tell_key() IS
  'Trigger: have those looked at that wait for a key when there may be room.';

REVOKE ALL ON FUNCTION long_task.tell_key() FROM PUBLIC;

CREATE OR REPLACE TRIGGER tell_key
AFTER UPDATE ON long_task.task
FOR EACH ROW
WHEN (
  OLD.concurrency_key IS NOT NULL
  AND OLD.state_id = 'AW'
  AND OLD.running_on IS NULL
  AND NEW.running_on IS NULL
  AND NOT NEW.wants_key
  AND (
    NEW.state_id <> 'AW'
    OR NEW.concurrency_key IS DISTINCT FROM OLD.concurrency_key
    OR NEW.group_id <> OLD.group_id
    OR NEW.worker_id IS DISTINCT FROM OLD.worker_id
  )
)
EXECUTE FUNCTION long_task.tell_key();

CREATE OR REPLACE TRIGGER tell_key_of_deleted_task
AFTER DELETE ON long_task.task
FOR EACH ROW
WHEN (OLD.concurrency_key IS NOT NULL AND OLD.state_id = 'AW' AND OLD.running_on IS NULL)
EXECUTE FUNCTION long_task.tell_key();

CREATE OR REPLACE TRIGGER tell_key
AFTER INSERT OR UPDATE OR DELETE ON long_task.concurrency_limit
FOR EACH ROW
EXECUTE FUNCTION long_task.tell_key();
