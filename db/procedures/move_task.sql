-- move_task: decide about a change that a person, a task or a schedule makes to a task's state.
--
-- Called by  trigger move_task on task, before UPDATE. The writes of the nodes' procedures do not come
--            here: a claim sets running_on and a report clears it, and the trigger's WHEN passes over
--            both, because no UPDATE that people write touches that column.
-- Locks      nothing beyond the row that is being updated.
-- Raises     LT003 illegal transition, LT004 bad value
CREATE OR REPLACE FUNCTION long_task.move_task()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_now         timestamptz := long_task.clock();
  -- Only procedures write it, and who else could is kept from the column by db/grants.sql: what has ended is queued
  -- by a schedule then, and what is blocked goes on because settle_tasks has looked at its needs, or free_keys at its key. CS is skip_task.
  v_by_system   boolean := NEW.queued_by = 'system';
BEGIN
  NEW.queued_by := OLD.queued_by;
  IF NEW.id <> OLD.id THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('task %s cannot become task %s', OLD.id, NEW.id),
      HINT = 'Insert another task.';
  END IF;
  IF NEW.concurrency_key IS DISTINCT FROM OLD.concurrency_key AND NEW.running_on IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('concurrency_key of task %s cannot be changed while it runs', OLD.id),
      HINT = 'Cancel it, or wait for its end.';
  END IF;
  -- A claim and a report write worker_id too, and do not come here: this one was given by a person.
  IF NEW.worker_id IS DISTINCT FROM OLD.worker_id THEN
    NEW.pinned := NEW.worker_id IS NOT NULL;
  END IF;
  CASE
    WHEN NEW.state_id = OLD.state_id THEN
      NULL;
    WHEN NEW.state_id = 'AW' AND OLD.state_id IN ('DR', 'CS', 'CF', 'CC') THEN
      -- A process that has ended its task, and works on: its history is not that of the next start.
      IF NEW.running_on IS NOT NULL AND OLD.run_queued_by IS NULL THEN
        NEW.run_queued_by := OLD.queued_by;
        NEW.run_scheduled_for := OLD.scheduled_for;
      END IF;
      NEW.queued_by := CASE WHEN v_by_system THEN 'schedule' ELSE 'person' END;
      NEW.scheduled_for := CASE WHEN v_by_system THEN NEW.scheduled_for END;
      NEW.base_attempt := NEW.attempt;
      NEW.started := NULL;
      NEW.finished := NULL;
      NEW.exit_code := NULL;
      NEW.signal := NULL;
      NEW.error := NULL;
      NEW.output := NULL;
      NEW.result := NULL;
      NEW.progress := NULL;
    WHEN NEW.state_id = 'AW' AND OLD.state_id IN ('AD', 'AB') THEN
      NULL;
    WHEN NEW.state_id = 'AB' AND OLD.state_id IN ('AW', 'AD') AND v_by_system THEN
      IF NOT NEW.wants_key AND OLD.queued_by = 'dependency' THEN
        NEW.queued_by := 'person';
      END IF;
    WHEN NEW.state_id = 'DR' AND OLD.state_id IN ('CS', 'CF', 'CC') THEN
      NEW.shed_waiting := NULL; -- a draft has no end to wait for
    WHEN NEW.state_id = 'AC' AND OLD.state_id IN ('AW', 'AD', 'AB') THEN
      NEW.state_id := 'CC';
      NEW.finished := v_now;
      -- The delay of a retry, or the jitter of a schedule, must not delay the task when it is queued again.
      IF (OLD.queued_by = 'retry' OR OLD.queued_by = 'schedule' AND OLD.jitter IS NOT NULL)
         AND NEW.start_after IS NOT DISTINCT FROM OLD.start_after THEN
        NEW.start_after := NULL;
      END IF;
    WHEN NEW.state_id = 'AC' AND OLD.state_id IN ('AE', 'AS') THEN
      NULL;
    WHEN NEW.state_id = 'CS' AND v_by_system THEN
      NEW.finished := v_now;
      NEW.exit_code := NULL;
      NEW.signal := NULL;
    WHEN NEW.state_id = 'AS' AND OLD.state_id = 'AE' THEN
      NULL;
    WHEN NEW.state_id IN ('CS', 'CF') AND OLD.state_id IN ('AE', 'AS') THEN
      NEW.finished := v_now;
    ELSE
      RAISE EXCEPTION USING
        ERRCODE = 'LT003',
        MESSAGE = format('task %s cannot go from %s to %s', OLD.id, OLD.state_id, NEW.state_id),
        HINT = format('From %s it can go to %s.', OLD.state_id, CASE
          WHEN OLD.state_id = 'DR' THEN 'AW'
          WHEN OLD.state_id IN ('AW', 'AD', 'AB') THEN 'AC'
          WHEN OLD.state_id = 'AE' THEN 'AC, AS, CS, CF'
          WHEN OLD.state_id = 'AS' THEN 'AC, CS, CF'
          WHEN OLD.state_id = 'AC' THEN 'nothing: it becomes CC when its processes are gone'
          ELSE 'AW, DR'
        END),
        DETAIL = format('state_id is %s since %s', OLD.state_id, OLD.last_state_change);
  END CASE;

  IF v_by_system AND OLD.wants_key AND NEW.state_id = 'AW' THEN
    -- Its key has room, and it was the first of its priority when it was put aside: to the front, behind those that came
    -- back before. With its number of then, it would come to where nobody looks any more (note_gaps).
    NEW.ready_seq := long_task.front_place();
  ELSIF v_by_system AND (OLD.state_id = 'AB' AND NEW.state_id = 'AW' OR NEW.state_id = 'CC' AND OLD.state_id LIKE 'A%') THEN
    NEW.queued_by := 'dependency';
    IF NEW.state_id = 'CC' THEN
      NEW.error := long_task.why_unmet(NEW.id);
    END IF;
  ELSIF NEW.has_needs AND NEW.state_id = 'AW' AND OLD.state_id NOT IN ('AW', 'AD') THEN
    NEW.state_id := 'AB'; -- settle_entering_task looks, when what it needs has been written too
  END IF;
  -- Another key, time or place in the queue: the next claim looks whether there is room.
  IF OLD.wants_key AND NEW.state_id = 'AB' AND (
    NEW.concurrency_key IS DISTINCT FROM OLD.concurrency_key
    OR NEW.group_id <> OLD.group_id
    OR NEW.worker_id IS DISTINCT FROM OLD.worker_id
    OR NEW.start_after IS DISTINCT FROM OLD.start_after
  ) THEN
    NEW.state_id := 'AW';
  END IF;
  NEW.wants_key := NEW.wants_key AND NEW.state_id = 'AB';
  IF NEW.state_id IN ('AW', 'AD') THEN
    NEW.state_id := CASE WHEN NEW.start_after > v_now THEN 'AD' ELSE 'AW' END;
    IF NEW.state_id = 'AW' AND OLD.state_id <> 'AW' AND NOT OLD.wants_key THEN
      NEW.ready_seq := nextval('long_task.ready_seq');
    END IF;
    IF NEW.worker_id IS NULL THEN
      PERFORM long_task.announce_ready(NEW.group_id);
    ELSE
      PERFORM long_task.announce(NULL, NEW.worker_id);
    END IF;
  END IF;
  IF NEW.group_id <> OLD.group_id AND NEW.running_on IS NOT NULL THEN
    PERFORM long_task.announce(OLD.group_id, NULL); -- where it leaves room, if there is a limit
  END IF;
  IF NEW.state_id <> OLD.state_id THEN
    NEW.last_state_change := v_now;
    IF NEW.running_on IS NOT NULL THEN
      PERFORM long_task.announce(NULL, NEW.running_on);
    END IF;
    IF NEW.shed_waiting AND NEW.state_id LIKE 'C%' THEN
      PERFORM long_task.announce(NULL, NULL); -- for the start that has waited for this end
    END IF;
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.move_task() IS
  'Trigger: allow or refuse a change of state, turn AW into AD and AC into CC where that is what is meant, wake the nodes.';

CREATE OR REPLACE TRIGGER move_task
BEFORE UPDATE ON long_task.task
FOR EACH ROW
WHEN (
  NEW.running_on IS NOT DISTINCT FROM OLD.running_on
  AND (
    NEW.id <> OLD.id
    OR NEW.state_id <> OLD.state_id
    OR NEW.queued_by <> OLD.queued_by
    OR NEW.start_after IS DISTINCT FROM OLD.start_after
    OR NEW.group_id <> OLD.group_id
    OR NEW.worker_id IS DISTINCT FROM OLD.worker_id
    OR NEW.concurrency_key IS DISTINCT FROM OLD.concurrency_key
  )
)
EXECUTE FUNCTION long_task.move_task();
