-- reconcile_attempts: find the attempts a worker has claimed and its node knows nothing of.
--
-- Called by  sync, when the node names what it runs: at the first call of each connection, and at each
--            renewal. The answer to an earlier call may have been lost with the connection after its
--            claims were committed.
-- Locks      nothing
-- Raises     nothing
--
-- Within one lease everything the node ever heard of is in p_known until it has been reported, so what
-- is missing there has never been started, and is started now, as the same attempt. A task that the
-- node knows by the report of an earlier attempt is missing too: the call whose answer was lost had
-- taken that report in and claimed the task again.
CREATE OR REPLACE FUNCTION long_task.reconcile_attempts(
  p_worker_id integer,
  p_known     bigint[],
  p_reports   json
)
RETURNS json
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
  -- An idle node's: by far the cheapest question.
  IF NOT EXISTS (SELECT FROM long_task.task AS t WHERE t.running_on = p_worker_id) THEN
    RETURN NULL;
  END IF;
  RETURN (
    SELECT json_agg(long_task.start_order(t) ORDER BY t.priority, t.ready_seq)
    FROM long_task.task AS t
    WHERE t.running_on = p_worker_id
      AND (
        t.id <> ALL (p_known)
        OR EXISTS (
          SELECT
          FROM json_to_recordset(p_reports) AS r(task_id bigint, attempt integer)
          WHERE r.task_id = t.id
            AND r.attempt <> t.attempt
        )
      )
  );
END
$$;

COMMENT ON FUNCTION long_task.reconcile_attempts(integer, bigint[], json) IS
  'How to start the attempts that a worker has claimed and its node, by what it knows and reports, has never heard of; null if there are none.';
