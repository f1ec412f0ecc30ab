-- The schema and its one sequence.
--
-- What tasks write is text of any language. A database that cannot hold it would refuse a report, and with
-- it all that is reported in the same call.
DO $$
BEGIN
  IF pg_catalog.current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'feature_not_supported',
      MESSAGE = pg_catalog.format('database %I has encoding %s, and pg_tasks needs UTF8',
        pg_catalog.current_database(), pg_catalog.current_setting('server_encoding')),
      HINT = 'Make one with CREATE DATABASE name ENCODING ''UTF8'' TEMPLATE template0.';
  END IF;
END
$$;

CREATE SCHEMA IF NOT EXISTS long_task;

COMMENT ON SCHEMA long_task IS
  'pg_tasks: a row of long_task.task asks for a command to be run to its end. docs/sql.md is the manual.';

-- A number taken at each entry into AW: the order of the queue within a priority. Neither id nor
-- created will do, because a row may be queued long after it was written, and more than once.
CREATE SEQUENCE long_task.ready_seq AS bigint;

COMMENT ON SEQUENCE long_task.ready_seq IS
  'Place in the queue: taken each time a task becomes ready.';
