-- counted: a number of rows that was counted up to 1001.
--
-- Called by  the functions doctor_*
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.counted(p_rows bigint)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN CASE WHEN p_rows > 1000 THEN 'more than 1000' ELSE p_rows::text END;

COMMENT ON FUNCTION long_task.counted(bigint) IS
  'A number of rows in words, where counting ended at 1001.';
