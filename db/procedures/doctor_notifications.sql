-- doctor_notifications: whether those who notify have to wait, or soon will.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.doctor_notifications()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_many  CONSTANT integer := 100;
  v_now   timestamptz := long_task.clock();
  v_usage double precision := pg_notification_queue_usage();
  v_nodes bigint;
BEGIN
  IF v_usage > 0.1 THEN
    RETURN NEXT (CASE WHEN v_usage > 0.5 THEN 'problem' ELSE 'warning' END, 'notifications_pile_up', 'server',
      format('The queue of notifications is %s %% full; when it is full, nobody can commit who notifies, as those do who insert tasks.',
        round(100 * v_usage::numeric)),
      'Some session listens and does not end its transaction: the log of the server names it, and SELECT pg_terminate_backend(pid) ends it.'
    )::long_task.finding;
  END IF;

  SELECT
    (SELECT count(*) FROM long_task.worker_lease AS l WHERE l.active AND l.locked_until > v_now)
    + (SELECT count(*) FROM long_task.worker_standby AS s WHERE s.seen_until > v_now)
  INTO v_nodes;
  IF v_nodes > v_many THEN
    RETURN NEXT ('warning', 'nodes_many', 'server',
      format('%s nodes listen: each costs everybody who notifies, as those do who insert tasks.', v_nodes),
      'Fewer nodes with more slots each do the same work: one for each machine is enough.'
    )::long_task.finding;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.doctor_notifications() IS
  'Findings about notifications: a queue that fills, nodes too many.';
