-- claim_tasks: take ready tasks for a worker, best first, and say how to start them.
--
-- Called by  sync, under the lease of the worker and with free slots.
-- Locks      as pick_tasks
-- Raises     nothing
--
-- What was read in vain is remembered as a gap, and stepped over by the next calls of the session (note_gaps).
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
  v_in_vain   CONSTANT integer := 500;
  v_now       timestamptz := long_task.clock();
  v_of_group  bigint;
  v_of_worker bigint;
  v_ids       bigint[];
  v_starts    json;
BEGIN
  IF current_setting('long_task.gaps', true) <> '' THEN
    PERFORM long_task.look_into_gaps('group', p_group_id, v_in_vain);
    PERFORM long_task.look_into_gaps('worker', p_worker_id, v_in_vain);
  END IF;
  -- As entries_read, without a call.
  v_of_group := pg_stat_get_xact_tuples_returned('long_task.task_ready'::regclass);
  v_of_worker := pg_stat_get_xact_tuples_returned('long_task.task_ready_pinned'::regclass);
  v_ids := long_task.pick_tasks(p_worker_id, p_group_id, p_limit);
  v_of_group := pg_stat_get_xact_tuples_returned('long_task.task_ready'::regclass) - v_of_group;
  v_of_worker := pg_stat_get_xact_tuples_returned('long_task.task_ready_pinned'::regclass) - v_of_worker;

  IF cardinality(v_ids) > 0 THEN
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
  END IF;
  IF v_of_group > cardinality(v_ids) + v_in_vain THEN
    PERFORM long_task.note_gaps('group', p_group_id, v_ids);
  END IF;
  IF v_of_worker > cardinality(v_ids) + v_in_vain THEN
    PERFORM long_task.note_gaps('worker', p_worker_id, v_ids);
  END IF;
  RETURN v_starts;
END
$$;

COMMENT ON FUNCTION long_task.claim_tasks(integer, integer, integer) IS
  'Take up to so many ready tasks for a worker, and not too much at once. Returns how to start them, best first; null if there are none.';
