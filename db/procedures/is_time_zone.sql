-- is_time_zone: whether a text is the name of a time zone.
--
-- Called by  check_task_schedule, schedule_preview
-- Locks      nothing
-- Raises     nothing
--
-- PostgreSQL takes more for a zone: abbreviations, which keep one offset all year, and POSIX rules, whose signs are
-- the other way round ('UTC+3' is west of Greenwich). Neither is meant by anybody who schedules something.
-- The list of names is read from files, which takes 10 ms; so it is asked only about a name that could
-- be one of those.
CREATE OR REPLACE FUNCTION long_task.is_time_zone(p_name text)
RETURNS boolean
LANGUAGE plpgsql
STABLE
STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF p_name = 'UTC' THEN
    RETURN true;
  ELSIF p_name !~ '^[A-Za-z_]+(/[A-Za-z_]+)+$' THEN
    RETURN EXISTS (SELECT FROM pg_timezone_names AS z WHERE z.name = p_name);
  END IF;
  PERFORM timestamptz 'epoch' AT TIME ZONE p_name;
  RETURN true;
EXCEPTION
  WHEN invalid_parameter_value THEN
    RETURN false;
END
$$;

COMMENT ON FUNCTION long_task.is_time_zone(text) IS
  'Whether a text is the name of a time zone such as Europe/Berlin.';
