-- place_to_time: the time of a place in a queue that is in the order of time.
--
-- Called by  live_places, release_delayed_tasks
-- Locks      nothing
-- Raises     nothing
--
-- What no timestamptz can say is before or after all of them.
CREATE OR REPLACE FUNCTION long_task.place_to_time(p_place bigint)
RETURNS timestamptz
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN CASE
    WHEN p_place < -210866803200000000 THEN '-infinity'::timestamptz
    WHEN p_place >= 9000000000000000000 THEN 'infinity'::timestamptz
    ELSE '1970-01-01 00:00:00+00'::timestamptz + p_place * interval '1 microsecond'
  END;
END
$$;

COMMENT ON FUNCTION long_task.place_to_time(bigint) IS
  'The time so many microseconds after 1970.';
