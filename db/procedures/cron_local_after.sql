-- cron_local_after: the first minute after a time that a cron line names, by the calendar and the clock on the wall.
--
-- Called by  cron_time_after, which knows the zones; here there are none.
-- Locks      nothing
-- Raises     nothing
--
-- Null: there is none in the next 400 years, after which the calendar repeats itself, or none before the year 10000.
CREATE OR REPLACE FUNCTION long_task.cron_local_after(
  p_fields long_task.cron_fields,
  p_after  timestamp
)
RETURNS timestamp
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_from   timestamp := date_trunc('minute', p_after) + interval '1 minute';
  v_month  date := date_trunc('month', v_from);
  v_end    date := LEAST((v_month + interval '400 years')::date, date '9999-12-01');
  v_day    integer := extract(day FROM v_from);
  v_hour   integer := extract(hour FROM v_from);
  v_minute integer := extract(minute FROM v_from);
  v_days   bit(31) := long_task.cron_days(p_fields, v_month);
  v_ahead  integer := 0; -- how far the next bit is
BEGIN
  -- Today: the rest of this hour, else the next hour.
  IF get_bit(v_days, v_day - 1) = 1 THEN
    IF get_bit(p_fields.hours, v_hour) = 1 THEN
      v_ahead := position(B'1' IN substring(p_fields.minutes FROM v_minute + 1));
      v_minute := v_minute + v_ahead - 1;
    END IF;
    IF v_ahead = 0 THEN
      v_ahead := position(B'1' IN substring(p_fields.hours FROM v_hour + 2));
      v_hour := v_hour + v_ahead;
      v_minute := position(B'1' IN p_fields.minutes) - 1;
    END IF;
    IF v_ahead > 0 THEN
      RETURN v_month + make_interval(days => v_day - 1, hours => v_hour, mins => v_minute);
    END IF;
  END IF;

  -- Another day, at its first time.
  v_ahead := position(B'1' IN substring(v_days FROM v_day + 1));
  WHILE v_ahead = 0 LOOP
    v_month := v_month + interval '1 month';
    v_day := 0;
    IF v_month > v_end THEN
      RETURN NULL;
    END IF;
    v_ahead := position(B'1' IN long_task.cron_days(p_fields, v_month));
  END LOOP;
  RETURN v_month + make_interval(
    days => v_day + v_ahead - 1,
    hours => position(B'1' IN p_fields.hours) - 1,
    mins => position(B'1' IN p_fields.minutes) - 1
  );
END
$$;

COMMENT ON FUNCTION long_task.cron_local_after(long_task.cron_fields, timestamp) IS
  'First minute after a local time that a parsed cron line names; null: there is none.';
