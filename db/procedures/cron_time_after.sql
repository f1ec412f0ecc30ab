-- cron_time_after: the first start of a cron line after a given time.
--
-- Called by  next_start_after, find_next_start, schedule_preview
-- Locks      nothing
-- Raises     nothing; an unknown zone is PostgreSQL's own error
--
-- A line that names hours starts once for each time of day it names, also on a day when clocks are changed
-- (wall_clock_time). A line whose hours have * or a step follows elapsed time: it starts whenever the clock on the
-- wall shows one of its minutes, so twice in an hour that comes twice, and not in one that is left out.
-- Null: there is none before the year 10000.
CREATE OR REPLACE FUNCTION long_task.cron_time_after(
  p_fields    long_task.cron_fields,
  p_time_zone text,
  p_after     timestamptz
)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_zone  text := COALESCE(p_time_zone, 'UTC');
  v_shown timestamp := p_after AT TIME ZONE v_zone;
  v_local timestamp := v_shown;
  v_time  timestamptz;
  v_again timestamptz;
  v_back  interval;
BEGIN
  LOOP
    v_local := long_task.cron_local_after(p_fields, v_local);
    v_time := long_task.wall_clock_time(v_local, v_zone);
    IF p_fields.every_hour AND v_time AT TIME ZONE v_zone <> v_local THEN
      CONTINUE; -- left out
    ELSIF p_fields.every_hour AND v_time <= p_after THEN
      v_time := v_local AT TIME ZONE v_zone; -- shown for the second time
    END IF;
    EXIT WHEN (v_time <= p_after) IS NOT TRUE;
  END LOOP;
  IF NOT p_fields.every_hour THEN
    RETURN v_time;
  END IF;

  -- If clocks are about to be set back, what they have just shown will come again.
  v_back := v_shown - ((p_after + interval '24 hours') AT TIME ZONE v_zone - interval '24 hours');
  IF v_back > interval '0' AND (p_after + v_back) AT TIME ZONE v_zone - v_back < v_shown THEN
    v_local := v_shown - v_back;
    LOOP
      v_local := long_task.cron_local_after(p_fields, v_local);
      EXIT WHEN (v_local <= v_shown) IS NOT TRUE;
      v_again := v_local AT TIME ZONE v_zone;
      EXIT WHEN v_again > p_after;
    END LOOP;
    IF v_again > p_after THEN
      RETURN LEAST(v_time, v_again);
    END IF;
  END IF;
  RETURN v_time;
END
$$;

COMMENT ON FUNCTION long_task.cron_time_after(long_task.cron_fields, text, timestamptz) IS
  'First start after a time of a parsed cron line in a time zone (null: UTC); null: there is none.';
