-- maintain_step: do a small part of what the policies of retention ask for.
--
-- Called by  nodes, when sync has said that something is due, until this says that nothing is; maintain
-- Locks      an advisory lock and the row of maintenance, without waiting: one at a time; then as maintain_phase, waiting for
--            20 ms at most: a node that calls it does nothing else meanwhile
-- Raises     LT004 in an old snapshot. What fails beside that is written down (maintenance) and tried again in the next
--            round: nothing of this may cost a node its connection.
--
-- A round goes through history, tasks and runs of workflows; the next one is due a minute later, or after a tenth of the shortest
-- policy. Whoever begins a round gets a number (turn) and goes on with it; others may when he has not
-- been heard of for some seconds. The pauses that he is asked for leave nine tenths of the time to others.
--
-- p_turn  the number from the step before; null: begin a round if one is due; 0: begin one now
--
-- Returns a JSON object:
--   turn      for the next step
--   again_in  seconds until then; null: there is nothing more to do
--   busy      whether somebody else is at it
--   tasks, runs, made, dropped  as maintain_phase
--   error     what went wrong last in this round; null: nothing
-- SECURITY DEFINER: it does what the policies say, whoever calls it.
CREATE OR REPLACE FUNCTION long_task.maintain_step(p_turn bigint DEFAULT NULL)
RETURNS json
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '20ms'
AS $$
DECLARE
  v_lock   CONSTANT bigint := hashtextextended('long_task.maintenance', 0);
  v_others CONSTANT interval := interval '5 seconds';
  v_begun  timestamptz := clock_timestamp(); -- a duration, not a time
  v_now    timestamptz := long_task.clock();
  v_round  long_task.maintenance;
  v_step   record;
  v_took   double precision;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    PERFORM long_task.refuse('LT004', format('tidying up cannot be done in a transaction that is %s',
      current_setting('transaction_isolation')), 'BEGIN ISOLATION LEVEL READ COMMITTED: it has to see what others do.');
  END IF;
  IF NOT pg_try_advisory_xact_lock(v_lock) THEN
    RETURN json_build_object('busy', true);
  END IF;
  -- Who has written a policy and not committed it, holds the row.
  SELECT m.* INTO v_round
  FROM long_task.maintenance AS m
  FOR NO KEY UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN json_build_object('busy', true);
  END IF;
  IF v_round.turn IS DISTINCT FROM p_turn THEN
    IF p_turn <> 0 OR p_turn IS NULL AND v_round.next_at > v_now THEN
      RETURN json_build_object('busy', p_turn IS NOT NULL);
    END IF;
    v_round.turn := v_round.turn + 1;
    IF p_turn = 0 THEN
      v_round.phase := 'history';
    END IF;
  END IF;
  IF v_round.phase = 'history' THEN
    PERFORM long_task.note_maintenance(NULL);
  END IF;
  BEGIN
    v_step := long_task.maintain_phase(v_round.phase, v_round.place, v_round.stride);
  EXCEPTION
    WHEN OTHERS OR query_canceled THEN
      PERFORM long_task.note_maintenance(SQLERRM);
      SELECT
        CASE v_round.phase WHEN 'history' THEN 'task' WHEN 'task' THEN 'run' END AS phase,
        0::bigint AS place, v_round.stride AS stride, 0 AS tasks, 0 AS runs, 0 AS made, 0 AS dropped
      INTO v_step;
  END;
  v_took := extract(epoch FROM clock_timestamp() - v_begun);
  UPDATE long_task.maintenance AS m
  SET
    next_at = CASE WHEN v_step.phase IS NULL THEN long_task.next_round(v_now) ELSE v_now + v_others END,
    turn = v_round.turn,
    phase = COALESCE(v_step.phase, 'history'),
    place = COALESCE(v_step.place, 0),
    stride = v_step.stride,
    swept = CASE WHEN v_step.phase IS NULL THEN v_now ELSE m.swept END;
  RETURN json_build_object(
    'turn', v_round.turn,
    'again_in', CASE WHEN v_step.phase IS NOT NULL THEN LEAST(GREATEST(v_took * 9, 0.01), 1) END,
    'busy', false,
    'tasks', v_step.tasks,
    'runs', v_step.runs,
    'made', v_step.made,
    'dropped', v_step.dropped,
    'error', (SELECT m.error FROM long_task.maintenance AS m)
  );
END
$$;

COMMENT ON FUNCTION long_task.maintain_step(bigint) IS
  'For nodes: do a small part of what the policies of retention ask for. People call maintain.';

REVOKE ALL ON FUNCTION long_task.maintain_step(bigint) FROM PUBLIC;
