-- clock: the one source of the present time in this schema.
--
-- Called by  every procedure and default that needs the time. A test database replaces it, so that
--            time is set and not waited for.
-- Locks      nothing
-- Raises     nothing
--
-- The time of the wall, not of the transaction: a lease is judged by the moment, however long the
-- judging transaction had to wait. STABLE all the same: nothing here minds whether one statement reads
-- the clock once or more often, and only a stable function lets WHERE finished > clock() use an index.
CREATE OR REPLACE FUNCTION long_task.clock()
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN clock_timestamp();
END
$$;

COMMENT ON FUNCTION long_task.clock() IS
  'The present time. Everything in schema long_task reads the time here and nowhere else.';
