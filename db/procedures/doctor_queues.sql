-- doctor_queues: tasks that could be started, or are due, and are not.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- A minute is given to nodes that are being restarted, and to those who are about to start one. What is due is released by
-- every call of a node that may run it, so a delay that is over for longer is held up by something.
CREATE OR REPLACE FUNCTION long_task.doctor_queues()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_shown  CONSTANT integer := 20;
  v_now    timestamptz := long_task.clock();
  v_minute CONSTANT interval := interval '1 minute';
BEGIN
  RETURN QUERY
  SELECT
    f.severity,
    f.code,
    q.subject,
    format('A task that %s could be started since %s, and %s', q.whose, q.since, f.found),
    f.advice
  FROM (
    SELECT
      w.group_id,
      w.worker_id,
      CASE WHEN w.worker_id IS NULL THEN 'group ' || w.group_id ELSE 'worker ' || w.worker_id END AS subject,
      CASE WHEN w.worker_id IS NULL THEN 'any worker of it may run' ELSE 'only this worker may run (worker_id)' END AS whose,
      min(w.since) AS since
    FROM (
      SELECT * FROM long_task.waiting_queues('AW')
      UNION ALL
      SELECT * FROM long_task.waiting_queues('AD')
    ) AS w
    WHERE w.since < v_now - v_minute
    GROUP BY w.group_id, w.worker_id
  ) AS q
  CROSS JOIN LATERAL (
    SELECT count(*) AS live, count(*) FILTER (WHERE COALESCE(s.stop, 0) = 0) AS willing
    FROM long_task.worker_lease AS l
    LEFT JOIN long_task.worker_stop AS s ON s.worker_id = l.worker_id
    WHERE l.active
      AND l.locked_until > v_now
      AND (l.worker_id = q.worker_id OR l.group_id = q.group_id)
  ) AS n
  LEFT JOIN long_task.group_limit AS g ON g.group_id = q.group_id
  CROSS JOIN LATERAL (
    VALUES
      ('problem', 'group_without_node', q.worker_id IS NULL AND n.live = 0, 'no live node serves the group.',
        format('Start a node: node.py <worker_id> %s', q.group_id)),
      ('problem', 'worker_absent', q.worker_id IS NOT NULL AND n.live = 0, 'no live node serves the worker.',
        format('Start a node: node.py %s, or let others run them: UPDATE long_task.task SET worker_id = null WHERE worker_id = %1$s AND state_id IN (''AW'', ''AD'')',
          q.worker_id)),
      ('warning', 'workers_held', n.live > 0 AND n.willing = 0, 'all who may run it have a stop code.',
        'UPDATE long_task.worker SET stop = 0 WHERE id = ... for those that are to go on.'),
      ('warning', 'group_limit_zero', g.max_running = 0, 'its group has a limit of 0.',
        format('UPDATE long_task.group_limit SET max_running = 1 WHERE group_id = %s, or as many as you like, or DELETE the row.', q.group_id))
  ) AS f(severity, code, holds, found, advice)
  WHERE f.holds
  ORDER BY q.since
  LIMIT v_shown;
END
$$;

COMMENT ON FUNCTION long_task.doctor_queues() IS
  'Findings about groups and workers for whom tasks wait that nobody starts.';
