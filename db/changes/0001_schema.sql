-- The schema and its one sequence.

CREATE SCHEMA IF NOT EXISTS long_task;

COMMENT ON SCHEMA long_task IS
  'pg_tasks: a row of long_task.task asks for a command to be run to its end. docs/sql.md is the manual.';

-- A number taken at each entry into AW: the order of the queue within a priority. Neither id nor
-- created will do, because a row may be queued long after it was written, and more than once.
CREATE SEQUENCE long_task.ready_seq AS bigint;

COMMENT ON SEQUENCE long_task.ready_seq IS
  'Place in the queue: taken each time a task becomes ready.';
