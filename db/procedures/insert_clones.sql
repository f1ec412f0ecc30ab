-- insert_clones: queue copies of tasks, each as a row of its own that names the row it was copied from; or start the
-- workflow that a row names.
--
-- Called by  fire_tasks, run_now
-- Locks      nothing; for workflows as add_run
-- Raises     LT005 bad command, if a draft was never finished; for workflows as add_run
--
-- p_ids         the tasks to be copied, one entry for each copy
-- p_starts      the times of the schedule that they are made for; null: made by hand, without jitter
-- p_queued_by   person or schedule
--
-- Returns the ids of the copies, in the order of the entries, and then those of the runs.
CREATE OR REPLACE FUNCTION long_task.insert_clones(
  p_ids       bigint[],
  p_starts    timestamptz[],
  p_queued_by text
)
RETURNS bigint[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_clones bigint[];
BEGIN
  WITH clone AS (
    INSERT INTO long_task.task (
      name, state_id, priority, group_id, worker_id, command, params, env, stdin, cwd, start_after, timeout,
      kill_grace, max_attempts, retry_delay, concurrency_key, jitter, owner, shed_parent_id, scheduled_for, queued_by
    )
    SELECT
      t.name, 'AW', t.priority, t.group_id, long_task.pinned_worker(t),
      t.command, t.params, t.env, t.stdin, t.cwd,
      GREATEST(t.start_after, CASE WHEN c.start IS NOT NULL THEN long_task.clock() + random() * t.jitter END),
      t.timeout, t.kill_grace, t.max_attempts, t.retry_delay, t.concurrency_key, t.jitter, t.owner,
      t.id, c.start, p_queued_by
    FROM unnest(p_ids, p_starts) WITH ORDINALITY AS c(id, start, place)
    JOIN long_task.task AS t ON t.id = c.id
    WHERE t.workflow IS NULL
    ORDER BY c.place
    RETURNING id
  )
  SELECT array_agg(c.id ORDER BY c.id) INTO v_clones
  FROM clone AS c;
  RETURN v_clones || (
    SELECT array_agg(long_task.add_run(t.workflow, t.params, NULL, t.id, c.start) ORDER BY c.place)
    FROM unnest(p_ids, p_starts) WITH ORDINALITY AS c(id, start, place)
    JOIN long_task.task AS t ON t.id = c.id
    WHERE t.workflow IS NOT NULL
  );
END
$$;

COMMENT ON FUNCTION long_task.insert_clones(bigint[], timestamptz[], text) IS
  'Queue copies of tasks, made for times of their schedules, or by a person. Returns the ids of the copies.';
