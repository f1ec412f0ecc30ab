-- front_base: what is added to a number of the sequence to make it a place of the front.
--
-- Called by  front_place, note_gaps
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.front_base()
RETURNS bigint
LANGUAGE sql
IMMUTABLE
RETURN -4611686018427387904;

COMMENT ON FUNCTION long_task.front_base() IS
  'What is added to a number of the sequence ready_seq to make it a place before all others.';
