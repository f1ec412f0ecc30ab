-- cron_days: the days of one month on which a cron line starts something.
--
-- Called by  cron_local_after
-- Locks      nothing
-- Raises     nothing
--
-- A month that the line does not name has none.
CREATE OR REPLACE FUNCTION long_task.cron_days(
  p_fields long_task.cron_fields,
  p_month  date
)
RETURNS bit(31)
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_last     integer := extract(day FROM p_month + interval '1 month' - interval '1 day');
  v_first    integer := extract(dow FROM p_month); -- weekday of the first
  v_days     bit(31) := p_fields.days;
  v_weekdays bit(31);
  v_week     bit varying := p_fields.weekdays;
  v_day      integer;
  v_weekday  integer;
  v_item     integer;
BEGIN
  IF get_bit(p_fields.months, extract(month FROM p_month)::integer - 1) = 0 THEN
    RETURN B'0'::bit(31);
  END IF;
  -- From six weeks that begin on Sunday, the days from the first on.
  v_weekdays := substring(v_week || v_week || v_week || v_week || v_week || v_week FROM v_first + 1 FOR 31)::bit(31);
  FOREACH v_item IN ARRAY COALESCE(p_fields.nth_weekdays, '{}') LOOP
    v_day := 1 + (v_item / 10 - v_first + 7) % 7 + 7 * (v_item % 10 - 1);
    IF v_item % 10 = 0 THEN
      v_day := v_last - (v_first + v_last - 1 - v_item / 10 + 7) % 7;
    END IF;
    IF v_day <= v_last THEN
      v_weekdays := set_bit(v_weekdays, v_day - 1, 1);
    END IF;
  END LOOP;

  IF p_fields.last_day THEN
    v_days := set_bit(v_days, v_last - 1, 1);
  END IF;
  IF p_fields.last_workday THEN
    v_weekday := (v_first + v_last - 1) % 7;
    v_days := set_bit(v_days, v_last - 1 - CASE v_weekday WHEN 6 THEN 1 WHEN 0 THEN 2 ELSE 0 END, 1);
  END IF;
  FOREACH v_day IN ARRAY COALESCE(p_fields.near_days, '{}') LOOP
    CONTINUE WHEN v_day > v_last;
    v_weekday := (v_first + v_day - 1) % 7;
    v_days := set_bit(v_days, v_day - 1 + CASE
      WHEN v_weekday = 6 THEN CASE WHEN v_day = 1 THEN 2 ELSE -1 END
      WHEN v_weekday = 0 THEN CASE WHEN v_day = v_last THEN -2 ELSE 1 END
      ELSE 0
    END, 1);
  END LOOP;

  v_days := CASE WHEN p_fields.either_day THEN v_days | v_weekdays ELSE v_days & v_weekdays END;
  RETURN v_days & (repeat('1', v_last)::bit(31));
END
$$;

COMMENT ON FUNCTION long_task.cron_days(long_task.cron_fields, date) IS
  'One bit for each day of the month that begins on a date on which a parsed cron line starts something.';
