-- settle_tasks: let those tasks go on that waited for some others.
--
-- Called by  finish_attempts in the transaction of the end, the triggers of task and task_dependency in that of whoever
--            wrote there, settle_left for what they had to leave.
-- Locks      rows of task_dependency and of task FOR NO KEY UPDATE SKIP LOCKED, so in any order. What somebody holds
--            is left to a later sync (unsettled_task): nobody's open transaction holds up the report of an end.
-- Raises     nothing
--
-- First met is brought in line with the state of the tasks that have changed; then the tasks that wait for them
-- are locked, whatever their state, and only then, with the eyes of a new statement, it is asked whether they may start. Of
-- two ends at the same moment one therefore sees the other, or finds the row locked and leaves it; and so does whoever
-- queues the task at that moment, because the row is locked before its trigger looks. One that was let go and is not
-- started yet waits again if what it needs is queued again. What is cancelled because its needs cannot be met
-- any more is an end itself: hence the rounds.
--
-- p_ids  tasks whose state has changed, or of whose dependencies one has
CREATE OR REPLACE FUNCTION long_task.settle_tasks(p_ids bigint[])
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
  v_batch   CONSTANT integer := 1000;
  v_rounds  CONSTANT integer := 20;
  v_ids     bigint[] := p_ids;
  v_met     bigint[];
  v_written integer;
  v_locked  bigint[];
  v_ended   bigint[];
  v_left    bigint[];
BEGIN
  FOR v_round IN 1 .. v_rounds LOOP
    WITH edge AS MATERIALIZED (
      SELECT d.task_id, d.needs_task_id, long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result) AS met
      FROM long_task.task AS p
      JOIN long_task.task_dependency AS d ON d.needs_task_id = p.id
      WHERE p.id = ANY (v_ids)
        AND p.has_dependents
        AND d.met IS DISTINCT FROM long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result)
      LIMIT v_batch
      FOR NO KEY UPDATE OF d SKIP LOCKED
    ),
    written AS (
      UPDATE long_task.task_dependency AS d
      SET met = e.met
      FROM edge AS e
      WHERE d.task_id = e.task_id
        AND d.needs_task_id = e.needs_task_id
      RETURNING d.task_id
    )
    SELECT array_agg(DISTINCT w.task_id), count(*) INTO v_met, v_written
    FROM written AS w;
    v_left := ARRAY(
      SELECT p.id
      FROM long_task.task AS p
      WHERE p.id = ANY (v_ids)
        AND p.has_dependents
        AND EXISTS (
          SELECT
          FROM long_task.task_dependency AS d
          WHERE d.needs_task_id = p.id
            AND d.met IS DISTINCT FROM long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result)
        )
    );
    PERFORM long_task.leave_unsettled(v_left, v_written < v_batch) WHERE cardinality(v_left) > 0;

    v_met := v_met || v_ids;
    v_locked := ARRAY(
      SELECT t.id
      FROM long_task.task AS t
      WHERE t.id = ANY (v_met)
        AND t.has_needs
      FOR NO KEY UPDATE SKIP LOCKED
    );
    v_left := ARRAY(
      SELECT t.id
      FROM long_task.task AS t
      WHERE t.id = ANY (v_met)
        AND t.has_needs
        AND t.id <> ALL (v_locked)
    );
    PERFORM long_task.leave_unsettled(v_left, true) WHERE cardinality(v_left) > 0;
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
          long_task.needs_verdict(s.id, s.needs, s.unmet) AS verdict
        FROM long_task.task AS s
        WHERE s.id = ANY (v_locked)
          AND s.state_id IN ('AB', 'AW', 'AD')
        ORDER BY s.id
      ) AS w
      WHERE t.id = w.id
        AND w.verdict <> CASE WHEN t.state_id = 'AB' AND NOT t.wants_key THEN 'wait' ELSE 'start' END
      RETURNING t.id, t.state_id, t.has_dependents
    )
    SELECT array_agg(m.id) INTO v_ended
    FROM moved AS m
    WHERE m.state_id = 'CC'
      AND m.has_dependents;

    v_ids := v_ended;
    EXIT WHEN v_ids IS NULL;
  END LOOP;
  IF v_ids IS NOT NULL THEN
    PERFORM long_task.leave_unsettled(v_ids, false);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.settle_tasks(bigint[]) IS
  'Let tasks go on that waited for these, or for dependencies of these that have changed.';
