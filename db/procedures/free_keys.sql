-- free_keys: let tasks come back to the queue that waited for a key, as far as there is room.
--
-- Called by  finish_attempts in the transaction of the end, settle_keys for what that had to leave
-- Locks      as key_room; task rows FOR NO KEY UPDATE SKIP LOCKED
-- Raises     nothing
--
-- The best ones of each group, and of each worker that has tasks of its own, come back, as many as there is room for:
-- not every group has a node that could take the room, and whoever comes too late is put aside again.
--
-- p_again  they were left before
CREATE OR REPLACE FUNCTION long_task.free_keys(
  p_keys  text[],
  p_again boolean DEFAULT false
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
  v_batch  CONSTANT integer := 1000;
  v_key    text;
  v_room   integer;
  v_ids    bigint[];
  v_locked bigint[];
BEGIN
  -- In the order of the keys, and no lock is waited for: nobody stands in anybody's way.
  FOREACH v_key IN ARRAY p_keys LOOP
    v_room := long_task.key_room(v_key);
    IF v_room IS NULL THEN
      PERFORM long_task.leave_key(v_key, true, p_again);
      CONTINUE;
    END IF;
    CONTINUE WHEN v_room <= 0;
    v_ids := ARRAY(
      WITH RECURSIVE of_group(id) AS (
        SELECT min(t.group_id)
        FROM long_task.task AS t
        WHERE t.wants_key AND t.worker_id IS NULL AND t.concurrency_key = v_key
        UNION ALL
        SELECT (
          SELECT min(t.group_id)
          FROM long_task.task AS t
          WHERE t.wants_key AND t.worker_id IS NULL AND t.concurrency_key = v_key AND t.group_id > g.id
        )
        FROM of_group AS g
        WHERE g.id IS NOT NULL
      ),
      of_worker(id) AS (
        SELECT min(t.worker_id)
        FROM long_task.task AS t
        WHERE t.wants_key AND t.worker_id IS NOT NULL AND t.concurrency_key = v_key
        UNION ALL
        SELECT (
          SELECT min(t.worker_id)
          FROM long_task.task AS t
          WHERE t.wants_key AND t.worker_id IS NOT NULL AND t.concurrency_key = v_key AND t.worker_id > w.id
        )
        FROM of_worker AS w
        WHERE w.id IS NOT NULL
      )
      SELECT b.id
      FROM of_group AS g
      CROSS JOIN LATERAL (
        SELECT t.id
        FROM long_task.task AS t
        WHERE t.wants_key AND t.worker_id IS NULL AND t.concurrency_key = v_key AND t.group_id = g.id
        ORDER BY t.priority, t.ready_seq
        LIMIT LEAST(v_room, v_batch)
      ) AS b
      UNION ALL
      SELECT b.id
      FROM of_worker AS w
      CROSS JOIN LATERAL (
        SELECT t.id
        FROM long_task.task AS t
        WHERE t.wants_key AND t.worker_id IS NOT NULL AND t.concurrency_key = v_key AND t.worker_id = w.id
        ORDER BY t.priority, t.ready_seq
        LIMIT LEAST(v_room, v_batch)
      ) AS b
    );
    v_locked := ARRAY(
      SELECT t.id
      FROM long_task.task AS t
      WHERE t.id = ANY (v_ids)
        AND t.wants_key
      FOR NO KEY UPDATE SKIP LOCKED
    );
    -- 'system' tells the triggers that a procedure writes this; it is never stored.
    UPDATE long_task.task AS t
    SET
      queued_by = 'system',
      state_id = 'AW',
      wants_key = false
    FROM (
      -- In their order: each gets a number.
      SELECT w.id
      FROM long_task.task AS w
      WHERE w.id = ANY (v_locked)
      ORDER BY w.priority, w.ready_seq
    ) AS b
    WHERE t.id = b.id;
    IF cardinality(v_locked) < cardinality(v_ids) THEN
      PERFORM long_task.leave_key(v_key, true, p_again);
    ELSIF v_room > v_batch THEN
      PERFORM long_task.leave_key(v_key, false) WHERE cardinality(v_ids) >= v_batch;
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.free_keys(text[], boolean) IS
  'Let tasks come back to the queue that waited for these keys, as far as there is room.';
