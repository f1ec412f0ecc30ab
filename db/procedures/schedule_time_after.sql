-- schedule_time_after: the first start of an interval schedule after a given time.
--
-- Called by  next_start_after; people, to see when a schedule will start.
-- Locks      nothing
-- Raises     LT007 bad schedule, for which there is no next start to be found
--
-- Counted from the anchor and not from the latest start, so that nothing drifts and the 31st comes back
-- after a short month. Seconds, minutes and hours are elapsed time; days, weeks and months keep the
-- wall clock of the zone, by the rule of wall_clock_time.
CREATE OR REPLACE FUNCTION long_task.schedule_time_after(
  p_anchor    timestamptz,
  p_period_id text,
  p_count     integer,
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
  v_local timestamp := p_anchor AT TIME ZONE v_zone;
  v_after timestamp := p_after AT TIME ZONE v_zone;
  v_unit  interval := CASE p_period_id
    WHEN 'SEC' THEN interval '1 second'
    WHEN 'MIN' THEN interval '1 minute'
    WHEN 'HOU' THEN interval '1 hour'
    WHEN 'DAY' THEN interval '1 day'
    WHEN 'WEE' THEN interval '7 days'
    WHEN 'MON' THEN interval '1 month'
  END;
  v_steps bigint;
  v_next  timestamptz;
BEGIN
  IF (v_unit > interval '0' AND p_count > 0 AND p_anchor > '-infinity' AND p_after < 'infinity') IS NOT TRUE THEN
    PERFORM long_task.refuse('LT007', format('there is no start after %s every %s %s from %s',
        COALESCE(p_after::text, 'null'), COALESCE(p_count::text, 'null'), COALESCE(p_period_id, 'null'),
        COALESCE(p_anchor::text, 'null')),
      'Give an anchor, one of SEC, MIN, HOU, DAY, WEE, MON, and how many of it from one start to the next.');
  END IF;
  IF p_anchor > p_after THEN
    RETURN p_anchor;
  END IF;
  IF p_period_id IN ('SEC', 'MIN', 'HOU') THEN
    v_steps := floor(extract(epoch FROM p_after - p_anchor) / (extract(epoch FROM v_unit) * p_count)) + 1;
    RETURN p_anchor + v_unit * (v_steps * p_count);
  END IF;
  -- A guess that is not too late, then on until it is past: zones and short months move it a little.
  v_steps := CASE p_period_id
    WHEN 'MON' THEN extract(year FROM age(v_after, v_local)) * 12 + extract(month FROM age(v_after, v_local))
    ELSE floor(extract(epoch FROM v_after - v_local) / extract(epoch FROM v_unit))
  END / p_count - 1;
  -- The anchor itself is past, also if an hour later the clock of the zone shows its time once more.
  v_steps := GREATEST(v_steps, 1);
  LOOP
    v_next := long_task.wall_clock_time(v_local + v_unit * (v_steps * p_count), v_zone);
    EXIT WHEN v_next > p_after;
    v_steps := v_steps + 1;
  END LOOP;
  RETURN v_next;
END
$$;

COMMENT ON FUNCTION long_task.schedule_time_after(timestamptz, text, integer, text, timestamptz) IS
  'First start after a time of a schedule that has an anchor, a period (SEC MIN HOU DAY WEE MON), a count of periods and a time zone.';
