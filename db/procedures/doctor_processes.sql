-- doctor_processes: processes that should have been ended, and are not.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- Of workers that are served; of the others doctor_workers tells. At most 10000 running tasks are looked at.
CREATE OR REPLACE FUNCTION long_task.doctor_processes()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_shown CONSTANT integer := 20;
  v_now   timestamptz := long_task.clock();
  v_late  timestamptz := v_now - interval '5 minutes';
BEGIN
  RETURN QUERY
  SELECT f.severity, f.code, format('task %s', r.id), f.found, f.advice
  FROM (
    SELECT
      t.id,
      t.state_id,
      t.started,
      t.timeout,
      t.running_on,
      t.last_state_change AS since,
      -- A node's own setting is not known here; unless configured it is 10 seconds.
      COALESCE(t.kill_grace, interval '10 seconds') AS grace
    FROM long_task.task AS t
    WHERE t.running_on IS NOT NULL
    ORDER BY t.running_on
    LIMIT 10000
  ) AS r
  JOIN long_task.worker_lease AS l ON l.worker_id = r.running_on AND l.active AND l.locked_until > v_now
  CROSS JOIN LATERAL (
    VALUES
      ('problem', 'timeout_passed', r.state_id = 'AE' AND r.started + r.timeout + r.grace < v_late,
        format('It runs since %s on worker %s, and its timeout is %s. A timeout that was changed counts from the next attempt on.',
          r.started, r.running_on, r.timeout),
        format('UPDATE long_task.task SET state_id = ''AC'' WHERE id = %s, and look at the log of the node.', r.id)),
      ('problem', 'process_not_killed', r.state_id = 'AC' AND r.since + r.grace < v_late,
        format('It is being killed since %s on worker %s.', r.since, r.running_on),
        'Look at the process on that machine: one that waits for a disk or a network drive cannot be killed.'),
      ('warning', 'process_not_stopped', r.state_id = 'AS' AND r.since < v_now - interval '1 hour',
        format('It was asked to stop at %s, and still runs on worker %s.', r.since, r.running_on),
        format('UPDATE long_task.task SET state_id = ''AC'' WHERE id = %s', r.id)),
      ('problem', 'process_not_left', r.state_id NOT IN ('AE', 'AS', 'AC') AND r.since + r.grace < v_late,
        format('It has ended itself (%s) at %s, and its process on worker %s is still there.', r.state_id, r.since, r.running_on),
        'Look at the process on that machine, and at the log of the node.')
  ) AS f(severity, code, holds, found, advice)
  WHERE f.holds
  ORDER BY r.since
  LIMIT v_shown;
END
$$;

COMMENT ON FUNCTION long_task.doctor_processes() IS
  'Findings about tasks that run beyond their timeout, or do not end though they were told to.';
