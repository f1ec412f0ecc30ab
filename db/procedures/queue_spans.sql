-- queue_spans: the parts of a queue that have to be read, in their order.
--
-- Called by  pick_tasks, release_delayed_tasks, fire_schedules, seconds_to_next_due, note_gaps, is_told_of_room, leave_post
-- Locks      nothing
-- Raises     nothing
--
-- A body that becomes a part of the calling expression: mostly there are no gaps, and then nothing is called.
--
-- p_queue, p_key  as in live_places
CREATE OR REPLACE FUNCTION long_task.queue_spans(
  p_queue text,
  p_key   integer
)
RETURNS long_task.queue_span[]
LANGUAGE sql
STABLE
RETURN CASE
  WHEN pg_catalog.current_setting('long_task.gaps', true) <> '' THEN long_task.known_spans(p_queue, p_key)
  ELSE ARRAY[
    ROW(-2147483648, -9223372036854775808, 2147483647, 9223372036854775807)::long_task.queue_span
  ]
END;

COMMENT ON FUNCTION long_task.queue_spans(text, integer) IS
  'The parts of a queue between the gaps that this session knows of.';
