-- seconds_to_next_due: how long a node with free slots may sleep if nothing else happens.
--
-- Called by  sync, when slots are left after a claim.
-- Locks      nothing
-- Raises     nothing
--
-- What is ready or due now, after all of that was claimed and released, is held by somebody's
-- open transaction, or has come this very moment. The end of a transaction wakes nobody if it changed
-- nothing, so the node has to look again soon, but must not do so without a pause.
-- After a claim that took something, what is ready may also be what the claim had no room for: then
-- it looks again at once.
-- Rows due in more than a day are not looked at: nodes call far more often than that.
CREATE OR REPLACE FUNCTION long_task.seconds_to_next_due(
  p_worker_id integer,
  p_group_id  integer,
  p_claimed   boolean
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
  v_pause   CONSTANT double precision := 0.2;
  v_now     timestamptz := long_task.clock();
  v_horizon timestamptz := v_now + interval '1 day';
  v_due     timestamptz;
BEGIN
  IF EXISTS (
    SELECT FROM long_task.task AS t
    WHERE t.state_id = 'AW'
      AND t.running_on IS NULL
      AND t.worker_id IS NULL
      AND t.group_id = p_group_id
  ) OR EXISTS (
    SELECT FROM long_task.task AS t
    WHERE t.state_id = 'AW'
      AND t.running_on IS NULL
      AND t.worker_id = p_worker_id
  ) THEN
    RETURN CASE WHEN p_claimed THEN 0 ELSE v_pause END;
  END IF;

  v_due := LEAST(
    (
      SELECT t.start_after
      FROM long_task.task AS t
      WHERE t.state_id = 'AD'
        AND t.running_on IS NULL
        AND t.worker_id IS NULL
        AND t.group_id = p_group_id
        AND t.start_after < v_horizon
      ORDER BY t.start_after
      LIMIT 1
    ),
    (
      SELECT t.start_after
      FROM long_task.task AS t
      WHERE t.state_id = 'AD'
        AND t.running_on IS NULL
        AND t.worker_id = p_worker_id
        AND t.start_after < v_horizon
      ORDER BY t.start_after
      LIMIT 1
    )
  );
  IF v_due <= v_now THEN
    RETURN v_pause;
  END IF;
  RETURN extract(epoch FROM v_due - v_now);
END
$$;

COMMENT ON FUNCTION long_task.seconds_to_next_due(integer, integer, boolean) IS
  'Seconds until the worker may have something to start, by a delay or a lock that is let go; null: nothing within a day.';
