-- check_edge: refuse a dependency, of a task or of a step, that says what cannot be understood.
--
-- Called by  check_dependency, check_workflow_edge
-- Locks      nothing
-- Raises     LT012 bad dependency
CREATE OR REPLACE FUNCTION long_task.check_edge(
  p_on        text,
  p_condition jsonpath,
  p_pass      text
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF p_on NOT IN ('success', 'failure', 'cancel', 'end') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('on %s is not known', quote_literal(p_on)),
      HINT = 'Give one of ''success'', ''failure'', ''cancel'', ''end''.';
  END IF;
  IF p_pass NOT IN ('params', 'env', 'stdin') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('pass %s is not known', quote_literal(p_pass)),
      HINT = 'Give one of ''params'', ''env'', ''stdin'', or null.';
  END IF;
  IF p_condition IS NOT NULL THEN
    BEGIN
      PERFORM jsonb_path_match('{}', p_condition);
    EXCEPTION
      WHEN singleton_sql_json_item_required THEN
        RAISE EXCEPTION USING
          ERRCODE = 'LT012',
          MESSAGE = format('condition %s is no predicate', quote_literal(p_condition::text)),
          HINT = 'Write a comparison, such as $.rows > 0, or exists($.rows), and no filter.';
      WHEN data_exception THEN
        NULL; -- strict mode: it is the empty object that has not what it asks for
    END;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.check_edge(text, jsonpath, text) IS
  'Refuse a dependency that says what cannot be understood.';
