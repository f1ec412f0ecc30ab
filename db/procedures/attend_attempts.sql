-- attend_attempts: the processes of a worker that must not just go on.
--
-- Called by  sync
-- Locks      nothing
-- Raises     nothing
--
-- The order is what only the index of such processes has: while the table is small, the index of all
-- processes of the worker looks as good, and a plan is kept for as long as the node is connected.
--
-- The same answer comes at each call until the process is gone: what a node has not heard, or has heard
-- twice, does no harm.
CREATE OR REPLACE FUNCTION long_task.attend_attempts(p_worker_id integer)
RETURNS json
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
BEGIN
  RETURN (
    SELECT json_agg(json_build_array(a.task_id, a.attempt, a.what))
    FROM (
      (
        SELECT
          t.id AS task_id,
          t.attempt,
          CASE t.state_id
            WHEN 'AS' THEN 'stop'
            WHEN 'AC' THEN 'kill'
            ELSE 'leave'
          END AS what
        FROM long_task.task AS t
        WHERE t.running_on = p_worker_id
          AND t.state_id <> 'AE'
        ORDER BY t.running_on, t.id
      )
      UNION ALL
      SELECT
        d.task_id,
        d.attempt,
        'kill'
      FROM long_task.deleted_attempt AS d
      WHERE d.worker_id = p_worker_id
    ) AS a
  );
END
$$;

COMMENT ON FUNCTION long_task.attend_attempts(integer) IS
  'Processes of a worker to be stopped, killed, or given a last while to leave, as [task id, attempt, what]; null if there are none.';
