-- announce_schedule: wake all nodes for a start that is earlier than those they sleep for.
--
-- Called by  trigger find_next_start, for a schedule that a person has written.
-- Locks      nothing until commit, then PostgreSQL's own queue of notifications.
-- Raises     nothing
--
-- Any node fires any schedule, also one without a free slot. Nodes know the first start of all, so only an
-- earlier one is news.
CREATE OR REPLACE FUNCTION long_task.announce_schedule(
  p_task_id    bigint,
  p_next_start timestamptz
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
  IF NOT EXISTS (
    SELECT
    FROM long_task.task AS t
    WHERE t.next_start <= p_next_start
      AND t.next_start IS NOT NULL
      AND t.shed_enabled
      AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
      AND t.id <> p_task_id
  ) THEN
    PERFORM pg_notify('long_task_schedule', '');
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.announce_schedule(bigint, timestamptz) IS
  'Wake all nodes if a start is the first of all.';
