-- parse_result: the JSON that a process left as its result.
--
-- Called by  finish_attempts
-- Locks      nothing
-- Raises     nothing: a result that cannot be stored must not stop the reports it travels with.
CREATE OR REPLACE FUNCTION long_task.parse_result(p_text text)
RETURNS jsonb
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN p_text::jsonb;
EXCEPTION
  WHEN data_exception OR program_limit_exceeded THEN
    RETURN jsonb_build_object('unreadable_result', left(p_text, 1000));
END
$$;

COMMENT ON FUNCTION long_task.parse_result(text) IS
  'The text as jsonb; one that PostgreSQL cannot store, as {"unreadable_result": its beginning}.';
