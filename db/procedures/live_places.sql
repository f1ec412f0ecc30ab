-- live_places: the first places in parts of a queue at which there is something, whoever holds it.
--
-- Called by  note_gaps, look_into_gaps, seconds_to_next_due, is_told_of_room, leave_post
-- Locks      nothing
-- Raises     nothing
--
-- The settings of its callers keep the plans on the indexes.
--
-- p_queue  group, worker: what is ready for a group, or for a worker alone; delayed_group, delayed_worker: what
--          waits for a time; schedule: what is fired when its time has come
-- p_key    the group or the worker; 0 for schedule
CREATE OR REPLACE FUNCTION long_task.live_places(
  p_queue text,
  p_key   integer,
  p_spans long_task.queue_span[],
  p_limit integer
)
RETURNS TABLE (lane integer, place bigint)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  CASE p_queue
    WHEN 'group' THEN
      RETURN QUERY
      SELECT f.priority, f.ready_seq
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.priority, t.ready_seq
        FROM long_task.task AS t
        WHERE t.state_id = 'AW'
          AND t.running_on IS NULL
          AND t.worker_id IS NULL
          AND t.group_id = p_key
          AND (t.priority, t.ready_seq) >= (s.from_lane, s.from_place)
          AND (t.priority, t.ready_seq) < (s.to_lane, s.to_place)
        ORDER BY t.priority, t.ready_seq
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
    WHEN 'worker' THEN
      RETURN QUERY
      SELECT f.priority, f.ready_seq
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.priority, t.ready_seq
        FROM long_task.task AS t
        WHERE t.state_id = 'AW'
          AND t.running_on IS NULL
          AND t.worker_id = p_key
          AND (t.priority, t.ready_seq) >= (s.from_lane, s.from_place)
          AND (t.priority, t.ready_seq) < (s.to_lane, s.to_place)
        ORDER BY t.priority, t.ready_seq
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
    WHEN 'delayed_group' THEN
      RETURN QUERY
      SELECT 0, long_task.time_to_place(f.start_after)
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.start_after
        FROM long_task.task AS t
        WHERE t.state_id = 'AD'
          AND t.running_on IS NULL
          AND t.worker_id IS NULL
          AND t.group_id = p_key
          AND t.start_after >= long_task.place_to_time(s.from_place)
          AND t.start_after < long_task.place_to_time(s.to_place)
        ORDER BY t.start_after
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
    WHEN 'delayed_worker' THEN
      RETURN QUERY
      SELECT 0, long_task.time_to_place(f.start_after)
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.start_after
        FROM long_task.task AS t
        WHERE t.state_id = 'AD'
          AND t.running_on IS NULL
          AND t.worker_id = p_key
          AND t.start_after >= long_task.place_to_time(s.from_place)
          AND t.start_after < long_task.place_to_time(s.to_place)
        ORDER BY t.start_after
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
    WHEN 'schedule' THEN
      RETURN QUERY
      SELECT 0, long_task.time_to_place(f.next_start)
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.next_start
        FROM long_task.task AS t
        WHERE t.next_start IS NOT NULL
          AND t.shed_enabled
          AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
          AND t.next_start >= long_task.place_to_time(s.from_place)
          AND t.next_start < long_task.place_to_time(s.to_place)
        ORDER BY t.next_start
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
  END CASE;
END
$$;

COMMENT ON FUNCTION long_task.live_places(text, integer, long_task.queue_span[], integer) IS
  'The first places in parts of a queue at which there is something.';
