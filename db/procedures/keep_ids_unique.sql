-- keep_ids_unique: refuse a TRUNCATE after which ids would come again that history knows already.
--
-- Called by  trigger keep_ids_unique on task, after TRUNCATE: with RESTART IDENTITY the sequence has begun
--            again by then.
-- Locks      nothing
-- Raises     LT004 bad value
--
-- SECURITY DEFINER, because whoever may truncate tasks need not be able to read what this reads.
CREATE OR REPLACE FUNCTION long_task.keep_ids_unique()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_next bigint;
BEGIN
  SELECT s.last_value + s.is_called::integer INTO v_next
  FROM long_task.task_id_seq AS s;
  IF EXISTS (SELECT FROM long_task.task_run AS r WHERE r.task_id >= v_next)
     OR EXISTS (SELECT FROM long_task.task_archive AS a WHERE a.task_id >= v_next)
     OR EXISTS (SELECT FROM long_task.deleted_attempt AS d WHERE d.task_id >= v_next) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('the next task would be %s, and later ones are in history or still have a process', v_next),
      HINT = 'Leave out RESTART IDENTITY; or, when nothing runs, TRUNCATE long_task.task_run and task_archive in the same statement.';
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.keep_ids_unique() IS
  'Trigger: refuse a TRUNCATE after which ids would come again that history knows.';

REVOKE ALL ON FUNCTION long_task.keep_ids_unique() FROM PUBLIC;

CREATE OR REPLACE TRIGGER keep_ids_unique
AFTER TRUNCATE ON long_task.task
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.keep_ids_unique();
