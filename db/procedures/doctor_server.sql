-- doctor_server: what the server has too little of.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.doctor_server()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_default CONSTANT bigint := 128 * 1024 * 1024;
  v_few     CONSTANT integer := 10;
  v_room    integer;
  v_used    integer;
  v_buffers bigint := pg_size_bytes(current_setting('shared_buffers'));
  v_bytes   bigint;
  v_newer   boolean := current_setting('server_version_num')::integer >= 170000;
  v_counters text[] := CASE
    WHEN v_newer THEN ARRAY['checkpointer_num_timed', 'checkpointer_num_requested']
    ELSE ARRAY['bgwriter_timed_checkpoints', 'bgwriter_requested_checkpoints']
  END;
  v_timed   bigint;
  v_asked   bigint;
BEGIN
  -- Whoever finds no room is a node that has lost its connection, and then its lease.
  v_room := current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
    - COALESCE(current_setting('reserved_connections', true), '0')::integer;
  SELECT sum(d.numbackends) INTO v_used
  FROM pg_stat_database AS d;
  IF v_used > 0.8 * v_room THEN
    RETURN NEXT (CASE WHEN v_used > 0.95 * v_room THEN 'problem' ELSE 'warning' END, 'connections_few', 'server',
      format('%s of %s connections are taken: a node that finds none loses its lease, and kills its tasks.', v_used, v_room),
      'Close what is idle, put applications behind a pooler, or ALTER SYSTEM SET max_connections, and restart.'
    )::long_task.finding;
  END IF;

  -- Reports look tasks up one by one: what is not in memory is read from the disk for each.
  SELECT sum(pg_table_size(c.oid) + pg_indexes_size(c.oid)) INTO v_bytes
  FROM pg_class AS c
  WHERE c.oid IN ('long_task.task'::regclass, 'long_task.task_dependency'::regclass);
  IF v_buffers <= v_default AND v_bytes > 4 * v_buffers THEN
    RETURN NEXT ('warning', 'shared_buffers_small', 'server',
      format('shared_buffers is %s, and tasks with their indexes take %s.', pg_size_pretty(v_buffers), pg_size_pretty(v_bytes)),
      'ALTER SYSTEM SET shared_buffers to a quarter of the memory, and restart. Delete ended tasks that nobody needs.'
    )::long_task.finding;
  END IF;

  -- After each checkpoint every page goes into the log whole when it is first changed.
  EXECUTE format('SELECT %I(), %I()', 'pg_stat_get_' || v_counters[1], 'pg_stat_get_' || v_counters[2])
  INTO v_timed, v_asked;
  IF v_asked >= v_few AND v_asked > v_timed THEN
    RETURN NEXT ('warning', 'checkpoints_often', 'server',
      format('%s checkpoints were asked for, and %s came by checkpoint_timeout: max_wal_size is %s, and each writes whole pages anew.',
        v_asked, v_timed, current_setting('max_wal_size')),
      format('ALTER SYSTEM SET max_wal_size = ''8GB''; SELECT pg_reload_conf(), pg_stat_reset_shared(%L)',
        CASE WHEN v_newer THEN 'checkpointer' ELSE 'bgwriter' END)
    )::long_task.finding;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.doctor_server() IS
  'Findings about connections, memory and checkpoints of the server.';
