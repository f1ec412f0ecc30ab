-- look_into_gaps: see whether gaps of a queue are empty still, a part of them with each call.
--
-- Called by  claim_tasks, release_delayed_tasks, fire_schedules before they read the queue; seconds_to_next_due, which looks at
--            more, because there is nothing else to do
-- Locks      nothing
-- Raises     nothing
--
-- A part in which there is something is no gap any more. However many entries there are in the gaps, a call reads
-- few of them, so that what has got into a gap is found the later, the more it costs to look. When all gaps have been
-- looked through and few entries were read, the snapshot that made them is gone, and they are given up.
--
-- p_entries  about how many entries to read. There may be more at one place, of tasks that were delayed to the same time: then the
--            next calls read the less.
-- p_round    whether the caller sleeps when all gaps have been looked through since it first asked; of each queue, one is that.
--            Whoever looks meanwhile brings it on, and ends no round.
--
-- Returns the seconds after which to go on: 0, if something was found; null: the round is over, or it is another caller's.
CREATE OR REPLACE FUNCTION long_task.look_into_gaps(
  p_queue   text,
  p_key     integer,
  p_entries integer,
  p_round   boolean DEFAULT false
)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_pause    CONSTANT double precision := 0.02;
  v_few      CONSTANT integer := 500;
  v_probe    CONSTANT integer := 100; -- to ask costs as much as to read so many
  v_shortest CONSTANT bigint := 64;
  v_longest  CONSTANT bigint := 2305843009213693952;
  v_known    long_task.queue_gaps := long_task.queue_gaps_of(p_queue, p_key);
  v_gap      long_task.queue_gap;
  v_place    integer; -- of that gap among all
  v_stride   bigint := COALESCE(v_known.stride, v_shortest);
  v_first    boolean;
  v_from     bigint;
  v_until    bigint;
  v_before   bigint;
  v_read     bigint;
  v_left     bigint := p_entries - COALESCE(v_known.debt, 0);
  v_again    double precision;
  v_whole    boolean := v_known.looking IS NULL; -- it began, or begins again, with the first gap
BEGIN
  IF cardinality(v_known.gaps) > 0 IS NOT TRUE THEN
    RETURN NULL;
  END IF;
  IF p_round AND v_known.passes IS NULL THEN
    -- What was looked at before may be out of date: so from there to the end, and once more from the start.
    v_known.passes := CASE WHEN v_whole THEN 1 ELSE 2 END;
  ELSIF p_round AND v_known.passes = 0 THEN
    v_known.passes := NULL;
    PERFORM long_task.keep_queue_gaps(p_queue, p_key, v_known);
    RETURN NULL;
  END IF;
  LOOP
    SELECT g.lane, g.low, g.high, g.place
    INTO v_gap.lane, v_gap.low, v_gap.high, v_place
    FROM unnest(v_known.gaps) WITH ORDINALITY AS g(lane, low, high, place)
    WHERE v_known.looking IS NULL
       OR (g.lane, g.high) > (v_known.looking, v_known.looked)
    ORDER BY g.place
    LIMIT 1;
    IF NOT FOUND THEN
      IF v_known.entries < v_few THEN
        v_known.gaps := NULL;
      END IF;
      v_known.looking := NULL;
      v_known.passes := CASE WHEN v_known.passes > 0 THEN v_known.passes - 1 ELSE v_known.passes END;
      IF p_round AND v_known.passes = 0 THEN
        v_known.passes := NULL;
        EXIT;
      ELSIF v_whole OR v_known.gaps IS NULL OR v_known.entries > v_left THEN
        v_again := COALESCE(v_again, v_pause);
        EXIT;
      END IF;
      v_whole := true;
      CONTINUE;
    END IF;
    IF v_left <= 0 THEN
      v_again := COALESCE(v_again, v_pause);
      EXIT;
    END IF;
    v_first := v_known.looking IS NULL;
    v_from := CASE WHEN v_gap.lane = v_known.looking THEN GREATEST(v_gap.low, v_known.looked) ELSE v_gap.low END;
    v_until := LEAST(v_gap.high, v_from + v_stride);
    v_before := long_task.entries_read(p_queue);
    IF EXISTS (
      SELECT
      FROM long_task.live_places(
        p_queue, p_key, ARRAY[ROW(v_gap.lane, v_from, v_gap.lane, v_until)::long_task.queue_span], 1
      )
    ) THEN
      v_again := 0;
      v_known.gaps := v_known.gaps[: v_place - 1]
        || ARRAY(
          SELECT p
          FROM (VALUES
            (ROW(v_gap.lane, v_gap.low, v_from)::long_task.queue_gap),
            (ROW(v_gap.lane, v_until, v_gap.high)::long_task.queue_gap)
          ) AS v(p)
          WHERE (p).low < (p).high
        )
        || v_known.gaps[v_place + 1 :];
    END IF;
    v_read := long_task.entries_read(p_queue) - v_before;
    v_known.looking := v_gap.lane;
    v_known.looked := v_until;
    v_known.entries := CASE WHEN v_first THEN 0 ELSE v_known.entries END + v_read;
    v_left := v_left - v_read - v_probe;
    v_stride := CASE
      WHEN v_read * 2 < v_few THEN LEAST(v_stride * 2, v_longest)
      WHEN v_read > v_few THEN GREATEST(v_stride / 2, v_shortest)
      ELSE v_stride
    END;
  END LOOP;
  v_known.stride := v_stride;
  v_known.debt := GREATEST(0, -v_left);
  IF v_known.gaps IS NULL THEN
    v_known.passes := NULL;
    v_again := NULLIF(v_again, v_pause);
  END IF;
  PERFORM long_task.keep_queue_gaps(p_queue, p_key, v_known);
  RETURN CASE WHEN p_round THEN v_again END;
END
$$;

COMMENT ON FUNCTION long_task.look_into_gaps(text, integer, integer, boolean) IS
  'See whether gaps of a queue are empty still, as far as can be seen by reading so many entries. Returns the seconds after which to go on; null: all was seen.';
