-- step_path: the shortest way by which a step of a workflow needs itself.
--
-- Called by  check_workflow_edge, about an edge that is known to be in a cycle
-- Locks      nothing
-- Raises     nothing
--
-- As cycle_path does for tasks.
CREATE OR REPLACE FUNCTION long_task.step_path(
  p_workflow   text,
  p_version    integer,
  p_step       text,
  p_needs_step text
)
RETURNS text[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_seen text[] := ARRAY[p_needs_step];
  v_from text[] := ARRAY[p_step];
  v_ring text[] := ARRAY[p_needs_step];
  v_next text[];
  v_by   text[];
  v_path text[] := ARRAY[p_step];
  v_at   text := p_step;
BEGIN
  WHILE p_step <> ALL (v_seen) AND cardinality(v_ring) > 0 LOOP
    SELECT
      COALESCE(array_agg(r.needs_step ORDER BY r.needs_step), ARRAY[]::text[]),
      COALESCE(array_agg(r.step ORDER BY r.needs_step), ARRAY[]::text[])
    INTO v_next, v_by
    FROM (
      SELECT e.needs_step, min(e.step) AS step
      FROM long_task.workflow_edge AS e
      WHERE e.workflow = p_workflow
        AND e.version = p_version
        AND e.step = ANY (v_ring)
        AND e.needs_step <> ALL (v_seen)
      GROUP BY e.needs_step
    ) AS r;
    v_seen := v_seen || v_next;
    v_from := v_from || v_by;
    v_ring := v_next;
  END LOOP;
  LOOP
    v_at := v_from[array_position(v_seen, v_at)];
    v_path := v_at || v_path;
    EXIT WHEN v_at = p_step;
  END LOOP;
  RETURN v_path;
END
$$;

COMMENT ON FUNCTION long_task.step_path(text, integer, text, text) IS
  'The shortest cycle of steps through an edge of a workflow.';
