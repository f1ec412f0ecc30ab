-- resume_workflow: run steps of a run again.
--
-- Called by  people
-- Locks      as lock_run; workflow_lock, if its runs come one at a time
-- Raises     LT003 they cannot start now, LT006 no such run or step, LT014 bad mode
--
-- p_mode  failed  what failed or was cancelled by a person, and all that hangs on it; what was good stays
--         all     every step
--         from    a step and all that hangs on it
--         only    a step alone
--
-- Tasks that are still active are left as they are. History of the earlier attempts stays in task_run.
-- SECURITY DEFINER, because it writes what is known of dependencies. long_task_user may queue any task again, so that
-- this gives no right which it does not have.
--
-- Returns how many tasks were queued again.
CREATE OR REPLACE FUNCTION long_task.resume_workflow(
  p_run_id bigint,
  p_mode   text DEFAULT 'failed',
  p_step   text DEFAULT NULL
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_run     long_task.workflow_run := long_task.lock_run(p_run_id);
  v_begin   bigint[];
  v_ids     bigint[];
  v_blocked bigint;
  v_queued  integer;
  v_other   boolean := false;
  v_open    bigint[];
BEGIN
  IF p_mode NOT IN ('failed', 'all', 'from', 'only') OR p_mode IS NULL OR (p_mode IN ('from', 'only')) <> (p_step IS NOT NULL) THEN
    PERFORM long_task.refuse('LT014', format('mode %s %s is not known',
      COALESCE(quote_literal(p_mode), 'null'), CASE WHEN p_step IS NULL THEN 'without a step' ELSE 'with a step' END),
      'Give ''failed'' or ''all'', or ''from'' or ''only'' and the name of a step.');
  END IF;
  IF v_run.started IS NULL THEN
    PERFORM long_task.refuse('LT003', format('run %s has not begun', p_run_id),
      COALESCE('Start another one: ' || v_run.error, 'It waits for the run before it, or was cancelled before that ended.'));
  END IF;
  IF (SELECT w.one_at_a_time FROM long_task.workflow AS w WHERE w.name = v_run.workflow AND w.version = v_run.version) THEN
    -- Until the end of the transaction no other run begins.
    PERFORM pg_advisory_xact_lock(long_task.workflow_lock(v_run.workflow));
    v_other := long_task.has_active_run(v_run.workflow, p_run_id);
  END IF;
  IF v_other THEN
    PERFORM long_task.refuse('LT003', format('another run of workflow %s is active', v_run.workflow),
      'Its runs come one at a time: wait for its end, or cancel it.');
  END IF;

  v_begin := ARRAY(
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
      AND CASE p_mode
        WHEN 'all' THEN true
        WHEN 'failed' THEN t.state_id = 'CF' OR t.state_id = 'CC' AND long_task.why_unmet(t.id) IS NULL
        ELSE t.step = p_step
      END
  );
  IF p_step IS NOT NULL AND cardinality(v_begin) = 0 THEN
    PERFORM long_task.refuse('LT006', format('there is no step %s in run %s', p_step, p_run_id),
      'The view long_task.workflow_step_status has all of them.');
  END IF;
  v_ids := v_begin;
  IF p_mode IN ('failed', 'from') THEN
    v_ids := ARRAY(
      WITH RECURSIVE hanging(id) AS (
        SELECT b.id FROM unnest(v_begin) AS b(id)
        UNION
        SELECT d.task_id
        FROM hanging AS h
        JOIN long_task.task_dependency AS d ON d.needs_task_id = h.id AND d.enabled
        JOIN long_task.task AS t ON t.id = d.task_id AND t.run_id = p_run_id
      )
      SELECT h.id FROM hanging AS h
    );
  END IF;

  -- Known before any of them is looked at: those that are queued again are not over.
  WITH written AS (
    UPDATE long_task.task_dependency AS d
    SET met = NULL
    FROM unnest(v_ids) AS i(id)
    JOIN long_task.task AS t ON t.id = i.id AND t.state_id IN ('CS', 'CF', 'CC')
    WHERE d.needs_task_id = t.id
      AND d.met IS NOT NULL
    RETURNING d.task_id
  )
  SELECT array_agg(w.task_id) INTO v_open
  FROM written AS w
  JOIN long_task.task AS t ON t.id = w.task_id AND t.state_id IN ('AW', 'AD');
  UPDATE long_task.task AS t
  SET state_id = 'AW'
  FROM unnest(v_ids) AS i(id)
  WHERE t.id = i.id
    AND t.state_id IN ('CS', 'CF', 'CC');
  GET DIAGNOSTICS v_queued = ROW_COUNT;
  IF v_open IS NOT NULL THEN
    PERFORM long_task.settle_tasks(v_open); -- what was let go and is not started yet waits again
  END IF;
  SELECT t.id INTO v_blocked
  FROM long_task.task AS t
  WHERE t.id = ANY (v_begin)
    AND t.state_id = 'CC'
  ORDER BY t.id
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT003', format('step %s cannot start: it %s',
      (SELECT t.step FROM long_task.task AS t WHERE t.id = v_blocked), long_task.why_unmet(v_blocked)),
      'Resume from the step it needs, skip that (skip_task), or switch the dependency off.');
  END IF;
  UPDATE long_task.workflow_run AS r
  SET cancelled = NULL
  WHERE r.id = p_run_id
    AND r.cancelled IS NOT NULL;
  RETURN v_queued;
END
$$;

COMMENT ON FUNCTION long_task.resume_workflow(bigint, text, text) IS
  'Run steps of a run again: ''failed'' (what failed, and what hangs on it), ''all'', ''from'' a step, ''only'' a step. Returns how many tasks were queued.';

REVOKE ALL ON FUNCTION long_task.resume_workflow(bigint, text, text) FROM PUBLIC;
