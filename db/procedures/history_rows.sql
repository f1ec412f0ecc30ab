-- history_rows: about how many rows a partition of task_run has.
--
-- Called by  roll_history, drop_history, doctor_retention
-- Locks      the partition in ACCESS SHARE mode, while it looks
-- Raises     nothing
--
-- As the planner does it: by the size, and by how full it was when it was analysed last.
CREATE OR REPLACE FUNCTION long_task.history_rows(p_part integer)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_page CONSTANT integer := 50; -- rows, when nothing is known
BEGIN
  RETURN (
    SELECT
      pg_relation_size(c.oid) / current_setting('block_size')::integer
      * CASE WHEN c.reltuples > 0 AND c.relpages > 0 THEN c.reltuples / c.relpages ELSE v_page END
    FROM pg_class AS c
    WHERE c.oid = to_regclass(format('long_task.task_run_%s', p_part))
  );
END
$$;

COMMENT ON FUNCTION long_task.history_rows(integer) IS
  'About how many rows a partition of task_run has.';
