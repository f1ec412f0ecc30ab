-- announce_schedule: wake all nodes for a start that is earlier than those they sleep for, or is soon.
--
-- Called by  triggers on task at COMMIT, for starts that were written or brought forward.
-- Locks      nothing until commit, then PostgreSQL's own queue of notifications.
-- Raises     nothing
--
-- Any node fires any schedule, also one without a free slot, and sleeps until the first start of all. So an
-- earlier one is news, and so is one that comes soon, because the start that nodes sleep for may be fired while
-- this one is being committed. At COMMIT, and not at the statement, because a transaction may be open for long.
CREATE OR REPLACE FUNCTION long_task.announce_schedule()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
  IF NEW.next_start < long_task.clock() + interval '1 minute' OR NOT EXISTS (
    SELECT
    FROM long_task.task AS t
    WHERE t.next_start <= NEW.next_start
      AND t.next_start IS NOT NULL
      AND t.shed_enabled
      AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
      AND t.id <> NEW.id
  ) THEN
    PERFORM long_task.announce(NULL, NULL);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.announce_schedule() IS
  'Trigger: wake all nodes if a start by schedule is the first of all, or soon.';

REVOKE ALL ON FUNCTION long_task.announce_schedule() FROM PUBLIC;

DROP TRIGGER IF EXISTS announce_schedule ON long_task.task;
CREATE CONSTRAINT TRIGGER announce_schedule
AFTER INSERT ON long_task.task
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW
WHEN (NEW.next_start IS NOT NULL AND NEW.shed_enabled)
EXECUTE FUNCTION long_task.announce_schedule();

-- A schedule that is fired goes to a later start, which is news to nobody. Of one that has waited only the
-- firing writes scheduled_for.
DROP TRIGGER IF EXISTS announce_changed_schedule ON long_task.task;
CREATE CONSTRAINT TRIGGER announce_changed_schedule
AFTER UPDATE OF
  next_start, cron, time_zone, shed_period_id, shed_period_count, shed_clone, shed_enabled, missed, overlap, until
ON long_task.task
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW
WHEN (
  NEW.next_start IS NOT NULL
  AND NEW.shed_enabled
  AND NEW.shed_waiting IS NULL
  AND (
    OLD.next_start IS NULL
    OR NEW.next_start < OLD.next_start
    OR NOT OLD.shed_enabled
    OR OLD.shed_waiting AND NEW.scheduled_for IS NOT DISTINCT FROM OLD.scheduled_for
  )
)
EXECUTE FUNCTION long_task.announce_schedule();
