-- needs_verdict: whether a task may start, as far as the tasks go that it needs.
--
-- Called by  settle_tasks, settle_entering_task, pick_tasks
-- Locks      nothing
-- Raises     nothing
--
-- Each question is one look into a partial index. What is open is looked for from the highest id, because the
-- lower ones end first, and what has ended leaves dead entries behind.
--
-- Returns start, wait, or cancel.
CREATE OR REPLACE FUNCTION long_task.needs_verdict(
  p_task_id bigint,
  p_needs   text,
  p_unmet   text
)
RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_any    boolean := COALESCE(p_needs, 'all') = 'any';
  v_unmet  text := COALESCE(p_unmet, 'cancel');
  v_open   boolean;
  v_failed boolean;
BEGIN
  IF v_any AND EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    WHERE d.task_id = p_task_id AND d.met IS NOT NULL AND d.enabled AND d.met
  ) THEN
    RETURN 'start';
  END IF;
  v_open := EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    WHERE d.task_id = p_task_id AND d.met IS NULL AND d.enabled
    ORDER BY d.task_id DESC, d.needs_task_id DESC
    LIMIT 1
  );
  IF v_open AND (v_any OR v_unmet <> 'cancel') THEN
    RETURN 'wait';
  END IF;
  v_failed := EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    WHERE d.task_id = p_task_id AND d.met IS NOT NULL AND d.enabled AND NOT d.met
  );
  RETURN CASE WHEN v_failed THEN v_unmet WHEN v_open THEN 'wait' ELSE 'start' END;
END
$$;

COMMENT ON FUNCTION long_task.needs_verdict(bigint, text, text) IS
  'Whether a task may start as far as its dependencies go: start, wait, or cancel, given its columns needs and unmet.';
