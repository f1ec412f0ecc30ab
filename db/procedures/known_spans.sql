-- known_spans: the parts of a queue that have to be read, in their order, in a session that knows of gaps.
--
-- Called by  queue_spans
-- Locks      nothing
-- Raises     nothing
--
-- p_queue, p_key  as in live_places
CREATE OR REPLACE FUNCTION long_task.known_spans(
  p_queue text,
  p_key   integer
)
RETURNS long_task.queue_span[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_whole CONSTANT long_task.queue_span := ROW(-2147483648, -9223372036854775808, 2147483647, 9223372036854775807);
  v_span  long_task.queue_span := v_whole;
  v_spans long_task.queue_span[] := ARRAY[]::long_task.queue_span[];
  v_gaps  long_task.queue_gap[] := (long_task.queue_gaps_of(p_queue, p_key)).gaps;
  v_gap   long_task.queue_gap;
BEGIN
  IF cardinality(v_gaps) > 0 IS NOT TRUE THEN
    RETURN ARRAY[v_whole];
  END IF;
  FOREACH v_gap IN ARRAY v_gaps LOOP
    v_span.to_lane := v_gap.lane;
    v_span.to_place := v_gap.low;
    v_spans := v_spans || v_span;
    v_span.from_lane := v_gap.lane;
    v_span.from_place := v_gap.high;
  END LOOP;
  v_span.to_lane := v_whole.to_lane;
  v_span.to_place := v_whole.to_place;
  RETURN v_spans || v_span;
END
$$;

COMMENT ON FUNCTION long_task.known_spans(text, integer) IS
  'The parts of a queue between its gaps.';
