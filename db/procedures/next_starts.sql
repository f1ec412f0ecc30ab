-- next_starts: the next three starts of a task's schedule, for a page of many.
--
-- Called by  view scheduled
-- Locks      nothing
-- Raises     nothing: one schedule that cannot be evaluated must not hide all others
CREATE OR REPLACE FUNCTION long_task.next_starts(p_task_id bigint)
RETURNS timestamptz[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN ARRAY(
    SELECT p.start
    FROM long_task.task AS t
    CROSS JOIN LATERAL long_task.schedule_preview(t.id, 3, t.next_start) AS p(start)
    WHERE t.id = p_task_id
  );
EXCEPTION
  WHEN data_exception OR SQLSTATE 'LT007' OR SQLSTATE 'LT004' THEN
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.next_starts(bigint) IS
  'The next three starts of a task''s schedule; null: it cannot be evaluated.';
