-- sweep_tasks: go through some tasks in the order of their ids, and clear those away that no policy keeps.
--
-- Called by  maintain_step
-- Locks      as clear_tasks
-- Raises     nothing
--
-- The way is the primary key and a remembered place, so that tasks bear no index for this. How many ids are looked at
-- goes by the time it took (p_stride): rows that were deleted may be long in the index. Ids grow with time: behind
-- the first row that is younger than the shortest policy there is nothing yet. Rows from a future that a
-- clock has dreamt of are no such row. Tasks of runs go with their run (sweep_runs).
-- The settings keep the plan on the primary key, in its order.
--
-- next    where to go on; null: this was the end
-- stride  how many ids to look at then
-- gone    how many tasks have gone
CREATE OR REPLACE FUNCTION long_task.sweep_tasks(
  p_place    bigint,
  p_stride   bigint,
  OUT next   bigint,
  OUT stride bigint,
  OUT gone   integer
)
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
  v_most  CONSTANT integer := 200;
  v_least CONSTANT bigint := 500;
  v_far   CONSTANT bigint := 1000000000;
  v_begun timestamptz := clock_timestamp(); -- a duration, not a time
  v_now   timestamptz := long_task.clock();
  v_young interval := (SELECT min(LEAST(r.keep_succeeded, r.keep_failed, r.keep_cancelled)) FROM long_task.retention AS r);
  v_found bigint[];
  v_ids   bigint[];
  v_took  double precision;
BEGIN
  gone := 0;
  stride := p_stride;
  next := p_place + p_stride;
  v_found := ARRAY(
    SELECT k.id
    FROM long_task.task_kept AS k
    -- No join: where statistics say that the table is empty, it would read the whole range for each row.
    CROSS JOIN LATERAL (SELECT w.has_dependents FROM long_task.task AS w WHERE w.id = k.id LIMIT 1) AS t
    WHERE k.id > p_place
      AND k.id <= p_place + p_stride
      AND k.kept_until <= v_now
      AND k.run_id IS NULL
      AND NOT (t.has_dependents AND long_task.is_needed(k.id))
    ORDER BY k.id
    LIMIT v_most
  );
  v_took := extract(epoch FROM clock_timestamp() - v_begun);
  IF v_took > 0.006 THEN
    stride := GREATEST(p_stride / 2, v_least);
  ELSIF v_took < 0.003 AND cardinality(v_found) < v_most THEN
    stride := LEAST(p_stride * 2, v_far);
  END IF;
  IF cardinality(v_found) > 0 THEN
    v_ids := long_task.light_tasks(v_found);
    IF cardinality(v_found) = v_most OR cardinality(v_ids) < cardinality(v_found) THEN
      next := v_ids[cardinality(v_ids)];
    END IF;
    gone := long_task.clear_tasks(v_ids, true);
  END IF;
  IF v_young IS NULL
     OR next >= (SELECT s.last_value FROM long_task.task_id_seq AS s)
     OR (
       SELECT t.created BETWEEN v_now - v_young AND v_now
       FROM long_task.task AS t
       WHERE t.id > p_place
         AND t.id <= next
       ORDER BY t.id DESC
       LIMIT 1
     ) THEN
    next := NULL;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.sweep_tasks(bigint, bigint) IS
  'Clear away those of the next tasks, by id, that no policy keeps. Returns where to go on, how far to look then, and how many have gone.';
