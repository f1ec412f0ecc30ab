-- waiting_queues: who is waited for: groups, and workers to whom tasks are pinned.
--
-- Called by  doctor_queues, doctor_overdue
-- Locks      nothing
-- Raises     nothing
--
-- Goes from one to the next through an index, by one entry of each, and ends after 1000 of a kind.
--
-- p_state_id: AW, what is ready; AD, what is delayed.
--
-- Returns the group, or the worker, and since when its first task has been ready, or until when the delay lasts that is over first.
CREATE OR REPLACE FUNCTION long_task.waiting_queues(p_state_id text)
RETURNS TABLE (group_id integer, worker_id integer, since timestamptz)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_least CONSTANT bigint := -2147483649; -- less than any id
  v_last  bigint := v_least;
BEGIN
  FOR v_place IN 1 .. 1000 LOOP
    IF p_state_id = 'AW' THEN
      SELECT t.group_id, t.last_state_change INTO group_id, since
      FROM long_task.task AS t
      WHERE t.state_id = 'AW' AND t.running_on IS NULL AND t.worker_id IS NULL AND t.group_id > v_last
      ORDER BY t.group_id, t.priority, t.ready_seq
      LIMIT 1;
    ELSE
      SELECT t.group_id, t.start_after INTO group_id, since
      FROM long_task.task AS t
      WHERE t.state_id = 'AD' AND t.running_on IS NULL AND t.worker_id IS NULL AND t.group_id > v_last
      ORDER BY t.group_id, t.start_after
      LIMIT 1;
    END IF;
    EXIT WHEN group_id IS NULL;
    RETURN NEXT;
    v_last := group_id;
  END LOOP;

  group_id := NULL;
  v_last := v_least;
  FOR v_place IN 1 .. 1000 LOOP
    IF p_state_id = 'AW' THEN
      SELECT t.worker_id, t.last_state_change INTO worker_id, since
      FROM long_task.task AS t
      WHERE t.state_id = 'AW' AND t.running_on IS NULL AND t.worker_id IS NOT NULL AND t.worker_id > v_last
      ORDER BY t.worker_id, t.priority, t.ready_seq
      LIMIT 1;
    ELSE
      SELECT t.worker_id, t.start_after INTO worker_id, since
      FROM long_task.task AS t
      WHERE t.state_id = 'AD' AND t.running_on IS NULL AND t.worker_id IS NOT NULL AND t.worker_id > v_last
      ORDER BY t.worker_id, t.start_after
      LIMIT 1;
    END IF;
    EXIT WHEN worker_id IS NULL;
    RETURN NEXT;
    v_last := worker_id;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.waiting_queues(text) IS
  'Groups, and workers to whom tasks are pinned, with something ready (AW) or delayed (AD): since when, or until when, the first.';
