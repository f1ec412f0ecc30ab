-- clear_tasks: delete tasks that no policy keeps any longer, or move them to the archive.
--
-- Called by  sweep_tasks, clear_run
-- Locks      the tasks FOR UPDATE SKIP LOCKED, in the order of their ids: what somebody holds stays until later
-- Raises     nothing, unless told to
--
-- Whether they may go is asked once more when they are locked. If the deletion fails, because of a foreign key or a
-- trigger of somebody's own, each is tried by itself, and those that cannot be deleted stay. Constraints that were put
-- off until the end of the transaction are checked here, where that still can be helped.
--
-- p_each_by_itself  whether they are tried one by one, if it comes to that; false: the error is raised
--
-- Returns how many have gone.
CREATE OR REPLACE FUNCTION long_task.clear_tasks(
  p_ids            bigint[],
  p_each_by_itself boolean
)
RETURNS integer
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
  v_enough CONSTANT interval := interval '100 milliseconds';
  v_begun  timestamptz;
  v_now    timestamptz := long_task.clock();
  v_ids    bigint[];
  v_gone   integer;
  v_id     bigint;
BEGIN
  v_ids := ARRAY(
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.id = ANY (p_ids)
    ORDER BY t.id
    FOR UPDATE SKIP LOCKED
  );
  BEGIN
    WITH gone AS (
      DELETE FROM long_task.task AS t
      USING long_task.task_kept AS k
      WHERE t.id = ANY (v_ids)
        AND k.id = t.id
        AND k.kept_until <= v_now
        AND NOT (t.has_dependents AND long_task.is_needed(t.id))
      RETURNING t.id, CASE WHEN k.archive THEN jsonb_strip_nulls(to_jsonb(t)) END AS task
    ),
    archived AS (
      INSERT INTO long_task.task_archive (task_id, archived, task)
      SELECT g.id, v_now, g.task
      FROM gone AS g
      WHERE g.task IS NOT NULL
    )
    SELECT count(*) INTO v_gone
    FROM gone AS g;
    SET CONSTRAINTS ALL IMMEDIATE;
    RETURN v_gone;
  EXCEPTION
    WHEN OTHERS THEN
      IF NOT p_each_by_itself THEN
        RAISE;
      END IF;
  END;
  -- Somebody may hold a row that goes with a task, by a foreign key: not for each of them is waited long.
  PERFORM set_config('lock_timeout', '1ms', true);
  v_begun := clock_timestamp(); -- a duration, not a time
  v_gone := 0;
  FOREACH v_id IN ARRAY v_ids LOOP
    BEGIN
      v_gone := v_gone + long_task.clear_tasks(ARRAY[v_id], false);
    EXCEPTION
      WHEN OTHERS THEN
        PERFORM long_task.note_maintenance(format('task %s stays: %s', v_id, SQLERRM));
    END;
    EXIT WHEN clock_timestamp() > v_begun + v_enough;
  END LOOP;
  RETURN v_gone;
END
$$;

COMMENT ON FUNCTION long_task.clear_tasks(bigint[], boolean) IS
  'Delete or archive those of these tasks that no policy keeps and nobody holds. Returns how many.';
