-- lost_attempts: reports of the attempts that a worker has left behind, as nobody else can give them.
--
-- Called by  write_off_attempts
-- Locks      nothing
-- Raises     what the hook retry_lost_task raises, if p_ask_hook
--
-- p_spare: tasks about which there is a report that could not be taken in yet.
-- retry_in: seconds until the next attempt; null: none. Without the hook the rule of all failures
-- decides, which finish_attempts knows.
-- Returns what finish_attempts takes; null if nothing was left behind.
CREATE OR REPLACE FUNCTION long_task.lost_attempts(
  p_worker_id integer,
  p_spare     bigint[],
  p_ask_hook  boolean
)
RETURNS json
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT json_agg(json_build_object(
      'task_id', a.task_id,
      'attempt', a.attempt,
      'reason', 'Worker failed',
      'ended_ago', 0,
      'ruled', a.ruled,
      'retry_in', CASE WHEN a.delay IS NOT NULL THEN LEAST(GREATEST(extract(epoch FROM a.delay), 0), 3e9) END
    ))
    FROM (
      SELECT
        t.id AS task_id,
        t.attempt,
        p_ask_hook AS ruled,
        CASE WHEN p_ask_hook AND t.state_id = 'AE' THEN long_task.retry_lost_task(t) END AS delay
      FROM long_task.task AS t
      WHERE t.running_on = p_worker_id
        AND t.id <> ALL (p_spare)
      UNION ALL
      SELECT d.task_id, d.attempt, false, NULL
      FROM long_task.deleted_attempt AS d
      WHERE d.worker_id = p_worker_id
    ) AS a
  );
END
$$;

COMMENT ON FUNCTION long_task.lost_attempts(integer, bigint[], boolean) IS
  'What is reported of the attempts that a worker has left behind; null: there are none.';
