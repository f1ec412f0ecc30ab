-- sweep_runs: go through some runs of workflows in the order of their ids, and clear those away that no policy keeps.
--
-- Called by  maintain_step
-- Locks      as clear_run
-- Raises     nothing: a run that cannot be deleted stays
--
-- Until when a run is kept takes a look at all of its tasks. So it is remembered (run_kept), but for no longer than a day:
-- a draft may be queued, and end, and nobody is told.
--
-- next  where to go on; null: this was the end
-- gone  how many tasks have gone
-- runs  how many runs
CREATE OR REPLACE FUNCTION long_task.sweep_runs(
  p_place  bigint,
  OUT next bigint,
  OUT gone integer,
  OUT runs integer
)
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
  v_ids   CONSTANT bigint := 2000;
  v_most  CONSTANT integer := 200;
  v_looks CONSTANT integer := 2000;
  v_now   timestamptz := long_task.clock();
  v_look  integer := 0; -- how many rows were looked at
  v_run   bigint;
  v_kept  record;
  v_clear record;
BEGIN
  gone := 0;
  runs := 0;
  next := p_place + v_ids;
  FOR v_run IN
    SELECT r.id
    FROM long_task.workflow_run AS r
    WHERE r.id > p_place
      AND r.id <= p_place + v_ids
      AND (r.started IS NOT NULL OR r.cancelled IS NOT NULL)
      AND NOT EXISTS (SELECT FROM long_task.run_kept AS k WHERE k.run_id = r.id AND k.kept_until > v_now)
    ORDER BY r.id
  LOOP
    IF v_look >= v_looks OR gone >= v_most THEN
      next := v_run - 1;
      EXIT;
    END IF;
    v_kept := long_task.run_kept_until(v_run);
    v_look := v_look + 10 + v_kept.tasks;
    CONTINUE WHEN v_kept.kept_until IS NULL;
    IF v_kept.kept_until <= v_now THEN
      v_kept.kept_until := NULL;
      BEGIN
        v_clear := long_task.clear_run(v_run);
        gone := gone + v_clear.gone;
        runs := runs + v_clear.done::integer;
        v_look := v_look + 10 * v_clear.gone;
        IF v_clear.gone > 0 AND NOT v_clear.done THEN
          next := v_run - 1; -- the rest of it in the next step
          v_kept.kept_until := '-infinity';
        END IF;
      EXCEPTION
        WHEN OTHERS THEN
          PERFORM long_task.note_maintenance(format('run %s stays: %s', v_run, SQLERRM));
          v_kept.kept_until := v_now + interval '1 hour';
      END;
    END IF;
    IF v_kept.kept_until IS NULL THEN
      DELETE FROM long_task.run_kept AS k
      WHERE k.run_id = v_run;
    ELSE
      INSERT INTO long_task.run_kept AS k (run_id, kept_until)
      VALUES (v_run, LEAST(v_kept.kept_until, v_now + interval '1 day'))
      ON CONFLICT (run_id) DO UPDATE SET kept_until = excluded.kept_until;
    END IF;
    EXIT WHEN next < v_run;
  END LOOP;
  IF next >= (SELECT s.last_value FROM long_task.workflow_run_id_seq AS s) THEN
    next := NULL;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.sweep_runs(bigint) IS
  'Clear away those of the next runs of workflows, by id, that no policy keeps. Returns where to go on, and how many tasks and runs have gone.';
