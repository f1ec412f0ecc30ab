-- time_to_place: a time as a place in a queue that is in the order of time.
--
-- Called by  live_places, note_gaps, seconds_to_next_due
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.time_to_place(p_time timestamptz)
RETURNS bigint
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF isfinite(p_time) THEN
    RETURN LEAST(extract(epoch FROM p_time) * 1000000, 9223372036854775805); -- later than year 294246 is as good
  END IF;
  RETURN CASE WHEN p_time > '2000-01-01 00:00:00+00' THEN 9223372036854775806 ELSE -9223372036854775808 END;
END
$$;

COMMENT ON FUNCTION long_task.time_to_place(timestamptz) IS
  'Microseconds since 1970.';
