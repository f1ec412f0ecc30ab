-- parse_cron: take a cron line apart.
--
-- Called by  find_next_start, schedule_preview
-- Locks      nothing
-- Raises     LT007 bad schedule, saying which field
--
-- The syntax is that of crontab(5): minute, hour, day of month, month, day of week, with names for months and
-- weekdays, 0 and 7 for Sunday, and @hourly to @yearly; and what other crons have beside it: L the last day,
-- LW the last weekday from Monday to Friday, 15W the one nearest to the 15th in its month, 5L the last
-- Friday, 5#2 the second.
--
-- As in crontab(5), a day has to match both day fields if one of them begins with *, else one of them.
CREATE OR REPLACE FUNCTION long_task.parse_cron(p_line text)
RETURNS long_task.cron_fields
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_months   CONSTANT text[] := ARRAY['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
  v_weekdays CONSTANT text[] := ARRAY['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
  v_line     text := lower(btrim(p_line, E' \t\r\n'));
  v_texts    text[];
  v_days     text[];
  v_weeks    text[];
  v_week     bit varying;
  v_item     text;
  v_parts    integer[];
  v_fields   long_task.cron_fields;
BEGIN
  v_texts := regexp_split_to_array(CASE v_line
    WHEN '@hourly' THEN '0 * * * *'
    WHEN '@daily' THEN '0 0 * * *'
    WHEN '@midnight' THEN '0 0 * * *'
    WHEN '@weekly' THEN '0 0 * * 0'
    WHEN '@monthly' THEN '0 0 1 * *'
    WHEN '@yearly' THEN '0 0 1 1 *'
    WHEN '@annually' THEN '0 0 1 1 *'
    ELSE v_line
  END, '\s+');
  IF cardinality(v_texts) IS DISTINCT FROM 5 THEN
    PERFORM long_task.refuse('LT007',
      format('cron %s has %s fields, not five', COALESCE(quote_literal(p_line), 'null'), COALESCE(cardinality(v_texts), 0)),
      'They are minute, hour, day of month, month and day of week; or one of @hourly @daily @weekly @monthly @yearly.');
  END IF;

  v_fields.minutes := long_task.parse_cron_field(p_line, 'minute', string_to_array(v_texts[1], ','), 0, 59);
  v_fields.hours := long_task.parse_cron_field(p_line, 'hour', string_to_array(v_texts[2], ','), 0, 23);
  v_fields.every_hour := v_texts[2] ~ '[*/]';
  IF v_texts[4] ~ '[a-z]' THEN
    FOR v_n IN 1 .. 12 LOOP
      v_texts[4] := regexp_replace(v_texts[4], '\m' || v_months[v_n] || '\M', v_n::text, 'g');
    END LOOP;
  END IF;
  v_fields.months := substring(
    long_task.parse_cron_field(p_line, 'month', string_to_array(v_texts[4], ','), 1, 12) FROM 2);

  v_days := string_to_array(v_texts[3], ',');
  v_fields.last_day := 'l' = ANY (v_days);
  v_fields.last_workday := 'lw' = ANY (v_days);
  v_days := array_remove(array_remove(v_days, 'l'), 'lw');
  FOREACH v_item IN ARRAY v_days LOOP
    v_parts := regexp_match(v_item, '^(\d{1,2})w$')::integer[];
    IF v_parts[1] BETWEEN 1 AND 31 THEN
      v_fields.near_days := v_fields.near_days || v_parts;
      v_days := array_remove(v_days, v_item);
    END IF;
  END LOOP;
  v_fields.days := substring(long_task.parse_cron_field(p_line, 'day of month', v_days, 1, 31) FROM 2);

  IF v_texts[5] ~ '[a-z]' THEN
    v_texts[5] := regexp_replace(v_texts[5], '(?<!sun)-sun', '-7', 'g'); -- a week may end on Sunday
    FOR v_n IN 1 .. 7 LOOP
      v_texts[5] := regexp_replace(v_texts[5], '\m' || v_weekdays[v_n] || '(?=l?\M)', (v_n - 1)::text, 'g');
    END LOOP;
  END IF;
  v_weeks := string_to_array(v_texts[5], ',');
  FOREACH v_item IN ARRAY v_weeks LOOP
    v_parts := regexp_match(v_item, '^([0-7])(?:#([1-5])|l)$')::integer[];
    IF v_parts IS NOT NULL THEN
      v_fields.nth_weekdays := v_fields.nth_weekdays || (v_parts[1] % 7 * 10 + COALESCE(v_parts[2], 0));
      v_weeks := array_remove(v_weeks, v_item);
    END IF;
  END LOOP;
  v_week := long_task.parse_cron_field(p_line, 'day of week', v_weeks, 0, 7);
  v_fields.weekdays := substring(set_bit(v_week, 0, GREATEST(get_bit(v_week, 0), get_bit(v_week, 7))) FOR 7);

  v_fields.either_day := v_texts[3] !~ '^\*' AND v_texts[5] !~ '^\*';
  RETURN v_fields;
END
$$;

COMMENT ON FUNCTION long_task.parse_cron(text) IS
  'A cron line as bits and lists: five fields with lists, ranges, steps, names, L, W and #, or @hourly to @yearly.';
