-- change_retention: have a policy seen to that was written.
--
-- Called by  triggers on retention and history_retention, after each statement.
-- Locks      the row of maintenance
-- Raises     nothing
--
-- What is remembered of runs was by the policies of before. Nobody is woken: a node asks with its next renewal.
-- SECURITY DEFINER, because whoever may write a policy need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.change_retention()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_TABLE_NAME = 'retention' THEN
    DELETE FROM long_task.run_kept;
  END IF;
  UPDATE long_task.maintenance AS m
  SET next_at = LEAST(m.next_at, long_task.clock());
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.change_retention() IS
  'Trigger: have a policy of retention seen to that was written.';

REVOKE ALL ON FUNCTION long_task.change_retention() FROM PUBLIC;

CREATE OR REPLACE TRIGGER change_retention
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON long_task.retention
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.change_retention();

CREATE OR REPLACE TRIGGER change_history_retention
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON long_task.history_retention
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.change_retention();
