-- table_option: a setting of autovacuum as it holds for a table.
--
-- Called by  doctor_vacuum
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.table_option(
  p_options text[],
  p_name    text
)
RETURNS double precision
LANGUAGE sql
STABLE
RETURN COALESCE(
  (SELECT o.option_value FROM pg_catalog.pg_options_to_table(p_options) AS o WHERE o.option_name = p_name),
  pg_catalog.current_setting(p_name)
)::double precision;

COMMENT ON FUNCTION long_task.table_option(text[], text) IS
  'A number that rules autovacuum: the table''s own (reloptions), else that of the server.';
