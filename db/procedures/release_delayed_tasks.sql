-- release_delayed_tasks: make the delayed tasks ready whose time has come, of a group and of a worker.
--
-- Called by  catch_up
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED in the order of start_after.
-- Raises     nothing
--
-- A task that is pinned to the worker is released by it alone, as it is claimed by it alone: there may
-- be nobody who serves its group.
CREATE OR REPLACE FUNCTION long_task.release_delayed_tasks(
  p_worker_id integer,
  p_group_id  integer,
  p_limit     integer
)
RETURNS integer
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
  v_in_vain      CONSTANT integer := 500;
  v_now          timestamptz := long_task.clock();
  v_ids          bigint[];
  v_group_spans  long_task.queue_span[];
  v_worker_spans long_task.queue_span[];
  v_of_group     bigint;
  v_of_worker    bigint;
BEGIN
  IF current_setting('long_task.gaps', true) <> '' THEN
    PERFORM long_task.look_into_gaps('delayed_group', p_group_id, v_in_vain);
    PERFORM long_task.look_into_gaps('delayed_worker', p_worker_id, v_in_vain);
  END IF;
  v_group_spans := long_task.queue_spans('delayed_group', p_group_id);
  v_worker_spans := long_task.queue_spans('delayed_worker', p_worker_id);
  -- As entries_read, without a call.
  v_of_group := pg_stat_get_xact_tuples_returned('long_task.task_delayed'::regclass);
  v_of_worker := pg_stat_get_xact_tuples_returned('long_task.task_delayed_pinned'::regclass);
  WITH of_group AS (
    SELECT f.id, f.start_after
    FROM unnest(v_group_spans) AS s
    CROSS JOIN LATERAL (
      SELECT t.id, t.start_after
      FROM long_task.task AS t
      WHERE t.state_id = 'AD'
        AND t.running_on IS NULL
        AND t.worker_id IS NULL
        AND t.group_id = p_group_id
        AND t.start_after >= long_task.place_to_time(s.from_place)
        AND t.start_after < long_task.place_to_time(s.to_place)
        AND t.start_after <= v_now
      ORDER BY t.start_after
      LIMIT p_limit
      FOR NO KEY UPDATE SKIP LOCKED
    ) AS f
    LIMIT p_limit
  ),
  of_worker AS (
    SELECT f.id, f.start_after
    FROM unnest(v_worker_spans) AS s
    CROSS JOIN LATERAL (
      SELECT t.id, t.start_after
      FROM long_task.task AS t
      WHERE t.state_id = 'AD'
        AND t.running_on IS NULL
        AND t.worker_id = p_worker_id
        AND t.start_after >= long_task.place_to_time(s.from_place)
        AND t.start_after < long_task.place_to_time(s.to_place)
        AND t.start_after <= v_now
      ORDER BY t.start_after
      LIMIT p_limit
      FOR NO KEY UPDATE SKIP LOCKED
    ) AS f
    LIMIT p_limit
  )
  SELECT array_agg(d.id ORDER BY d.start_after, d.id)
  INTO v_ids
  FROM (
    SELECT * FROM of_group
    UNION ALL
    SELECT * FROM of_worker
    ORDER BY start_after, id
    LIMIT p_limit
  ) AS d;
  v_of_group := pg_stat_get_xact_tuples_returned('long_task.task_delayed'::regclass) - v_of_group;
  v_of_worker := pg_stat_get_xact_tuples_returned('long_task.task_delayed_pinned'::regclass) - v_of_worker;

  IF v_ids IS NOT NULL THEN
    -- The trigger move_task gives each its place in the queue, one after the other, and wakes the nodes.
    -- Joined by ctid: of a table that was small when the plan was made, the whole primary key would be read for a join by id.
    UPDATE long_task.task AS t
    SET state_id = 'AW'
    FROM (
      SELECT w.ctid
      FROM unnest(v_ids) WITH ORDINALITY AS d(id, place)
      CROSS JOIN LATERAL (SELECT k.ctid FROM long_task.task AS k WHERE k.id = d.id LIMIT 1) AS w
      ORDER BY d.place
    ) AS r
    WHERE t.ctid = r.ctid;
  END IF;
  IF v_of_group > COALESCE(cardinality(v_ids), 0) + v_in_vain THEN
    PERFORM long_task.note_gaps('delayed_group', p_group_id, v_ids);
  END IF;
  IF v_of_worker > COALESCE(cardinality(v_ids), 0) + v_in_vain THEN
    PERFORM long_task.note_gaps('delayed_worker', p_worker_id, v_ids);
  END IF;
  RETURN COALESCE(cardinality(v_ids), 0);
END
$$;

COMMENT ON FUNCTION long_task.release_delayed_tasks(integer, integer, integer) IS
  'Make up to so many delayed tasks ready whose time has come, of a group and those pinned to a worker. Returns how many.';
