-- plain_text: a JSON value as a program wants to read it.
--
-- Called by  results_of_needs, fill_in
-- Locks      nothing
-- Raises     nothing
--
-- A body that is parsed here, not at each call.
CREATE OR REPLACE FUNCTION long_task.plain_text(p_value jsonb)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN p_value #>> '{}';

COMMENT ON FUNCTION long_task.plain_text(jsonb) IS
  'A string without its quotes, anything else as JSON; null for null.';
