-- latest_start: the last start of a task's schedule that is not later than a given time.
--
-- Called by  due_starts
-- Locks      nothing
-- Raises     LT007 bad schedule
--
-- p_start is a start itself, and not later than p_end. The time between the two is halved until the last one is
-- found, so that a year of missed minutes costs no more than a few dozen looks at the calendar.
CREATE OR REPLACE FUNCTION long_task.latest_start(
  p_schedule long_task.schedule,
  p_start    timestamptz,
  p_end      timestamptz
)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_latest timestamptz := p_start;
  v_next   timestamptz := long_task.next_start_after(p_schedule, p_start);
  v_high   timestamptz := p_end;
  v_half   timestamptz;
  v_middle timestamptz;
BEGIN
  WHILE v_next <= p_end LOOP
    v_half := v_latest + (v_high - v_latest) / 2;
    v_middle := long_task.next_start_after(p_schedule, v_half);
    IF v_middle <= p_end THEN
      v_latest := v_middle;
    ELSE
      v_latest := v_next;
      v_high := v_half;
    END IF;
    v_next := long_task.next_start_after(p_schedule, v_latest);
  END LOOP;
  RETURN v_latest;
END
$$;

COMMENT ON FUNCTION long_task.latest_start(long_task.schedule, timestamptz, timestamptz) IS
  'Last start of a task''s schedule between one of its starts and a time.';
