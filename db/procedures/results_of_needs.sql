-- results_of_needs: the results of the tasks that a task needs, by the names under which they are passed.
--
-- Called by  order_with_results
-- Locks      nothing
-- Raises     nothing
--
-- p_command  names that it asks for are looked for in it
--
-- A task that has left no result passes the end of its output. Several under one name are an array, in the order of
-- the tasks' ids; so is one alone that is to be gathered.
CREATE OR REPLACE FUNCTION long_task.results_of_needs(
  p_task_id bigint,
  p_command text
)
RETURNS TABLE (
  name  text,
  pass  text,
  value jsonb,
  texts text[]
)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  RETURN QUERY
  SELECT
    n.name,
    max(n.pass),
    CASE
      WHEN count(*) > 1 OR bool_or(n.gather) THEN jsonb_agg(n.value ORDER BY n.id)
      ELSE (array_agg(n.value))[1]
    END,
    array_agg(long_task.plain_text(n.value) ORDER BY n.id)
  FROM (
    SELECT
      p.id,
      COALESCE(d.name, p.name, p.id::text) AS name,
      d.pass,
      d.gather,
      COALESCE(p.result, to_jsonb(p.output)) AS value
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS p ON p.id = d.needs_task_id
    WHERE d.task_id = p_task_id
      AND d.enabled
      AND (d.pass IS NOT NULL OR strpos(p_command, '%RESULT:' || COALESCE(d.name, p.name, p.id::text)) > 0)
  ) AS n
  GROUP BY n.name
  ORDER BY n.name;
END
$$;

COMMENT ON FUNCTION long_task.results_of_needs(bigint, text) IS
  'Results of the tasks that a task needs: name, how they are passed, the value, and the values as lines of text.';
