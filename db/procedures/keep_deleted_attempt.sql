-- keep_deleted_attempt: remember the processes of tasks whose rows are deleted, so that they are killed.
--
-- Called by  triggers on task: after DELETE of a row that has a process, before TRUNCATE.
-- Locks      nothing beyond the rows it inserts.
-- Raises     nothing
--
-- SECURITY DEFINER, because whoever may delete a task need not be able to write what nodes read.
CREATE OR REPLACE FUNCTION long_task.keep_deleted_attempt()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO long_task.deleted_attempt (
      task_id, attempt, group_id, worker_id, started, started_by, scheduled_for, concurrency_key
    )
    VALUES (
      OLD.id, OLD.attempt, OLD.group_id, OLD.running_on, OLD.started, COALESCE(OLD.run_queued_by, OLD.queued_by),
      CASE WHEN OLD.run_queued_by IS NULL THEN OLD.scheduled_for ELSE OLD.run_scheduled_for END,
      OLD.concurrency_key
    );
    PERFORM long_task.announce(NULL, OLD.running_on);
  ELSE
    INSERT INTO long_task.deleted_attempt (
      task_id, attempt, group_id, worker_id, started, started_by, scheduled_for, concurrency_key
    )
    SELECT
      t.id, t.attempt, t.group_id, t.running_on, t.started, COALESCE(t.run_queued_by, t.queued_by),
      CASE WHEN t.run_queued_by IS NULL THEN t.scheduled_for ELSE t.run_scheduled_for END,
      t.concurrency_key
    FROM long_task.task AS t
    WHERE t.running_on IS NOT NULL;
    PERFORM long_task.announce(NULL, d.worker_id)
    FROM (SELECT DISTINCT a.worker_id FROM long_task.deleted_attempt AS a) AS d;
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.keep_deleted_attempt() IS
  'Trigger: have the processes of deleted tasks killed.';

REVOKE ALL ON FUNCTION long_task.keep_deleted_attempt() FROM PUBLIC;

CREATE OR REPLACE TRIGGER keep_deleted_attempt
AFTER DELETE ON long_task.task
FOR EACH ROW
WHEN (OLD.running_on IS NOT NULL)
EXECUTE FUNCTION long_task.keep_deleted_attempt();

CREATE OR REPLACE TRIGGER keep_truncated_attempts
BEFORE TRUNCATE ON long_task.task
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.keep_deleted_attempt();
