-- light_tasks: the first of some tasks, as many as can be deleted in one step.
--
-- Called by  sweep_tasks, clear_run
-- Locks      nothing
-- Raises     nothing
--
-- What takes the time is their dependencies: a task may have ten thousand. The first one is always among them.
CREATE OR REPLACE FUNCTION long_task.light_tasks(p_ids bigint[])
RETURNS bigint[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_most CONSTANT integer := 500;
BEGIN
  RETURN ARRAY(
    SELECT w.id
    FROM (
      SELECT
        i.id,
        i.place,
        sum(n.links) OVER (ORDER BY i.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
        n.links
      FROM unnest(p_ids) WITH ORDINALITY AS i(id, place)
      CROSS JOIN LATERAL (
        SELECT count(*) AS links
        FROM (
          (SELECT FROM long_task.task_dependency AS d WHERE d.task_id = i.id LIMIT v_most)
          UNION ALL
          (SELECT FROM long_task.task_dependency AS d WHERE d.needs_task_id = i.id LIMIT v_most)
        ) AS l
      ) AS n
    ) AS w
    WHERE COALESCE(w.before + w.links <= v_most, true)
    ORDER BY w.place
  );
END
$$;

COMMENT ON FUNCTION long_task.light_tasks(bigint[]) IS
  'The first of these tasks, as many as can be deleted in one step with their dependencies.';
