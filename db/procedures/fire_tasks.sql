-- fire_tasks: make the starts that are due of some tasks, and move their schedules on.
--
-- Called by  fire_schedules, which has locked the rows.
-- Locks      nothing more
-- Raises     LT007 bad schedule, or whatever keeps a row from being written
CREATE OR REPLACE FUNCTION long_task.fire_tasks(
  p_ids bigint[],
  p_now timestamptz
)
RETURNS void
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
  v_copied bigint[];
  v_starts timestamptz[];
BEGIN
  -- 'system' tells the triggers that a procedure writes this; it is never stored.
  WITH fired AS (
    UPDATE long_task.task AS t
    SET
      queued_by = 'system',
      state_id = CASE WHEN d.queue_for IS NOT NULL THEN 'AW' ELSE t.state_id END,
      worker_id = CASE WHEN d.queue_for IS NULL THEN t.worker_id ELSE long_task.pinned_worker(t) END,
      start_after = CASE
        WHEN d.queue_for IS NULL OR t.jitter IS NULL THEN t.start_after
        ELSE GREATEST(t.start_after, p_now + random() * t.jitter)
      END,
      scheduled_for = COALESCE(d.queue_for, t.scheduled_for),
      next_start = d.next_start,
      shed_waiting = d.waiting
    FROM unnest(p_ids) WITH ORDINALITY AS i(id, place)
    JOIN long_task.task AS s ON s.id = i.id
    CROSS JOIN LATERAL long_task.due_starts(long_task.schedule_of(s), p_now) AS d
    WHERE t.id = s.id
    RETURNING t.id, i.place, d.copies
  )
  SELECT array_agg(f.id ORDER BY f.place, c.place), array_agg(c.start ORDER BY f.place, c.place)
  INTO v_copied, v_starts
  FROM fired AS f
  CROSS JOIN LATERAL unnest(f.copies) WITH ORDINALITY AS c(start, place);
  IF v_copied IS NOT NULL THEN
    PERFORM long_task.insert_clones(v_copied, v_starts, 'schedule');
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.fire_tasks(bigint[], timestamptz) IS
  'Make the starts of tasks that are due by schedule at a time, and move their schedules on.';
