-- wall_clock_time: when the clock on the wall of a zone shows a time.
--
-- Called by  cron_time_after, schedule_time_after
-- Locks      nothing
-- Raises     nothing; an unknown zone is PostgreSQL's own error
--
-- A time that is shown twice, when clocks are set back, is the first of the two. A time that is left out, when
-- clocks are set forward, is the moment of that change: what was planned within the gap happens at once after it.
-- This is the rule of cron (cron(8) of Debian).
CREATE OR REPLACE FUNCTION long_task.wall_clock_time(
  p_local timestamp,
  p_zone  text
)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_day     CONSTANT interval := interval '24 hours';
  -- The second of the two, or a time that is as long after the gap as this is after its beginning.
  v_time    timestamptz := p_local AT TIME ZONE p_zone;
  v_offset  interval := ((v_time - v_day) AT TIME ZONE p_zone) - ((v_time - v_day) AT TIME ZONE 'UTC');
  v_earlier timestamptz := (p_local - v_offset) AT TIME ZONE 'UTC';
  v_before  timestamptz;
  v_middle  timestamptz;
BEGIN
  IF v_time AT TIME ZONE p_zone = p_local THEN
    RETURN CASE
      WHEN v_earlier < v_time AND v_earlier AT TIME ZONE p_zone = p_local THEN v_earlier
      ELSE v_time
    END;
  END IF;
  -- Halve the time in which the clock is changed until the second is found.
  v_before := v_time - (v_time AT TIME ZONE p_zone - p_local);
  WHILE v_time - v_before > interval '1 second' LOOP
    v_middle := date_trunc('second', v_before + (v_time - v_before) / 2);
    IF (v_middle AT TIME ZONE p_zone) - (v_middle AT TIME ZONE 'UTC') = v_offset THEN
      v_before := v_middle;
    ELSE
      v_time := v_middle;
    END IF;
  END LOOP;
  RETURN v_time;
END
$$;

COMMENT ON FUNCTION long_task.wall_clock_time(timestamp, text) IS
  'When the clock of a zone shows a time: the first time if it does twice, the moment of the change if it never does.';
