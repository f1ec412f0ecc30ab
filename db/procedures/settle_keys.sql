-- settle_keys: see to the keys that free_keys had to leave, or that have got room by other means than an end.
--
-- Called by  sync, if there is something
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
  v_pause CONSTANT double precision := 0.1;
  v_last  bigint := (SELECT max(u.id) FROM long_task.unsettled_key AS u);
  v_keys  text[];
BEGIN
  WITH taken AS (
    DELETE FROM long_task.unsettled_key AS u
    USING (
      SELECT f.id
      FROM long_task.unsettled_key AS f
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
    PERFORM long_task.free_keys(v_keys);
  END IF;
  -- What is there since before can be taken at once; what has just been left again is held by somebody.
  RETURN (
    SELECT CASE WHEN bool_or(u.id <= v_last OR NOT u.held) THEN 0 ELSE v_pause END
    FROM long_task.unsettled_key AS u
    HAVING count(*) > 0
  );
END
$$;

COMMENT ON FUNCTION long_task.settle_keys(integer) IS
  'See to keys that were left. Returns the seconds until there is more of it; null: there is none.';
