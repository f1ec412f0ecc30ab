-- place_to_time: the time of a place in a queue that is in the order of time.
--
-- Called by  live_places, release_delayed_tasks, fire_schedules
-- Locks      nothing
-- Raises     nothing
--
-- What no timestamptz can say is before or after all of them. A body that becomes a part of the calling statement.
CREATE OR REPLACE FUNCTION long_task.place_to_time(p_place bigint)
RETURNS timestamptz
LANGUAGE sql
STABLE
RETURN CASE
  WHEN p_place < -210866803200000000 THEN '-infinity'::timestamptz
  WHEN p_place >= 9000000000000000000 THEN 'infinity'::timestamptz
  ELSE '1970-01-01 00:00:00+00'::timestamptz + p_place * interval '1 microsecond'
END;

COMMENT ON FUNCTION long_task.place_to_time(bigint) IS
  'The time so many microseconds after 1970.';
