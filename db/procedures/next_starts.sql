-- next_starts: the next three starts of a task's schedule, for a page of many.
--
-- Called by  view scheduled
-- Locks      nothing
-- Raises     nothing: one schedule that cannot be evaluated must not hide all others
CREATE OR REPLACE FUNCTION long_task.next_starts(
  p_task_id    bigint,
  p_next_start timestamptz
)
RETURNS timestamptz[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN ARRAY(SELECT long_task.schedule_preview(p_task_id, 3, p_next_start));
EXCEPTION
  WHEN data_exception OR SQLSTATE 'LT007' OR SQLSTATE 'LT004' THEN
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.next_starts(bigint, timestamptz) IS
  'The next three starts of a task''s schedule from its next_start on; null: it cannot be evaluated.';
