-- schedule_preview: the next starts of a cron line, or of a task's own schedule.
--
-- Called by  people, view scheduled.
-- Locks      nothing
-- Raises     LT004 bad value, LT006 no such task, LT007 bad schedule
--
-- The parameters of the two stand in such an order that literals without a type tell them apart.
--
-- What becomes of a start is decided when it is due: these are the times of the schedule, before jitter, whether
-- the task will have ended by then or not.
CREATE OR REPLACE FUNCTION long_task.schedule_preview(
  p_cron      text,
  p_time_zone text DEFAULT NULL,
  p_from      timestamptz DEFAULT NULL,
  p_count     integer DEFAULT 10
)
RETURNS SETOF timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_fields long_task.cron_fields := long_task.parse_cron(p_cron);
  v_next   timestamptz := long_task.preview_from(p_from, p_count) - interval '1 microsecond';
BEGIN
  IF p_time_zone IS NOT NULL AND NOT long_task.is_time_zone(p_time_zone) THEN
    PERFORM long_task.refuse('LT007', format('time_zone %s is not known', quote_literal(p_time_zone)),
      'Give a name of pg_timezone_names such as ''Europe/Berlin''.');
  END IF;
  FOR v_n IN 1 .. p_count LOOP
    v_next := long_task.cron_time_after(v_fields, p_time_zone, v_next);
    EXIT WHEN v_next IS NULL;
    RETURN NEXT v_next;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.schedule_preview(text, text, timestamptz, integer) IS
  'The next starts of a cron line in a time zone (null: UTC), from a time on (null: now). SELECT long_task.schedule_preview(''0 9 * * mon-fri'', ''Europe/Berlin'')';

CREATE OR REPLACE FUNCTION long_task.schedule_preview(
  p_task_id bigint,
  p_count   integer DEFAULT 10,
  p_from    timestamptz DEFAULT NULL
)
RETURNS SETOF timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_from     timestamptz := long_task.preview_from(p_from, p_count);
  v_schedule long_task.schedule;
  v_next     timestamptz;
BEGIN
  SELECT (long_task.schedule_of(t)).* INTO v_schedule
  FROM long_task.task AS t
  WHERE t.id = p_task_id;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', COALESCE(p_task_id::text, 'null')),
      'Its history may still be in long_task.task_run.');
  END IF;

  v_next := CASE
    WHEN v_schedule.next_start > v_schedule.until THEN NULL
    WHEN v_schedule.next_start >= v_from THEN v_schedule.next_start
    WHEN v_schedule.next_start IS NOT NULL THEN long_task.next_start_after(v_schedule, v_from - interval '1 microsecond')
  END;
  FOR v_n IN 1 .. p_count LOOP
    EXIT WHEN v_next IS NULL;
    RETURN NEXT v_next;
    v_next := long_task.next_start_after(v_schedule, v_next);
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.schedule_preview(bigint, integer, timestamptz) IS
  'The next starts of a task''s schedule, from a time on (null: now). SELECT long_task.schedule_preview(7, 3)';
