-- note_gaps: remember where a queue is empty that was read in vain.
--
-- Called by  claim_tasks, release_delayed_tasks, fire_schedules, when they have read many more entries than they found tasks: somebody
--            holds a snapshot, and what was taken long ago is still passed by
-- Locks      nothing
-- Raises     nothing
--
-- A gap is what lies between two tasks that are there, whoever holds them, or between the last of a lane and the number
-- (or time) that was the next a moment ago. What becomes ready later lies behind that, and what was about to be committed then has
-- been. What can still come into a gap is a task that is committed much later than it got its number, and one that
-- a person moves to another priority, group or worker: look_into_gaps finds those. A task that comes back to its place gets a number of the front (move_task), which is
-- below 0, and a gap of its own ends before the next of those numbers.
--
-- So of each lane is known what is not to be read; of a lane that nobody has heard of, nothing.
--
-- p_ids  tasks that have just been taken from it, whose lanes may have gaps
CREATE OR REPLACE FUNCTION long_task.note_gaps(
  p_queue text,
  p_key   integer,
  p_ids   bigint[]
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_look   CONSTANT integer := 100; -- so many tasks that are there are stepped around
  v_width  CONSTANT bigint := 100;  -- it is not worth while to step over less
  v_most   CONSTANT integer := 256;
  v_front  CONSTANT bigint := long_task.front_base();
  v_timed  CONSTANT boolean := p_queue NOT IN ('group', 'worker');
  v_ripe   CONSTANT interval := interval '0.1 seconds';
  v_now    CONSTANT timestamptz := long_task.clock();
  v_before CONSTANT long_task.queue_gaps := long_task.queue_gaps_of(p_queue, p_key);
  v_known  long_task.queue_gaps := v_before;
BEGIN
  IF v_timed THEN
    v_known.next := long_task.time_to_place(v_now);
  ELSE
    v_known.next := (SELECT q.last_value + 1 FROM long_task.ready_seq AS q);
  END IF;
  IF v_before.next_at <= v_now AND v_now < v_before.next_at + v_ripe THEN
    RETURN;
  END IF;
  v_known.next_at := v_now;
  IF (v_before.next_at <= v_now) IS NOT TRUE THEN
    PERFORM long_task.keep_queue_gaps(p_queue, p_key, v_known);
    RETURN;
  END IF;
  v_known.gaps := ARRAY(
    WITH known AS (
      SELECT g.lane, g.low, g.high FROM unnest(v_before.gaps) AS g
    ),
    live AS MATERIALIZED (
      SELECT l.lane, l.place
      FROM long_task.live_places(p_queue, p_key, long_task.queue_spans(p_queue, p_key), v_look) AS l
    ),
    seen AS (
      -- The end of what was looked at; null: all was.
      SELECT l.lane, l.place FROM live AS l ORDER BY l.lane, l.place OFFSET v_look - 1
    ),
    lane AS (
      SELECT l.lane, l.place < 0 AS front FROM live AS l
      UNION
      SELECT k.lane, k.low < 0 FROM known AS k
      UNION
      SELECT 0, false -- the one that most tasks are in, or the only one
      UNION
      SELECT CASE WHEN v_timed THEN 0 ELSE t.priority END, NOT v_timed AND t.ready_seq < 0
      FROM long_task.task AS t
      WHERE t.id = ANY (p_ids)
    ),
    mark AS (
      SELECT l.lane, l.place < 0 AS front, l.place FROM live AS l
      UNION ALL
      SELECT n.lane, n.front, CASE WHEN n.front THEN v_front ELSE -1 END FROM lane AS n
    ),
    gap AS (
      SELECT
        m.lane,
        m.place + 1 AS low,
        LEAST(
          lead(m.place) OVER (PARTITION BY m.lane, m.front ORDER BY m.place),
          CASE WHEN m.front THEN v_before.next + v_front ELSE v_before.next END
        ) AS high
      FROM mark AS m
    ),
    all_gaps AS (
      SELECT g.lane, g.low, g.high
      FROM gap AS g
      WHERE COALESCE((g.lane, g.low) < (SELECT s.lane, s.place FROM seen AS s), true)
      UNION ALL
      SELECT k.lane, k.low, k.high
      FROM known AS k
      WHERE (k.lane, k.low) > (SELECT s.lane, s.place FROM seen AS s)
    ),
    widest AS (
      SELECT a.lane, a.low, a.high
      FROM all_gaps AS a
      WHERE a.high >= a.low + v_width
      ORDER BY a.high - a.low DESC
      LIMIT v_most
    )
    SELECT ROW(w.lane, w.low, w.high)::long_task.queue_gap
    FROM widest AS w
    ORDER BY w.lane, w.low
  );
  PERFORM long_task.keep_queue_gaps(p_queue, p_key, v_known);
END
$$;

COMMENT ON FUNCTION long_task.note_gaps(text, integer, bigint[]) IS
  'Remember where a queue is empty, so that it is not read there.';
