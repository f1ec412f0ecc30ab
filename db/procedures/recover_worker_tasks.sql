-- recover_worker_tasks: write off the attempts of a worker whose node is gone.
--
-- Called by  lock_worker, when a node takes a worker over; leave_worker; change_worker.
-- Locks      task rows, by finish_attempts.
-- Raises     LT001 lease lost: the worker is still being served
--
-- What the node that is gone could not report under its lease counts first: p_reports, as
-- finish_attempts takes them. A lost attempt counts as a failed one and goes on by the same rule as
-- every failure.
-- Returns how many attempts were lost.
CREATE OR REPLACE FUNCTION long_task.recover_worker_tasks(
  p_worker_id integer,
  p_reports   json DEFAULT '[]'
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lost json;
BEGIN
  PERFORM long_task.refuse('LT001', format('worker %s is served until %s', l.worker_id, l.locked_until),
    'Wait for the end of its lease, or set stop = 3 to have its node cancel everything and leave.')
  FROM long_task.worker_lease AS l
  WHERE l.worker_id = p_worker_id
    AND l.active
    AND l.locked_until > long_task.clock();

  -- finish_attempts passes over rows that a person holds; nobody may take the worker while some are
  -- left, so this one waits for them.
  PERFORM t.id
  FROM long_task.task AS t
  WHERE t.running_on = p_worker_id
  ORDER BY t.id
  FOR NO KEY UPDATE;
  PERFORM long_task.finish_attempts(p_worker_id, p_reports)
  WHERE json_array_length(p_reports) > 0;

  SELECT json_agg(json_build_object(
    'task_id', a.task_id,
    'attempt', a.attempt,
    'reason', 'Worker failed',
    'ended_ago', 0
  ))
  INTO v_lost
  FROM (
    SELECT t.id AS task_id, t.attempt
    FROM long_task.task AS t
    WHERE t.running_on = p_worker_id
    UNION ALL
    SELECT d.task_id, d.attempt
    FROM long_task.deleted_attempt AS d
    WHERE d.worker_id = p_worker_id
  ) AS a;

  IF v_lost IS NULL THEN
    RETURN 0;
  END IF;
  PERFORM long_task.finish_attempts(p_worker_id, v_lost);
  RETURN json_array_length(v_lost);
END
$$;

COMMENT ON FUNCTION long_task.recover_worker_tasks(integer, json) IS
  'Write off the attempts of a worker whose node is gone. Returns how many were lost.';

REVOKE ALL ON FUNCTION long_task.recover_worker_tasks(integer, json) FROM PUBLIC;
