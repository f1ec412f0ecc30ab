-- clear_run: delete tasks of a run of a workflow that no policy keeps any longer, and at last the run.
--
-- Called by  sweep_runs
-- Locks      the run FOR UPDATE SKIP LOCKED, then as clear_tasks
-- Raises     what triggers and foreign keys of others raise
--
-- A run that is small enough goes as a whole or not at all: not while somebody holds a row of it, or a task of somebody's
-- own needs one. A larger one goes in several steps.
--
-- gone  how many tasks have gone
-- done  whether the run has gone, too
CREATE OR REPLACE FUNCTION long_task.clear_run(
  p_run_id bigint,
  OUT gone integer,
  OUT done boolean
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_most CONSTANT integer := 200;
  v_all  bigint[];
  v_ids  bigint[];
BEGIN
  gone := 0;
  done := false;
  PERFORM
  FROM long_task.workflow_run AS r
  WHERE r.id = p_run_id
  FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  v_all := ARRAY(
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
    ORDER BY t.run_id, t.step, t.item
    LIMIT v_most + 1
  );
  v_ids := long_task.light_tasks(v_all[:v_most]);
  IF EXISTS (SELECT FROM unnest(v_ids) AS i(id) WHERE long_task.is_needed(i.id)) THEN
    RETURN;
  END IF;
  BEGIN
    gone := long_task.clear_tasks(v_ids, false);
    IF gone < cardinality(v_ids) AND cardinality(v_ids) = cardinality(v_all) THEN
      RAISE lock_not_available; -- what has gone comes back
    END IF;
    done := gone = cardinality(v_all);
  EXCEPTION
    WHEN lock_not_available THEN
      gone := 0;
  END;
  IF done THEN
    DELETE FROM long_task.workflow_run AS r
    WHERE r.id = p_run_id;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.clear_run(bigint) IS
  'Clear away tasks of a run that no policy keeps, and at last the run. Returns how many tasks, and whether the run has gone.';
