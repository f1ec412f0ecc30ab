-- claim_tasks: take ready tasks for a worker, best first, and say how to start them.
--
-- Called by  sync, under the lease of the worker and with free slots.
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED, in the order of the two ready indexes. FOR UPDATE
--            would pass over rows that an open transaction references by a foreign key.
-- Raises     nothing
--
-- A claim ends with the task that makes it 16 MiB long; the next call takes what is left. check_task sees to it
-- that no task is longer than 20 MiB, so that no answer can be longer than PostgreSQL and the node can
-- take, even if each byte is written as six (\u0001).
--
-- The settings keep the plan on the ready indexes whatever the statistics say: a plan made while the
-- table was small is used for as long as the node is connected.
CREATE OR REPLACE FUNCTION long_task.claim_tasks(
  p_worker_id integer,
  p_group_id  integer,
  p_limit     integer
)
RETURNS json
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_enough CONSTANT integer := 16777216;
  v_length integer := 0;
  v_task   record;
  v_now    timestamptz;
  v_ids    bigint[];
  v_starts json;
BEGIN
  FOR v_task IN
    WITH of_group AS (
      SELECT t.id, t.priority, t.ready_seq, t.command, t.params, t.env, t.stdin, t.has_needs
      FROM long_task.task AS t
      WHERE t.state_id = 'AW'
        AND t.running_on IS NULL
        AND t.worker_id IS NULL
        AND t.group_id = p_group_id
      ORDER BY t.priority, t.ready_seq
      LIMIT p_limit
      FOR NO KEY UPDATE SKIP LOCKED
    ),
    of_worker AS (
      SELECT t.id, t.priority, t.ready_seq, t.command, t.params, t.env, t.stdin, t.has_needs
      FROM long_task.task AS t
      WHERE t.state_id = 'AW'
        AND t.running_on IS NULL
        AND t.worker_id = p_worker_id
      ORDER BY t.priority, t.ready_seq
      LIMIT p_limit
      FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT * FROM of_group
    UNION ALL
    SELECT * FROM of_worker
    ORDER BY priority, ready_seq
    LIMIT p_limit
  LOOP
    v_ids := v_ids || v_task.id;
    -- Here, and not in the query, so that nothing is read of the tasks that are left.
    v_length := v_length
      + octet_length(v_task.command::text)
      + COALESCE(octet_length(v_task.params::text), 0)
      + COALESCE(octet_length(v_task.env::text), 0)
      + COALESCE(octet_length(v_task.stdin), 0);
    IF v_task.has_needs THEN
      v_length := v_length + LEAST(long_task.passed_bytes(v_task.id), v_enough);
    END IF;
    EXIT WHEN v_length >= v_enough;
  END LOOP;

  IF v_ids IS NULL THEN
    RETURN NULL;
  END IF;

  v_now := long_task.clock();
  WITH claimed AS (
    UPDATE long_task.task AS t
    SET
      state_id = 'AE',
      running_on = p_worker_id,
      pinned = t.worker_id IS NOT NULL,
      worker_id = p_worker_id,
      attempt = t.attempt + 1,
      started = v_now,
      last_state_change = v_now,
      finished = NULL,
      exit_code = NULL,
      signal = NULL,
      error = NULL,
      output = NULL,
      result = NULL,
      progress = NULL
    WHERE t.id = ANY (v_ids)
    RETURNING t.*
  )
  SELECT json_agg(long_task.start_order(c) ORDER BY array_position(v_ids, c.id))
  INTO v_starts
  FROM claimed AS c;
  RETURN v_starts;
END
$$;

COMMENT ON FUNCTION long_task.claim_tasks(integer, integer, integer) IS
  'Take up to so many ready tasks for a worker, and not too much at once. Returns how to start them, best first; null if there are none.';
