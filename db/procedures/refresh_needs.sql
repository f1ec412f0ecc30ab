-- refresh_needs: bring what is known of the tasks that some tasks need in line with their rows.
--
-- Called by  link_tasks, relink_task, settle_entering_task
-- Locks      those tasks FOR SHARE, the dependencies FOR NO KEY UPDATE, both SKIP LOCKED and only where something differs.
--            What somebody holds is left to a later sync.
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.refresh_needs(p_ids bigint[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_needed bigint[];
  v_held   bigint[];
BEGIN
  v_needed := ARRAY(
    SELECT DISTINCT d.needs_task_id
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS p ON p.id = d.needs_task_id
    WHERE d.task_id = ANY (p_ids)
      AND d.met IS DISTINCT FROM long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result)
  );
  IF cardinality(v_needed) = 0 THEN
    RETURN;
  END IF;
  WITH needed AS MATERIALIZED (
    SELECT p.id, p.state_id, p.running_on, p.result
    FROM long_task.task AS p
    WHERE p.id = ANY (v_needed)
    FOR SHARE SKIP LOCKED
  ),
  free AS MATERIALIZED (
    SELECT d.task_id, d.needs_task_id, long_task.is_met(d."on", d.condition, n.state_id, n.running_on, n.result) AS met
    FROM needed AS n
    JOIN long_task.task_dependency AS d ON d.needs_task_id = n.id
    WHERE d.task_id = ANY (p_ids)
    FOR NO KEY UPDATE OF d SKIP LOCKED
  ),
  written AS (
    UPDATE long_task.task_dependency AS d
    SET met = f.met
    FROM free AS f
    WHERE d.task_id = f.task_id
      AND d.needs_task_id = f.needs_task_id
    RETURNING d.needs_task_id
  )
  SELECT array_agg(h.id) INTO v_held
  FROM (
    SELECT n.id FROM unnest(v_needed) AS n(id)
    EXCEPT
    SELECT w.needs_task_id FROM written AS w
  ) AS h;
  IF v_held IS NOT NULL THEN
    PERFORM long_task.leave_unsettled(v_held, true);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.refresh_needs(bigint[]) IS
  'Bring what is known of the tasks that these need in line with their rows.';
