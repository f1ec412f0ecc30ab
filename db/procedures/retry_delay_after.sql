-- retry_delay_after: how long to wait after a failed attempt.
--
-- Called by  finish_attempts
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.retry_delay_after(
  p_failures integer,
  p_delay    interval
)
RETURNS interval
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  -- In seconds, which have no fields that could overflow. 2^40 microseconds are twelve days: a power
  -- beyond that is above the cap whatever the delay.
  SELECT make_interval(secs => LEAST(
    s.delay * 2 ^ LEAST(p_failures - 1, 40),
    GREATEST(s.delay, 86400)
  ))
  FROM (
    -- Fields of different signs can make it negative, though it compares as positive.
    SELECT GREATEST(extract(epoch FROM p_delay), 0)::double precision AS delay
  ) AS s
$$;

COMMENT ON FUNCTION long_task.retry_delay_after(integer, interval) IS
  'Wait after the given number of failed attempts: the delay, doubled for each failure after the first, to at most a day.';
