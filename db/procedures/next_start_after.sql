-- next_start_after: the first start of a task's schedule after a given time.
--
-- Called by  due_starts, latest_start, find_next_start, schedule_preview
-- Locks      nothing
-- Raises     LT007 bad schedule
--
-- Null: there is none, because the schedule has neither cron nor a period, or ends before (until).
CREATE OR REPLACE FUNCTION long_task.next_start_after(
  p_schedule long_task.schedule,
  p_after    timestamptz
)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_next timestamptz;
BEGIN
  IF p_schedule.cron IS NOT NULL THEN
    v_next := long_task.cron_time_after(p_schedule.cron_fields, p_schedule.time_zone, p_after);
  ELSIF p_schedule.shed_period_id IS NOT NULL THEN
    v_next := long_task.schedule_time_after(
      COALESCE(p_schedule.shed_anchor, p_schedule.next_start), p_schedule.shed_period_id, COALESCE(p_schedule.shed_period_count, 1),
      p_schedule.time_zone, p_after
    );
  END IF;
  RETURN CASE WHEN (v_next > p_schedule.until) IS NOT TRUE THEN v_next END;
END
$$;

COMMENT ON FUNCTION long_task.next_start_after(long_task.schedule, timestamptz) IS
  'First start after a time of a task''s cron line or of its interval; null: there is none.';
