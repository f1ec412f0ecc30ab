-- next_round: when all is to be gone through again that retention says something about.
--
-- Called by  maintain_step
-- Locks      nothing
-- Raises     nothing
--
-- Without a policy there is nothing to do but to begin another partition of history once in a while.
CREATE OR REPLACE FUNCTION long_task.next_round(p_now timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_shortest interval;
BEGIN
  IF NOT EXISTS (SELECT FROM long_task.retention) AND NOT EXISTS (SELECT FROM long_task.history_retention) THEN
    RETURN p_now + interval '1 hour';
  END IF;
  SELECT min(LEAST(r.keep_succeeded, r.keep_failed, r.keep_cancelled)) INTO v_shortest
  FROM long_task.retention AS r;
  RETURN p_now + LEAST(interval '1 minute', GREATEST(COALESCE(v_shortest / 10, interval '1 minute'), interval '1 second'));
END
$$;

COMMENT ON FUNCTION long_task.next_round(timestamptz) IS
  'When all is to be gone through again that retention says something about.';
