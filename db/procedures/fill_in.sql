-- fill_in: put values into the places of a command that ask for them.
--
-- Called by  order_with_results with results, begin_run with parameters
-- Locks      nothing
-- Raises     LT013 there is no such value
--
-- %WORD:name% becomes the whole value of that name, %WORD:name.path.to% what is found there; a number in the path is an
-- index. What has been filled in is not looked at again.
--
-- p_word    RESULT or PARAM
-- p_values  object of values by name
CREATE OR REPLACE FUNCTION long_task.fill_in(
  p_command text[],
  p_word    text,
  p_values  jsonb
)
RETURNS text[]
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_command text[] := p_command;
  v_pattern text := '%' || p_word || ':([^%]+)%';
  v_limit   CONSTANT integer := 131072;
  v_most    CONSTANT integer := 1000;
  v_bytes   bigint := 0;
  v_places  integer := 0;
  v_rest    text;
  v_filled  text;
  v_asked   text;
  v_name    text;
  v_value   text;
BEGIN
  FOR v_place IN 1 .. cardinality(p_command) LOOP
    v_rest := p_command[v_place];
    CONTINUE WHEN v_rest !~ v_pattern;
    v_filled := '';
    LOOP
      v_asked := substring(v_rest FROM v_pattern);
      EXIT WHEN v_asked IS NULL;
      SELECT max(r.name) INTO v_name
      FROM jsonb_object_keys(p_values) AS r(name)
      WHERE v_asked = r.name
         OR starts_with(v_asked, r.name || '.');
      v_value := CASE
        WHEN v_asked = v_name THEN long_task.plain_text(p_values -> v_name)
        ELSE p_values -> v_name #>> string_to_array(substr(v_asked, length(v_name) + 2), '.')
      END;
      IF v_value IS NULL THEN
        PERFORM long_task.refuse('LT013', format('command asks for %%%s:%s%%, and there is none', p_word, v_asked),
          format('There are values of %s.',
            COALESCE((SELECT string_agg(r.name, ', ') FROM jsonb_object_keys(p_values) AS r(name)), 'nothing')));
      END IF;
      v_asked := '%' || p_word || ':' || v_asked || '%';
      v_filled := v_filled || left(v_rest, strpos(v_rest, v_asked) - 1) || v_value;
      v_rest := substr(v_rest, strpos(v_rest, v_asked) + length(v_asked));
      v_bytes := v_bytes + octet_length(v_value);
      v_places := v_places + 1;
      IF v_bytes > v_limit OR v_places > v_most THEN
        PERFORM long_task.refuse('LT013', format('command asks for more than %s bytes or at more than %s places', v_limit, v_most),
          'Pass it in params or on stdin.');
      END IF;
    END LOOP;
    v_command[v_place] := v_filled || v_rest;
  END LOOP;
  RETURN v_command;
END
$$;

COMMENT ON FUNCTION long_task.fill_in(text[], text, jsonb) IS
  'A command with each %WORD:name.path% replaced by what is found there among values by name.';
