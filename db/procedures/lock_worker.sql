-- lock_worker: give the lease of a worker to a node, if nobody else may hold it.
--
-- Called by  a node when it starts, and again while it stands by.
-- Locks      the worker's lease row; task rows by end_lease.
-- Raises     LT004 bad value; LT011 another group's or another worker's node has it or the name
--
-- A lease that has ended is given away when lease_over_at says so, to a node that has waited for that by
-- its own clock too (p_watched, of lease_state). At once it is given to the process that
-- held it (which asks when nothing of it runs any more; not by a call that was left behind on its way when
-- it had connected again, p_connection), and to one that has seen on its own machine that the holder and all
-- its processes are dead (p_dead_process: the process of the lease as this call returned it).
--
-- What the holder of before can still report (it was away, and is back) is handed in with p_reports
-- and counts; what is left then is lost.
--
-- Returns epoch (null: not given), held_by, retry_in seconds, and of the holder its process, the lease_state
-- and the seconds that the whole of its lease lasts.
-- SECURITY DEFINER: roles that run nodes write no table themselves.
CREATE OR REPLACE FUNCTION long_task.lock_worker(
  p_worker_id      integer,
  p_group_id       integer,
  p_slots          integer,
  p_node_name      text,
  p_host           text,
  p_pid            integer,
  p_process        text,
  p_connection     integer,
  p_version        text,
  p_lease_duration double precision,
  p_recovery_delay double precision,
  p_reports        json DEFAULT '[]',
  p_dead_process   text DEFAULT NULL,
  p_watched        text[] DEFAULT NULL
)
RETURNS TABLE (
  epoch        bigint,
  held_by      text,
  retry_in     double precision,
  held_process text,
  held_lease   text,
  whole        double precision
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_again CONSTANT double precision := 0.2;
  v_lease long_task.worker_lease;
  v_given long_task.worker_lease;
  v_over  timestamptz;
  v_now   timestamptz;
  v_lost  integer;
BEGIN
  IF p_slots < 0 OR p_lease_duration <= 0 OR p_recovery_delay < 0 THEN
    PERFORM long_task.refuse('LT004', format('worker %s cannot be served with %s slots, a lease of %s s and a recovery delay of %s s',
      p_worker_id, p_slots, p_lease_duration, p_recovery_delay), 'None of them can be negative, and a lease must last.');
  END IF;
  PERFORM long_task.leave_post(p_group_id); -- it may be that of the lease that was lost
  -- Again, if a person deleted the worker while its row was waited for.
  LOOP
    INSERT INTO long_task.worker_lease (worker_id, group_id)
    VALUES (p_worker_id, p_group_id)
    ON CONFLICT DO NOTHING;
    SELECT l.* INTO v_lease
    FROM long_task.worker_lease AS l
    WHERE l.worker_id = p_worker_id
    FOR UPDATE;
    EXIT WHEN FOUND;
  END LOOP;

  -- One after the other, or two would find the name free.
  PERFORM pg_advisory_xact_lock(hashtextextended('long_task node ' || p_node_name, 0));
  v_now := long_task.clock();
  PERFORM long_task.refuse('LT011',
    format('node name %s is taken by worker %s, %s', p_node_name, l.worker_id, long_task.name_holder(l)),
    'Give each node a node_name of its own.')
  FROM long_task.worker_lease AS l
  WHERE l.node_name = p_node_name
    AND l.worker_id <> p_worker_id
    AND l.active
    AND long_task.lease_over_at(l) > v_now;

  v_over := long_task.lease_over_at(v_lease);
  IF v_lease.active
     AND (v_over > v_now OR NOT COALESCE(long_task.lease_state(v_lease) = ANY (p_watched), false))
     AND (v_lease.process IS DISTINCT FROM p_process OR v_lease.connection > p_connection)
     AND v_lease.process IS DISTINCT FROM p_dead_process THEN
    IF v_lease.group_id <> p_group_id AND v_over > v_now THEN
      PERFORM long_task.refuse('LT011', format('worker %s serves group %s, held by %s',
          p_worker_id, v_lease.group_id, long_task.name_holder(v_lease)),
        format('A node for group %s needs a worker id of its own.', p_group_id));
    END IF;
    INSERT INTO long_task.worker_standby AS s (
      worker_id, process, group_id, slots, node_name, host, pid, version, since, seen, seen_until
    )
    VALUES (
      p_worker_id, p_process, p_group_id, p_slots, p_node_name, p_host, p_pid, p_version, v_now, v_now,
      v_now + make_interval(secs => p_lease_duration)
    )
    ON CONFLICT ON CONSTRAINT worker_standby_pkey DO UPDATE
    SET seen = EXCLUDED.seen, seen_until = EXCLUDED.seen_until;
    RETURN QUERY SELECT
      NULL::bigint,
      long_task.name_holder(v_lease),
      extract(epoch FROM v_over - v_now)::double precision,
      v_lease.process,
      long_task.lease_state(v_lease),
      extract(epoch FROM v_lease.lease_duration + v_lease.recovery_delay)::double precision;
    RETURN;
  END IF;

  IF v_lease.process IS DISTINCT FROM p_process THEN
    -- What this node gave back, its successor may have started, under the same number.
    p_reports := (
      SELECT COALESCE(json_agg(r), '[]')
      FROM json_array_elements(p_reports) AS r
      WHERE (r ->> 'given_back')::boolean IS NOT TRUE
    );
  END IF;
  v_lost := long_task.end_lease(v_lease, p_reports);
  IF v_lost IS NULL THEN
    -- Before others may write off what this node still has to tell, it asks again.
    UPDATE long_task.worker_lease AS l
    SET locked_until = v_now + make_interval(secs => 5 * v_again)
    WHERE l.worker_id = p_worker_id
      AND l.process = p_process
      AND json_array_length(p_reports) > 0;
    RETURN QUERY SELECT NULL::bigint, 'somebody''s open transaction, task by task'::text, v_again, NULL::text, NULL::text,
      NULL::double precision;
    RETURN;
  END IF;
  DELETE FROM long_task.worker_standby AS s
  WHERE s.worker_id = p_worker_id
    AND (s.process = p_process OR s.seen_until < v_now);
  v_now := long_task.clock();
  UPDATE long_task.worker_lease AS l
  SET
    group_id = p_group_id,
    epoch = nextval('long_task.worker_epoch'),
    active = true,
    locked_until = v_now + make_interval(secs => p_lease_duration),
    lease_duration = make_interval(secs => p_lease_duration),
    recovery_delay = make_interval(secs => p_recovery_delay),
    slots = p_slots,
    node_name = p_node_name,
    host = p_host,
    pid = p_pid,
    process = p_process,
    connection = p_connection,
    version = p_version,
    since = v_now
  WHERE l.worker_id = p_worker_id
  RETURNING l.* INTO v_given;
  PERFORM long_task.log_event(
    CASE WHEN v_lease.active THEN 'taken over' ELSE 'taken' END, v_given, v_lost,
    CASE WHEN v_lease.active THEN 'from ' || long_task.name_holder(v_lease) END);
  RETURN QUERY SELECT v_given.epoch, NULL::text, NULL::double precision, NULL::text, NULL::text, NULL::double precision;
END
$$;

COMMENT ON FUNCTION long_task.lock_worker(integer, integer, integer, text, text, integer, text, integer, text, double precision, double precision, json, text, text[]) IS
  'For nodes: take the lease of a worker. Returns its epoch, or who holds it and for how many seconds yet.';

REVOKE ALL ON FUNCTION long_task.lock_worker(integer, integer, integer, text, text, integer, text, integer, text, double precision, double precision, json, text, text[]) FROM PUBLIC;
