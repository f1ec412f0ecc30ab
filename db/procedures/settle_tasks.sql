-- settle_tasks: let those tasks go on that waited for some others.
--
-- Called by  finish_attempts and finish_deleted_attempts in the transaction of the end, the triggers of task and
--            task_dependency in that of whoever wrote there, resume_workflow, settle_left for what they had to leave.
-- Locks      the tasks FOR SHARE, rows of task_dependency and the tasks that wait FOR NO KEY UPDATE, all of it SKIP
--            LOCKED, so in any order. What somebody holds is left to a later sync (unsettled_task): nobody's open
--            transaction holds up the report of an end.
-- Raises     nothing
--
-- First met is brought in line with the state of the tasks that have changed; then the tasks that wait for them
-- are locked, whatever their state, and only then, with the eyes of a new statement, it is asked whether they may start. Of
-- two ends at the same moment one therefore sees the other, or finds the row locked and leaves it; and so does whoever
-- queues the task at that moment, because the row is locked before its trigger looks. One that was let go and is not
-- started yet waits again if what it needs is queued again. What is cancelled because its needs cannot be met
-- any more is an end itself: hence the rounds.
--
-- p_ids    tasks whose state has changed, or of whose dependencies one has
-- p_again  they were left before
CREATE OR REPLACE FUNCTION long_task.settle_tasks(
  p_ids   bigint[],
  p_again boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_batch   CONSTANT integer := 500;
  v_rounds  CONSTANT integer := 20;
  v_ids     bigint[] := p_ids;
  v_met     bigint[];
  v_changed integer;
  v_written integer;
  v_ended   integer;
  v_open    bigint[];
  v_held    boolean; -- whether somebody holds a row that is needed
  v_waiting bigint[];
  v_locked  bigint[];
BEGIN
  -- An old snapshot does not see what others have written: a node has a new one.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    PERFORM long_task.leave_unsettled(p_ids, false);
    RETURN;
  END IF;
  FOR v_round IN 1 .. v_rounds LOOP
    WITH ended AS MATERIALIZED (
      -- Locked, so that it is the newest version, and nobody queues it again before its dependencies are written.
      SELECT p.id, p.state_id, p.running_on, p.result, true AS present
      FROM long_task.task AS p
      WHERE p.id = ANY (v_ids)
        AND p.has_dependents
      FOR SHARE SKIP LOCKED
    ),
    deleted AS (
      -- What is deleted before its end counts as cancelled, when its process is gone.
      SELECT i.id, 'CC' AS state_id, NULL::integer AS running_on, NULL::jsonb AS result, false AS present
      FROM unnest(v_ids) AS i(id)
      WHERE NOT EXISTS (SELECT FROM long_task.task AS p WHERE p.id = i.id)
        AND NOT EXISTS (SELECT FROM long_task.deleted_attempt AS r WHERE r.task_id = i.id)
    ),
    changed AS MATERIALIZED (
      SELECT d.task_id, d.needs_task_id, long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result) AS met
      FROM (SELECT * FROM ended UNION ALL SELECT * FROM deleted) AS p
      JOIN long_task.task_dependency AS d ON d.needs_task_id = p.id
      WHERE d.met IS DISTINCT FROM long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result)
        AND (p.present OR d.met IS NULL)
      LIMIT v_batch + 1
    ),
    free AS MATERIALIZED (
      SELECT d.task_id, d.needs_task_id, c.met
      FROM changed AS c
      JOIN long_task.task_dependency AS d ON d.task_id = c.task_id AND d.needs_task_id = c.needs_task_id
      LIMIT v_batch
      FOR NO KEY UPDATE OF d SKIP LOCKED
    ),
    written AS (
      UPDATE long_task.task_dependency AS d
      SET met = f.met
      FROM free AS f
      WHERE d.task_id = f.task_id
        AND d.needs_task_id = f.needs_task_id
      RETURNING d.task_id
    )
    SELECT
      array_agg(DISTINCT w.task_id),
      count(*),
      (SELECT count(*) FROM changed),
      (SELECT count(*) FROM ended),
      (SELECT array_agg(c.task_id) FROM changed AS c WHERE c.met IS NULL)
    INTO v_met, v_written, v_changed, v_ended, v_open
    FROM written AS w;
    v_held := v_written < LEAST(v_changed, v_batch) OR v_ended < cardinality(v_ids) AND v_ended < (
      SELECT count(*) FROM long_task.task AS p WHERE p.id = ANY (v_ids) AND p.has_dependents
    );
    IF v_held OR v_written < v_changed THEN
      PERFORM long_task.leave_unsettled(v_ids, v_held, false, p_again AND v_held);
    END IF;
    IF v_held AND v_open IS NOT NULL THEN
      PERFORM long_task.leave_unsettled(v_open, true, true, p_again);
    END IF;

    -- Those too that are open again, and whose dependency somebody holds: they must not start meanwhile.
    v_met := v_met || v_open || v_ids;
    WITH waiting AS MATERIALIZED (
      SELECT t.id
      FROM long_task.task AS t
      WHERE t.id = ANY (v_met)
        AND t.has_needs
    ),
    free AS MATERIALIZED (
      SELECT t.id
      FROM waiting AS w
      JOIN long_task.task AS t ON t.id = w.id
      FOR NO KEY UPDATE OF t SKIP LOCKED
    )
    SELECT array_agg(w.id), (SELECT array_agg(f.id) FROM free AS f)
    INTO v_waiting, v_locked
    FROM waiting AS w;
    IF cardinality(v_waiting) > COALESCE(cardinality(v_locked), 0) THEN
      PERFORM long_task.leave_unsettled(ARRAY(
        SELECT w.id FROM unnest(v_waiting) AS w(id)
        EXCEPT
        SELECT l.id FROM unnest(v_locked) AS l(id)
      ), true, false, p_again);
    END IF;
    EXIT WHEN v_locked IS NULL;
    WITH moved AS (
      -- 'system' tells the triggers that a procedure writes this; it is never stored.
      UPDATE long_task.task AS t
      SET
        queued_by = 'system',
        state_id = CASE w.verdict WHEN 'start' THEN 'AW' WHEN 'wait' THEN 'AB' ELSE 'AC' END,
        wants_key = false
      FROM (
        SELECT
          s.id,
          CASE
            WHEN v_held AND s.id = ANY (v_open) THEN 'wait'
            ELSE long_task.needs_verdict(s.id, s.needs, s.unmet)
          END AS verdict
        FROM long_task.task AS s
        WHERE s.id = ANY (v_locked)
          AND s.state_id IN ('AB', 'AW', 'AD')
        ORDER BY s.id
      ) AS w
      WHERE t.id = w.id
        AND w.verdict <> CASE WHEN t.state_id = 'AB' AND NOT t.wants_key THEN 'wait' ELSE 'start' END
      RETURNING t.id, t.state_id, t.has_dependents
    )
    SELECT array_agg(m.id) INTO v_ids
    FROM moved AS m
    WHERE m.state_id = 'CC'
      AND m.has_dependents;
    EXIT WHEN v_ids IS NULL;
  END LOOP;
  IF v_ids IS NOT NULL AND v_locked IS NOT NULL THEN
    PERFORM long_task.leave_unsettled(v_ids, false);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.settle_tasks(bigint[], boolean) IS
  'Let tasks go on that waited for these, or for dependencies of these that have changed.';
