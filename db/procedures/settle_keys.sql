-- settle_keys: see to the keys that free_keys had to leave, or that have got room by other means than an end.
--
-- Called by  catch_up, if there is something
-- Locks      rows of unsettled_key FOR UPDATE SKIP LOCKED, then as free_keys
-- Raises     nothing
--
-- Returns the seconds until there is something to see to again; null: nothing is left.
CREATE OR REPLACE FUNCTION long_task.settle_keys(p_limit integer)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_now  timestamptz := long_task.clock();
  v_keys text[];
BEGIN
  WITH taken AS (
    DELETE FROM long_task.unsettled_key AS u
    USING (
      SELECT f.id
      FROM long_task.unsettled_key AS f
      WHERE f.not_before <= v_now
      ORDER BY f.id
      LIMIT p_limit
      FOR UPDATE SKIP LOCKED
    ) AS first
    WHERE u.id = first.id
    RETURNING u.concurrency_key
  )
  SELECT array_agg(DISTINCT t.concurrency_key) INTO v_keys
  FROM taken AS t;
  IF v_keys IS NOT NULL THEN
    PERFORM long_task.free_keys(v_keys, true);
  END IF;
  RETURN (SELECT GREATEST(0, extract(epoch FROM min(u.not_before) - v_now)) FROM long_task.unsettled_key AS u);
END
$$;

COMMENT ON FUNCTION long_task.settle_keys(integer) IS
  'See to keys that were left. Returns the seconds until there is more of it; null: there is none.';
