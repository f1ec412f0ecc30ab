-- passed_bytes: how much a task is given by those it needs.
--
-- Called by  pick_tasks and order_with_results, which bound it
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.passed_bytes(
  p_task_id bigint,
  p_command text
)
RETURNS bigint
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  RETURN (
    SELECT COALESCE(sum(COALESCE(octet_length(p.result::text), octet_length(p.output))), 0)
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS p ON p.id = d.needs_task_id
    WHERE d.task_id = p_task_id
      AND d.enabled
      AND (d.pass IS NOT NULL OR strpos(p_command, '%RESULT:' || COALESCE(d.name, p.name, p.id::text)) > 0)
  );
END
$$;

COMMENT ON FUNCTION long_task.passed_bytes(bigint, text) IS
  'Bytes of the results that are passed to a task by those it needs.';
