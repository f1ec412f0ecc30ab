-- cycle_path: the shortest way by which a task needs itself.
--
-- Called by  refuse_cycle, about an edge that is known to be in a cycle
-- Locks      nothing
-- Raises     nothing
--
-- Goes out from the needed task in rings, and remembers of each task met by whom it was needed first.
--
-- Returns the ids, each needing the next, the first one again at the end.
CREATE OR REPLACE FUNCTION long_task.cycle_path(
  p_task_id       bigint,
  p_needs_task_id bigint
)
RETURNS bigint[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_seen bigint[] := ARRAY[p_needs_task_id];
  v_from bigint[] := ARRAY[p_task_id];
  v_ring bigint[] := ARRAY[p_needs_task_id];
  v_next bigint[];
  v_by   bigint[];
  v_path bigint[] := ARRAY[p_task_id];
  v_at   bigint := p_task_id;
BEGIN
  WHILE p_task_id <> ALL (v_seen) AND cardinality(v_ring) > 0 LOOP
    SELECT
      COALESCE(array_agg(r.needs_task_id ORDER BY r.needs_task_id), ARRAY[]::bigint[]),
      COALESCE(array_agg(r.task_id ORDER BY r.needs_task_id), ARRAY[]::bigint[])
    INTO v_next, v_by
    FROM (
      SELECT d.needs_task_id, min(d.task_id) AS task_id
      FROM long_task.task_dependency AS d
      WHERE d.task_id = ANY (v_ring)
        AND d.needs_task_id <> ALL (v_seen)
      GROUP BY d.needs_task_id
    ) AS r;
    v_seen := v_seen || v_next;
    v_from := v_from || v_by;
    v_ring := v_next;
  END LOOP;
  LOOP
    v_at := v_from[array_position(v_seen, v_at)];
    v_path := v_at || v_path;
    EXIT WHEN v_at = p_task_id;
  END LOOP;
  RETURN v_path;
END
$$;

COMMENT ON FUNCTION long_task.cycle_path(bigint, bigint) IS
  'The shortest cycle through the dependency of one task on another.';
