-- finish_deleted_attempts: write down how those attempts of a worker ended whose tasks were deleted meanwhile.
--
-- Called by  finish_attempts, with all reports it was given; those of rows that are there find nothing here.
-- Locks      rows of deleted_attempt of that worker, which nobody else writes
-- Raises     nothing
--
-- p_part  the partition of history that takes rows now
CREATE OR REPLACE FUNCTION long_task.finish_deleted_attempts(
  p_worker_id integer,
  p_node_name text,
  p_reports   json,
  p_part      integer
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_now    timestamptz := long_task.clock();
  v_keys   text[];
  v_groups integer[];
  v_needed bigint[];
BEGIN
  WITH gone AS (
    DELETE FROM long_task.deleted_attempt AS d
    USING json_to_recordset(p_reports) AS r(task_id bigint, attempt integer)
    WHERE d.worker_id = p_worker_id
      AND d.task_id = r.task_id
      AND d.attempt = r.attempt
    RETURNING d.task_id, d.attempt, d.group_id, d.started, d.started_by, d.scheduled_for, d.concurrency_key
  ),
  history AS (
    INSERT INTO long_task.task_run (
      task_id, attempt, group_id, worker_id, node_name, pid, started, finished, state_id, exit_code, signal,
      error, output, user_seconds, system_seconds, peak_memory, started_by, scheduled_for, part
    )
    SELECT
      g.task_id, g.attempt, g.group_id, p_worker_id, p_node_name, r.pid,
      COALESCE(v_now - make_interval(secs => r.started_ago), g.started, v_now),
      v_now - make_interval(secs => r.ended_ago),
      'CC', r.exit_code, r.signal, 'task deleted', r.output, r.user_seconds, r.system_seconds,
      r.peak_memory, g.started_by, g.scheduled_for, p_part
    FROM gone AS g
    JOIN json_to_recordset(p_reports) AS r(
      task_id        bigint,
      attempt        integer,
      pid            integer,
      exit_code      smallint,
      signal         smallint,
      started_ago    double precision,
      ended_ago      double precision,
      user_seconds   real,
      system_seconds real,
      peak_memory    bigint,
      output         text
    ) ON r.task_id = g.task_id AND r.attempt = g.attempt
    ON CONFLICT DO NOTHING
  )
  SELECT
    array_agg(DISTINCT g.concurrency_key) FILTER (WHERE g.concurrency_key IS NOT NULL),
    array_agg(DISTINCT g.group_id),
    array_agg(g.task_id) FILTER (WHERE EXISTS (
      SELECT FROM long_task.task_dependency AS d WHERE d.needs_task_id = g.task_id
    ))
  INTO v_keys, v_groups, v_needed
  FROM gone AS g;
  IF v_keys IS NOT NULL THEN
    PERFORM long_task.free_keys(v_keys);
  END IF;
  IF v_needed IS NOT NULL THEN
    PERFORM long_task.settle_tasks(v_needed);
  END IF;
  PERFORM long_task.announce(g.group_id, NULL)
  FROM long_task.group_limit AS g
  WHERE g.group_id = ANY (v_groups);
END
$$;

COMMENT ON FUNCTION long_task.finish_deleted_attempts(integer, text, json, integer) IS
  'Write down how attempts ended whose tasks were deleted while they ran.';
