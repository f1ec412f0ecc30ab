-- limit_workflow: the concurrency_key by which the tasks of a workflow are limited.
--
-- Called by  begin_run
-- Locks      the limit, if it has changed
-- Raises     LT014 bad workflow, if a step has a key of its own: a task is limited by one key
--
-- Returns null for a workflow without a limit.
CREATE OR REPLACE FUNCTION long_task.limit_workflow(
  p_workflow    text,
  p_version     integer,
  p_max_running integer
)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_key  text := 'workflow ' || p_workflow;
  v_step text;
BEGIN
  IF p_max_running IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT s.name INTO v_step
  FROM long_task.workflow_step AS s
  WHERE s.workflow = p_workflow
    AND s.version = p_version
    AND s.concurrency_key IS NOT NULL
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT014', format('step %s has a concurrency_key, and workflow %s has max_running', v_step, p_workflow),
      'A task is limited by one key: leave out one of them.');
  END IF;
  IF NOT EXISTS (
    SELECT
    FROM long_task.concurrency_limit AS c
    WHERE c.concurrency_key = v_key
      AND c.max_running = p_max_running
  ) THEN
    INSERT INTO long_task.concurrency_limit (concurrency_key, max_running)
    VALUES (v_key, p_max_running)
    ON CONFLICT (concurrency_key) DO UPDATE SET max_running = EXCLUDED.max_running;
  END IF;
  RETURN v_key;
END
$$;

COMMENT ON FUNCTION long_task.limit_workflow(text, integer, integer) IS
  'Write the limit of a workflow down. Returns the concurrency_key of its tasks; null: it has no limit.';
