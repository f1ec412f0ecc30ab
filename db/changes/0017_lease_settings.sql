-- How often the table of leases is vacuumed and analyzed.
--
-- A renewal changes a row in its place, and whoever reads a page next clears the dead ones of it away: a VACUUM finds nothing to
-- do. But each VACUUM and each ANALYZE writes anew what the catalog says of the table, and then every session of every
-- node plans its renewal anew; by default that is once a minute in a fleet, and a quarter of what renewals cost the server
-- (docs/performance.md).
ALTER TABLE long_task.worker_lease SET (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 20000,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 1000000
);
