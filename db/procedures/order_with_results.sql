-- order_with_results: what a node has to know to start a task that is given results of those it needs.
--
-- Called by  start_order
-- Locks      nothing
-- Raises     nothing: what cannot be passed is the error of that order, so that the attempt fails with it
--
-- Linux takes no variable and no argument longer than 128 KiB; what goes through stdin may be as long as any stdin.
CREATE OR REPLACE FUNCTION long_task.order_with_results(p_task long_task.task)
RETURNS json
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_limit       CONSTANT integer := 131000; -- with a name before it
  v_stdin_limit CONSTANT integer := 16777216;
  v_task        long_task.task := p_task;
  v_results     jsonb;
  v_params      jsonb;
  v_env         jsonb;
  v_stdin       text;
  v_bytes       bigint;
  v_error       text;
BEGIN
  IF array_to_string(p_task.command, ' ') !~ '%RESULT:' AND NOT EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    WHERE d.task_id = p_task.id
      AND d.enabled
      AND d.pass IS NOT NULL
  ) THEN
    RETURN long_task.plain_order(p_task);
  END IF;
  -- An inner block, because it costs something to enter one.
  BEGIN
    v_bytes := long_task.passed_bytes(p_task.id, array_to_string(p_task.command, ' '));
    IF v_bytes > v_stdin_limit THEN
      v_error := format('results of %s bytes are longer than %s', v_bytes, v_stdin_limit);
      RETURN long_task.plain_order(p_task)::jsonb || jsonb_build_object('error', v_error);
    END IF;
    SELECT
      COALESCE(jsonb_object_agg(r.name, r.value), '{}'),
      jsonb_object_agg(r.name, r.value) FILTER (WHERE r.pass = 'params' AND r.value IS NOT NULL),
      jsonb_object_agg(
        'RESULT_' || upper(regexp_replace(r.name, '[^A-Za-z0-9_]', '_', 'g')), long_task.plain_text(r.value)
      ) FILTER (WHERE r.pass = 'env' AND r.value IS NOT NULL),
      string_agg(array_to_string(r.texts, E'\n'), E'\n' ORDER BY r.name) FILTER (WHERE r.pass = 'stdin')
    INTO v_results, v_params, v_env, v_stdin
    FROM long_task.results_of_needs(p_task.id, array_to_string(p_task.command, ' ')) AS r;

    v_task.command := long_task.fill_in(p_task.command, 'RESULT', v_results);
    IF v_params IS NOT NULL AND jsonb_typeof(p_task.params) <> 'object' THEN
      v_error := format('results cannot be passed in params, which is %s and no object', jsonb_typeof(p_task.params));
    END IF;
    v_task.params := COALESCE(p_task.params || v_params, v_params, p_task.params);
    v_task.env := COALESCE(p_task.env || v_env, v_env, p_task.env);
    v_task.stdin := COALESCE(p_task.stdin || E'\n' || v_stdin, v_stdin, p_task.stdin);
    IF v_params IS NOT NULL AND octet_length(v_task.params::text) > v_limit THEN
      v_error := format('params with results of %s bytes is longer than %s', octet_length(v_task.params::text), v_limit);
    ELSIF octet_length(v_stdin) > v_stdin_limit THEN
      v_error := format('stdin with results of %s bytes is longer than %s', octet_length(v_stdin), v_stdin_limit);
    ELSIF v_task.command <> p_task.command AND octet_length(v_task.command::text) > v_limit THEN
      v_error := format('command with results of %s bytes is longer than %s', octet_length(v_task.command::text), v_limit);
    ELSIF octet_length(v_env::text) > v_limit THEN
      v_error := format('env with results of %s bytes is longer than %s', octet_length(v_env::text), v_limit);
    END IF;
    IF v_error IS NOT NULL THEN
      RETURN long_task.plain_order(p_task)::jsonb || jsonb_build_object('error', v_error);
    END IF;
    RETURN long_task.plain_order(v_task);
  EXCEPTION
    WHEN SQLSTATE 'LT013' OR program_limit_exceeded THEN
      RETURN long_task.plain_order(p_task)::jsonb || jsonb_build_object('error', SQLERRM);
  END;
END
$$;

COMMENT ON FUNCTION long_task.order_with_results(long_task.task) IS
  'What a node has to know to start the attempt that the row is in, with the results of what it needs; or the error.';
