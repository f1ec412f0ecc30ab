-- fire_schedules: start what is due by schedule.
--
-- Called by  catch_up, of whichever node comes first.
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED in the order of next_start.
-- Raises     nothing
--
-- A task that has ended is queued again. A start that finds it active is skipped, or made by a copy, or waits
-- for its end; one that finds a draft is skipped. Of a template (shed_clone) each start is a copy. The rules are in
-- due_starts. The schedule moves on in the same transaction under the row's lock: so each start is made once.
--
-- A task whose schedule cannot be evaluated any more, or of which no copy can be written, must not keep all
-- others, and all nodes, from going on: its schedule is paused, and shed_error says why.
-- After an error that has nothing to do with the row, a full disk or a deadlock, it is tried again a little later.
--
-- p_limit  how many schedules are looked at at once. It ends after half a second, because the node that calls has to
--          renew its lease; what is left is fired by the next call.
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
  v_pause   CONSTANT double precision := 0.2;
  v_enough  CONSTANT interval := interval '500 milliseconds';
  v_bytes   CONSTANT bigint := 8388608;
  -- Errors that are a row's own: data, constraints, exceptions that were raised, those of this schema.
  v_own     CONSTANT text[] := ARRAY['22', '23', 'P0', 'LT'];
  v_begun   timestamptz := clock_timestamp(); -- a duration, not a time
  v_now     timestamptz := long_task.clock();
  v_due     timestamptz;
  v_ids     bigint[];
  v_id      bigint;
  v_later   boolean := false; -- something could not be done now
  v_in_vain CONSTANT integer := 500;
  v_look    CONSTANT integer := 1000;
  v_spans   long_task.queue_span[];
  v_read    bigint;
  v_fired   bigint := 0;
  v_again   double precision;
BEGIN
  IF current_setting('long_task.gaps', true) <> '' THEN
    v_again := long_task.look_into_gaps('schedule', 0, v_look, true);
  END IF;
  v_spans := long_task.queue_spans('schedule', 0);
  v_read := pg_stat_get_xact_tuples_returned('long_task.task_scheduled'::regclass); -- as entries_read, without a call
  LOOP
    v_due := (
      SELECT f.next_start
      FROM unnest(v_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.next_start
        FROM long_task.task AS t
        WHERE t.next_start >= long_task.place_to_time(s.from_place)
          AND t.next_start < long_task.place_to_time(s.to_place)
          AND t.next_start IS NOT NULL
          AND t.shed_enabled
          AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
        ORDER BY t.next_start
        LIMIT 1
      ) AS f
      LIMIT 1
    );
    EXIT WHEN v_due > v_now OR v_due IS NULL OR clock_timestamp() > v_begun + v_enough;
    v_ids := ARRAY(
      SELECT f.id
      FROM unnest(v_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.id
        FROM long_task.task AS t
        WHERE t.next_start <= v_now
          AND t.next_start >= long_task.place_to_time(s.from_place)
          AND t.next_start < long_task.place_to_time(s.to_place)
          AND t.next_start IS NOT NULL
          AND t.shed_enabled
          AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
        ORDER BY t.next_start
        LIMIT p_limit
        FOR NO KEY UPDATE SKIP LOCKED
      ) AS f
      LIMIT p_limit
    );
    IF cardinality(v_ids) = 0 THEN
      RETURN v_pause; -- another node is firing them, or a person holds them
    END IF;
    -- As many as write 8 MiB of copies, which takes about as long as the clock is not looked at.
    v_ids := ARRAY(
      SELECT w.id
      FROM (
        SELECT
          i.id,
          i.place,
          sum(CASE
            WHEN t.shed_clone OR t.overlap = 'clone' THEN
              LEAST((long_task.schedule_of(t)).copy_bytes * CASE WHEN t.missed = 'run each' THEN 20 ELSE 1 END, v_bytes)
            ELSE 0
          END) OVER (ORDER BY i.place) AS bytes
        FROM unnest(v_ids) WITH ORDINALITY AS i(id, place)
        JOIN long_task.task AS t ON t.id = i.id
      ) AS w
      WHERE w.bytes <= v_bytes
         OR w.place = 1
      ORDER BY w.place
    );
    BEGIN
      PERFORM long_task.fire_tasks(v_ids, v_now);
    EXCEPTION
      WHEN OTHERS THEN
        FOREACH v_id IN ARRAY v_ids LOOP
          BEGIN
            PERFORM long_task.fire_tasks(ARRAY[v_id], v_now);
          EXCEPTION
            WHEN OTHERS THEN
              v_later := left(SQLSTATE, 2) <> ALL (v_own) OR NOT long_task.pause_schedule(v_id, SQLERRM) OR v_later;
          END;
        END LOOP;
    END;
    IF v_later THEN
      RETURN v_pause;
    END IF;
    v_now := long_task.clock();
    v_fired := v_fired + cardinality(v_ids);
  END LOOP;
  -- Those that were fired were read twice.
  IF pg_stat_get_xact_tuples_returned('long_task.task_scheduled'::regclass) > v_read + 2 * v_fired + v_in_vain THEN
    PERFORM long_task.note_gaps('schedule', 0, v_ids);
  END IF;
  RETURN LEAST(v_again, CASE WHEN v_due <= v_now THEN 0 ELSE extract(epoch FROM v_due - v_now) END);
END
$$;

COMMENT ON FUNCTION long_task.fire_schedules(integer) IS
  'Start the tasks that are due by schedule, so many at once, and move their schedules on. Returns the seconds until there is more to fire; null: nothing is scheduled.';
