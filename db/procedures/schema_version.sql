-- schema_version: what this schema is, and which nodes it still serves.
--
-- Called by  every node when it connects, and pg-tasks migrate.
-- Locks      nothing
-- Raises     nothing
--
-- version grows with each release that changes the schema; oldest_node is the smallest version of
-- which nodes still find everything they call.
CREATE OR REPLACE FUNCTION long_task.schema_version()
RETURNS TABLE (version integer, oldest_node integer)
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT 1, 1
$$;

COMMENT ON FUNCTION long_task.schema_version() IS
  'Version of this schema, and the version of the oldest nodes that it serves.';
