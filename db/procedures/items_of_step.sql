-- items_of_step: the items that a step is fanned out over.
--
-- Called by  begin_run
-- Locks      nothing
-- Raises     LT014 bad workflow, if there is no array
--
-- Returns one row without place and value for a step that is not fanned out.
CREATE OR REPLACE FUNCTION long_task.items_of_step(
  p_fan_out jsonpath,
  p_params  jsonb
)
RETURNS TABLE (
  place integer,
  value jsonb
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_found   jsonb;
  -- Whether the path selects items by itself, with [*] or a filter; what is quoted are names.
  v_selects boolean := regexp_replace(p_fan_out::text, '"([^"\\]|\\.)*"', '', 'g') ~ '\[\*\]|\?';
BEGIN
  IF p_fan_out IS NULL THEN
    RETURN NEXT;
    RETURN;
  END IF;
  v_found := jsonb_path_query_array(p_params, p_fan_out);
  -- $.files is the array itself, $.files[*] are its items.
  IF NOT v_selects AND jsonb_array_length(v_found) = 1 AND jsonb_typeof(v_found -> 0) = 'array' THEN
    v_found := v_found -> 0;
  ELSIF NOT v_selects AND jsonb_array_length(v_found) = 0 THEN
    PERFORM long_task.refuse('LT014', format('there is nothing at %s in the parameters of the run', p_fan_out),
      'Give start_workflow an array there; it may be empty.');
  END IF;
  RETURN QUERY
  SELECT (e.ordinality - 1)::integer, e.value
  FROM jsonb_array_elements(v_found) WITH ORDINALITY AS e(value, ordinality);
END
$$;

COMMENT ON FUNCTION long_task.items_of_step(jsonpath, jsonb) IS
  'The items that a step is fanned out over, with their places from 0; one empty row for a step that is not.';
