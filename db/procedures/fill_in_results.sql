-- fill_in_results: put results into the places of a command that ask for them.
--
-- Called by  order_with_results
-- Locks      nothing
-- Raises     LT013 a result cannot be passed
--
-- %RESULT:name% becomes the whole result of that name, %RESULT:name.path.to% what is found there; a number in the path
-- is an index. What has been filled in is not looked at again.
--
-- p_results  object of results by name
CREATE OR REPLACE FUNCTION long_task.fill_in_results(
  p_command text[],
  p_results jsonb
)
RETURNS text[]
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_command text[] := p_command;
  v_rest    text;
  v_filled  text;
  v_asked   text;
  v_name    text;
  v_value   text;
BEGIN
  FOR v_place IN 1 .. cardinality(p_command) LOOP
    v_rest := p_command[v_place];
    CONTINUE WHEN v_rest !~ '%RESULT:[^%]+%';
    v_filled := '';
    LOOP
      v_asked := substring(v_rest FROM '%RESULT:([^%]+)%');
      EXIT WHEN v_asked IS NULL;
      SELECT max(r.name) INTO v_name
      FROM jsonb_object_keys(p_results) AS r(name)
      WHERE v_asked = r.name
         OR starts_with(v_asked, r.name || '.');
      v_value := CASE
        WHEN v_asked = v_name THEN long_task.plain_text(p_results -> v_name)
        ELSE p_results -> v_name #>> string_to_array(substr(v_asked, length(v_name) + 2), '.')
      END;
      IF v_value IS NULL THEN
        PERFORM long_task.refuse('LT013', format('command asks for %%RESULT:%s%%, and there is none', v_asked),
          format('There are results of %s.',
            COALESCE((SELECT string_agg(r.name, ', ') FROM jsonb_object_keys(p_results) AS r(name)), 'nothing')));
      END IF;
      v_filled := v_filled || split_part(v_rest, '%RESULT:' || v_asked || '%', 1) || v_value;
      v_rest := substr(v_rest, strpos(v_rest, '%RESULT:' || v_asked || '%') + length(v_asked) + 9);
    END LOOP;
    v_command[v_place] := v_filled || v_rest;
  END LOOP;
  RETURN v_command;
END
$$;

COMMENT ON FUNCTION long_task.fill_in_results(text[], jsonb) IS
  'A command with each %RESULT:name.path% replaced by what is found there among results by name.';
