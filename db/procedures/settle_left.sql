-- settle_left: work off what settle_tasks had to leave.
--
-- Called by  catch_up, if there is something
-- Locks      rows of unsettled_task FOR UPDATE SKIP LOCKED, then as settle_tasks
-- Raises     nothing
--
-- Returns the seconds until there is something to work off again; null: nothing is left.
CREATE OR REPLACE FUNCTION long_task.settle_left(p_limit integer)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_now     timestamptz := long_task.clock();
  v_ids     bigint[];
  v_refresh bigint[];
BEGIN
  WITH taken AS (
    DELETE FROM long_task.unsettled_task AS u
    USING (
      SELECT f.id
      FROM long_task.unsettled_task AS f
      WHERE f.not_before <= v_now
      ORDER BY f.id
      LIMIT p_limit
      FOR UPDATE SKIP LOCKED
    ) AS first
    WHERE u.id = first.id
    RETURNING u.task_id, u.refresh
  )
  SELECT array_agg(DISTINCT t.task_id), array_agg(DISTINCT t.task_id) FILTER (WHERE t.refresh)
  INTO v_ids, v_refresh
  FROM taken AS t;
  IF v_refresh IS NOT NULL THEN
    PERFORM long_task.refresh_needs(v_refresh);
  END IF;
  IF v_ids IS NOT NULL THEN
    PERFORM long_task.settle_tasks(v_ids, true);
  END IF;
  RETURN (SELECT GREATEST(0, extract(epoch FROM min(u.not_before) - v_now)) FROM long_task.unsettled_task AS u);
END
$$;

COMMENT ON FUNCTION long_task.settle_left(integer) IS
  'Look at tasks once more that settle_tasks has left. Returns the seconds until there is more of it; null: there is none.';
