-- pick_tasks: lock the ready tasks that a worker may start now, best first.
--
-- Called by  claim_tasks
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED, in the order of the two ready indexes. FOR UPDATE
--            would pass over rows that an open transaction references by a foreign key.
--            The keys and groups with a limit, as key_room and group_room.
-- Raises     nothing
--
-- A task whose key has no room is put aside, so that it is passed by once and not by each claim. If another claim is
-- about to find out, it stays where it is, for the next call.
--
-- It ends with the task that makes the answer 16 MiB long; the next call takes what is left. check_task_input sees to it
-- that no task is longer than 20 MiB, so that no answer can be longer than PostgreSQL and the node can
-- take, even if each byte is written as six (\u0001).
--
-- Between the gaps of a queue each part is read in its turn, until there is enough.
--
-- The settings of claim_tasks hold here too, and keep the plan on the ready indexes.
CREATE OR REPLACE FUNCTION long_task.pick_tasks(
  p_worker_id integer,
  p_group_id  integer,
  p_limit     integer
)
RETURNS bigint[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_enough       CONSTANT integer := 16777216;
  v_enough_time  CONSTANT interval := interval '0.3 seconds';
  v_many         CONSTANT integer := 500;
  v_begun        timestamptz := clock_timestamp(); -- a duration, not a time
  v_group_spans  long_task.queue_span[] := long_task.queue_spans('group', p_group_id);
  v_worker_spans long_task.queue_span[] := long_task.queue_spans('worker', p_worker_id);
  v_fetch        integer := p_limit;
  v_length       integer := 0;
  v_room         integer := p_limit;
  v_group_room   integer;
  v_other_rooms  jsonb := jsonb_build_object();
  v_key_rooms    jsonb := jsonb_build_object();
  v_key_room     integer;
  v_task         record;
  v_seen         bigint[] := ARRAY[]::bigint[];
  v_before       integer;
  v_aside        bigint[];
  v_ids          bigint[] := ARRAY[]::bigint[];
BEGIN
  IF EXISTS (SELECT FROM long_task.group_limit AS g WHERE g.group_id = p_group_id) THEN
    v_room := long_task.group_room(p_group_id, p_limit);
  END IF;
  LOOP
    v_aside := ARRAY[]::bigint[];
    v_before := cardinality(v_seen);
    FOR v_task IN
      WITH of_group AS (
        SELECT f.*
        FROM unnest(v_group_spans) AS s
        CROSS JOIN LATERAL (
          SELECT
            t.id, t.priority, t.ready_seq, t.group_id, t.concurrency_key, t.command, t.params, t.env, t.stdin,
            t.has_needs, t.needs, t.unmet
          FROM long_task.task AS t
          WHERE t.state_id = 'AW'
            AND t.running_on IS NULL
            AND t.worker_id IS NULL
            AND t.group_id = p_group_id
            AND (t.priority, t.ready_seq) >= (s.from_lane, s.from_place)
            AND (t.priority, t.ready_seq) < (s.to_lane, s.to_place)
            AND t.id <> ALL (v_seen)
          ORDER BY t.priority, t.ready_seq
          LIMIT CASE WHEN v_room > 0 THEN v_fetch ELSE 0 END
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS f
        LIMIT CASE WHEN v_room > 0 THEN v_fetch ELSE 0 END
      ),
      of_worker AS (
        SELECT f.*
        FROM unnest(v_worker_spans) AS s
        CROSS JOIN LATERAL (
          SELECT
            t.id, t.priority, t.ready_seq, t.group_id, t.concurrency_key, t.command, t.params, t.env, t.stdin,
            t.has_needs, t.needs, t.unmet
          FROM long_task.task AS t
          WHERE t.state_id = 'AW'
            AND t.running_on IS NULL
            AND t.worker_id = p_worker_id
            AND (t.priority, t.ready_seq) >= (s.from_lane, s.from_place)
            AND (t.priority, t.ready_seq) < (s.to_lane, s.to_place)
            AND t.id <> ALL (v_seen)
          ORDER BY t.priority, t.ready_seq
          LIMIT v_fetch
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS f
        LIMIT v_fetch
      )
      SELECT * FROM of_group
      UNION ALL
      SELECT * FROM of_worker
      ORDER BY priority, ready_seq
      LIMIT v_fetch
    LOOP
      EXIT WHEN cardinality(v_ids) = p_limit OR v_length >= v_enough;
      v_seen := v_seen || v_task.id;
      -- One of the worker's own may be of another group: that is asked for each.
      IF v_task.group_id = p_group_id THEN
        v_group_room := v_room;
      ELSE
        IF NOT v_other_rooms ? v_task.group_id::text THEN
          v_other_rooms := v_other_rooms
            || jsonb_build_object(v_task.group_id, long_task.group_room(v_task.group_id, p_limit));
        END IF;
        v_group_room := (v_other_rooms ->> v_task.group_id::text)::integer;
      END IF;
      CONTINUE WHEN (v_group_room > 0) IS NOT TRUE;
      -- What it needs may have been queued again by somebody while another held its row.
      CONTINUE WHEN v_task.has_needs AND long_task.needs_verdict(v_task.id, v_task.needs, v_task.unmet) <> 'start';
      IF v_task.concurrency_key IS NOT NULL THEN
        IF NOT v_key_rooms ? v_task.concurrency_key THEN
          v_key_rooms := v_key_rooms
            || jsonb_build_object(v_task.concurrency_key, long_task.key_room(v_task.concurrency_key));
        END IF;
        v_key_room := (v_key_rooms ->> v_task.concurrency_key)::integer;
        IF v_key_room <= 0 THEN
          v_aside := v_aside || v_task.id;
        END IF;
        CONTINUE WHEN (v_key_room > 0) IS NOT TRUE;
        v_key_rooms := v_key_rooms || jsonb_build_object(v_task.concurrency_key, v_key_room - 1);
      END IF;
      IF v_task.group_id = p_group_id THEN
        v_room := v_room - 1;
      ELSE
        v_other_rooms := v_other_rooms || jsonb_build_object(v_task.group_id, v_group_room - 1);
      END IF;
      v_ids := v_ids || v_task.id;
      -- Here, and not in the query, so that nothing is read of the tasks that are left.
      v_length := v_length
        + octet_length(v_task.command::text)
        + COALESCE(octet_length(v_task.params::text), 0)
        + COALESCE(octet_length(v_task.env::text), 0)
        + COALESCE(octet_length(v_task.stdin), 0);
      IF v_task.has_needs THEN
        v_length := v_length + LEAST(long_task.passed_bytes(v_task.id, array_to_string(v_task.command, ' ')), v_enough);
      END IF;
    END LOOP;
    IF cardinality(v_aside) > 0 THEN
      -- 'system' tells the triggers that a procedure writes this; it is never stored.
      UPDATE long_task.task AS t
      SET
        queued_by = 'system',
        state_id = 'AB',
        wants_key = true
      WHERE t.id = ANY (v_aside);
    END IF;
    EXIT WHEN cardinality(v_seen) = cardinality(v_ids) -- nobody was passed over
      OR cardinality(v_ids) = p_limit
      OR v_length >= v_enough
      OR cardinality(v_seen) = v_before -- nobody is left
      OR clock_timestamp() > v_begun + v_enough_time;
    v_fetch := v_many;
  END LOOP;
  RETURN v_ids;
END
$$;

COMMENT ON FUNCTION long_task.pick_tasks(integer, integer, integer) IS
  'Lock up to so many ready tasks for a worker, and not too much at once, as far as limits have room. Returns their ids, best first.';
