-- fire_schedules: start what is due by schedule.
--
-- Called by  sync, of whichever node comes first.
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED in the order of next_start.
-- Raises     nothing
--
-- A task that has ended is queued again. A start that finds it active is skipped, or made by a copy, or waits
-- for its end (overlap; run each waits too); one that finds a draft is skipped. Of a template (shed_clone) each start is a
-- copy. The schedule moves on in the same statement under the row's lock, so that each start is made once.
--
-- A worker_id that is only the trace of who ran the task last does not bind the next start to that worker.
--
-- Returns the seconds until there is something to fire again; null: nothing is scheduled.
CREATE OR REPLACE FUNCTION long_task.fire_schedules(p_limit integer)
RETURNS double precision
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
  v_pause  CONSTANT double precision := 0.2;
  v_now    timestamptz := long_task.clock();
  v_due    timestamptz;
  v_fired  boolean := false;
  v_ids    bigint[];
  v_clones bigint[];
  v_starts timestamptz[];
BEGIN
  LOOP
    v_due := (
      SELECT t.next_start
      FROM long_task.task AS t
      WHERE t.next_start IS NOT NULL
        AND t.shed_enabled
        AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
      ORDER BY t.next_start
      LIMIT 1
    );
    EXIT WHEN v_fired OR v_due > v_now OR v_due IS NULL;
    v_ids := ARRAY(
      SELECT t.id
      FROM long_task.task AS t
      WHERE t.next_start <= v_now
        AND t.next_start IS NOT NULL
        AND t.shed_enabled
        AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
      ORDER BY t.next_start
      LIMIT p_limit
      FOR NO KEY UPDATE SKIP LOCKED
    );
    IF cardinality(v_ids) = 0 THEN
      RETURN v_pause; -- another node is firing them, or a person holds them
    END IF;

    -- 'due' tells the triggers that a schedule writes this; it is never stored.
    WITH fired AS (
      UPDATE long_task.task AS t
      SET
        queued_by = 'due',
        state_id = CASE WHEN d.queue_for IS NOT NULL THEN 'AW' ELSE t.state_id END,
        worker_id = CASE WHEN d.queue_for IS NULL OR t.pinned OR t.attempt = 0 THEN t.worker_id END,
        start_after = CASE
          WHEN d.queue_for IS NULL OR t.jitter IS NULL THEN t.start_after
          ELSE GREATEST(t.start_after, v_now + random() * t.jitter)
        END,
        scheduled_for = COALESCE(d.queue_for, t.scheduled_for),
        next_start = d.next_start,
        shed_waiting = d.waiting
      FROM unnest(v_ids) WITH ORDINALITY AS i(id, place)
      JOIN long_task.task AS s ON s.id = i.id
      CROSS JOIN LATERAL long_task.due_starts(s, v_now) AS d
      WHERE t.id = s.id
      RETURNING t.id, i.place, d.copies
    )
    SELECT array_agg(f.id ORDER BY f.place, c.place), array_agg(c.start ORDER BY f.place, c.place)
    INTO v_clones, v_starts
    FROM fired AS f
    CROSS JOIN LATERAL unnest(f.copies) WITH ORDINALITY AS c(start, place);
    IF v_clones IS NOT NULL THEN
      PERFORM long_task.insert_clones(v_clones, v_starts, 'schedule');
    END IF;
    v_fired := true;
    v_now := long_task.clock();
  END LOOP;
  -- What is due still is more than one call should take on.
  RETURN CASE WHEN v_due <= v_now THEN 0 ELSE extract(epoch FROM v_due - v_now) END;
END
$$;

COMMENT ON FUNCTION long_task.fire_schedules(integer) IS
  'Start up to so many tasks that are due by schedule, and move their schedules on. Returns the seconds until there is more to fire; null: nothing is scheduled.';
