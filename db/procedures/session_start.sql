-- session_start: since when this session has had the database.
--
-- Called by  lock_worker, recover_failed_workers. A test database replaces it.
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.session_start()
RETURNS timestamptz
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) AS a
$$;

COMMENT ON FUNCTION long_task.session_start() IS
  'When this session was connected.';
