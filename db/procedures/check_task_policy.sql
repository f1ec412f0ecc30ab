-- check_task_policy: refuse rules for missed and overlapping starts, and for dependencies, that make no sense.
--
-- Called by  triggers on task, before INSERT and before UPDATE of the columns checked. Their WHEN lets
--            plain rows, and the writes of the nodes' procedures, pass without a call.
-- Locks      nothing
-- Raises     LT007 bad schedule, LT012 bad dependency
CREATE OR REPLACE FUNCTION long_task.check_task_policy()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_longest  CONSTANT interval := interval '100 years';
  v_shortest CONSTANT interval := interval '1 second';
BEGIN
  IF NEW.missed NOT IN ('run once', 'run each', 'skip') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('missed %s is not known', quote_literal(NEW.missed)),
      HINT = 'Give one of ''run once'' (the same as null), ''run each'', ''skip''.';
  END IF;
  IF NEW.overlap NOT IN ('skip', 'clone', 'queue one') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('overlap %s is not known', quote_literal(NEW.overlap)),
      HINT = 'Give one of ''skip'', ''clone'', ''queue one'', or null.';
  END IF;
  IF NEW.missed = 'run each' AND NEW.overlap <> 'clone' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('missed ''run each'' and overlap %s exclude each other', quote_literal(NEW.overlap)),
      HINT = 'Leave overlap null: each start then waits for the one before it.';
  END IF;
  IF NEW.shed_clone AND NEW.overlap = 'queue one' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = 'shed_clone and overlap ''queue one'' exclude each other',
      HINT = 'Leave shed_clone false: the task itself is queued again, and task_run has a row for each run.';
  END IF;
  IF NEW.missed_after < v_shortest OR extract(epoch FROM NEW.missed_after) < 1 OR NEW.missed_after > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('missed_after %s is not between %s and %s', NEW.missed_after, v_shortest, v_longest),
      HINT = 'Give an interval such as ''10 minutes'', or null. No start is made at the very moment.';
  END IF;
  IF NEW.jitter < interval '0' OR extract(epoch FROM NEW.jitter) < 0 OR NEW.jitter > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('jitter %s is not between 0 and %s', NEW.jitter, v_longest),
      HINT = 'Give an interval such as ''30 seconds'', or null.';
  END IF;
  IF NEW.needs NOT IN ('all', 'any') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('needs %s is not known', quote_literal(NEW.needs)),
      HINT = 'Give ''all'' (the same as null) or ''any''.';
  END IF;
  IF NEW.unmet NOT IN ('cancel', 'start', 'wait') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('unmet %s is not known', quote_literal(NEW.unmet)),
      HINT = 'Give one of ''cancel'' (the same as null), ''start'', ''wait''.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task_policy() IS
  'Trigger: refuse rules for missed and overlapping starts, and for dependencies, that make no sense.';

CREATE OR REPLACE TRIGGER check_task_policy
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (
  NEW.missed IS NOT NULL
  OR NEW.missed_after IS NOT NULL
  OR NEW.overlap IS NOT NULL
  OR NEW.jitter IS NOT NULL
  OR NEW.needs IS NOT NULL
  OR NEW.unmet IS NOT NULL
)
EXECUTE FUNCTION long_task.check_task_policy();

CREATE OR REPLACE TRIGGER check_changed_task_policy
BEFORE UPDATE OF
  missed, missed_after, overlap, jitter, shed_clone, needs, unmet
ON long_task.task
FOR EACH ROW
WHEN (NEW.running_on IS NOT DISTINCT FROM OLD.running_on AND NEW.queued_by <> 'system')
EXECUTE FUNCTION long_task.check_task_policy();
