-- enter_task: see to a row that enters the table as more than a draft or a plain waiting row.
--
-- Called by  trigger enter_task on task, before INSERT; its WHEN lets plain rows pass without a call.
-- Locks      nothing
-- Raises     LT003 illegal transition, LT004 bad value
CREATE OR REPLACE FUNCTION long_task.enter_task()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NEW.state_id NOT IN ('DR', 'AW') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT003',
      MESSAGE = format('a task cannot begin in state %s', quote_literal(NEW.state_id)),
      HINT = 'Insert it as DR (draft) or AW (waiting).';
  END IF;
  IF NEW.running_on IS NOT NULL OR NEW.attempt <> 0 OR NEW.base_attempt <> 0 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = 'running_on, attempt and base_attempt are written by the system',
      HINT = 'Leave these columns out of the INSERT.';
  END IF;
  IF NEW.state_id = 'AW' AND NEW.start_after > long_task.clock() THEN
    NEW.state_id := 'AD';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.enter_task() IS
  'Trigger: refuse states that a task cannot begin in; turn a waiting task with a later start into a delayed one.';

CREATE OR REPLACE TRIGGER enter_task
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (
  NEW.state_id NOT IN ('DR', 'AW')
  OR NEW.start_after IS NOT NULL
  OR NEW.running_on IS NOT NULL
  OR NEW.attempt <> 0
  OR NEW.base_attempt <> 0
)
EXECUTE FUNCTION long_task.enter_task();
