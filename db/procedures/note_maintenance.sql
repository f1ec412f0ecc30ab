-- note_maintenance: write down what went wrong while tidying up.
--
-- Called by  clear_tasks, sweep_runs, maintain_step
-- Locks      the row of maintenance, which whoever tidies up writes in any case
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.note_maintenance(p_error text)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE long_task.maintenance AS m
  SET error = left(p_error, 1000);
END
$$;

COMMENT ON FUNCTION long_task.note_maintenance(text) IS
  'Write down what went wrong while tidying up.';
