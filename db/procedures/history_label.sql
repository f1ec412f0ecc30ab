-- history_label: what a partition of task_run is, for people, to be written behind its name.
--
-- Called by  doctor_indexes, doctor_vacuum
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.history_label(p_table name)
RETURNS text
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT COALESCE(
    (
      SELECT format(' (history from %s until %s)', p.began::date, COALESCE(p.ended::date::text, 'now'))
      FROM long_task.task_run_part AS p
      WHERE format('task_run_%s', p.part) = p_table
    ),
    ''
  )
$$;

COMMENT ON FUNCTION long_task.history_label(name) IS
  'Which time a table holds the history of, in words; nothing, if it is no partition of task_run.';
