-- due_starts: decide which starts a schedule that is due makes now, and how it goes on.
--
-- Called by  fire_tasks
-- Locks      nothing
-- Raises     LT007 bad schedule
--
-- Whatever has come due by now is one start, the latest of them, unless each is to be run. A start that is too
-- late (missed_after) is given up, but not one that has waited for the start before it to end.
--
-- queue_for   the task itself is queued, for this time of its schedule; null: it is not
-- copies      copies of it are queued, for these times; at most 20 at once and 8 MiB in all, the
--             rest is due again at once
-- next_start  when it is due again; null: never
-- waiting     next_start has come, and waits for the task to end
CREATE OR REPLACE FUNCTION long_task.due_starts(
  p_schedule     long_task.schedule,
  p_now          timestamptz,
  OUT queue_for  timestamptz,
  OUT copies     timestamptz[],
  OUT next_start timestamptz,
  OUT waiting    boolean
)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_patience CONSTANT interval := interval '1 minute';
  v_enough   CONSTANT bigint := 8388608;
  v_copies   integer := GREATEST(1, LEAST(20, v_enough / p_schedule.copy_bytes));
  v_each     boolean := p_schedule.missed IS NOT DISTINCT FROM 'run each';
  v_oldest   timestamptz := p_now
    - COALESCE(p_schedule.missed_after, CASE WHEN p_schedule.missed = 'skip' THEN v_patience END);
  v_end      timestamptz := LEAST(p_now, p_schedule.until);
  v_start    timestamptz := p_schedule.next_start;
  v_starts   timestamptz[] := ARRAY[]::timestamptz[];
  v_what     text := CASE
    WHEN p_schedule.shed_clone THEN
      CASE WHEN p_schedule.overlap = 'skip' AND EXISTS (
        SELECT
        FROM long_task.task AS c
        WHERE c.shed_parent_id = p_schedule.task_id
          AND c.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC')
      ) THEN 'skip' ELSE 'copy' END
    WHEN p_schedule.state_id IN ('CS', 'CF', 'CC') THEN 'queue'
    WHEN p_schedule.state_id = 'DR' THEN 'skip'
    WHEN p_schedule.overlap = 'clone' THEN 'copy'
    WHEN p_schedule.overlap = 'queue one' OR v_each THEN 'wait'
    ELSE 'skip'
  END;
  -- Each is to be run, one after the other, by the task itself.
  v_in_turn  boolean := v_each AND v_what IN ('queue', 'wait') AND p_schedule.overlap IS DISTINCT FROM 'clone';
BEGIN
  IF v_start < v_oldest AND p_schedule.shed_waiting IS NULL THEN
    v_start := long_task.next_start_after(p_schedule, v_oldest - interval '1 microsecond');
  END IF;
  next_start := CASE WHEN (v_start > p_schedule.until) IS NOT TRUE THEN v_start END;
  IF (next_start <= v_end) IS NOT TRUE THEN
    RETURN; -- all were given up, or the schedule is over
  END IF;

  IF v_each THEN
    LOOP
      v_starts := v_starts || next_start;
      next_start := long_task.next_start_after(p_schedule, next_start);
      EXIT WHEN (next_start <= v_end) IS NOT TRUE;
      EXIT WHEN cardinality(v_starts) = CASE WHEN v_in_turn THEN 1 ELSE v_copies END;
    END LOOP;
  ELSE
    v_starts := ARRAY[next_start];
    next_start := long_task.next_start_after(p_schedule, next_start);
    IF next_start <= v_end THEN
      v_starts := ARRAY[long_task.latest_start(p_schedule, next_start, v_end)];
      next_start := long_task.next_start_after(p_schedule, v_starts[1]);
    END IF;
  END IF;

  CASE v_what
    WHEN 'queue' THEN
      queue_for := v_starts[1];
      copies := v_starts[2:];
      waiting := CASE WHEN v_in_turn AND next_start <= v_end THEN true END;
    WHEN 'copy' THEN
      copies := v_starts;
    WHEN 'wait' THEN
      next_start := v_starts[1];
      waiting := true;
    WHEN 'skip' THEN
      NULL;
  END CASE;
END
$$;

COMMENT ON FUNCTION long_task.due_starts(long_task.schedule, timestamptz) IS
  'Which starts a task''s schedule makes at a time: of the task itself, of copies; and when it is due again.';
