-- run_kept_until: until when the policies of retention keep a run of a workflow.
--
-- Called by  sweep_runs
-- Locks      nothing
-- Raises     nothing
--
-- A run is kept for as long as any of its tasks. One that has none, because it was never begun or because people
-- have deleted them, goes by the policy for every other group.
--
-- Of one that is being cleared away already (run_kept) only whether it is active again is asked: to look at all of a
-- million tasks for each two hundred of them would take hours.
--
-- kept_until  infinity: for ever; null: it has not ended
-- tasks       how many were looked at
CREATE OR REPLACE FUNCTION long_task.run_kept_until(
  p_run_id       bigint,
  OUT kept_until timestamptz,
  OUT tasks      bigint
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
BEGIN
  tasks := 0;
  IF EXISTS (
    SELECT
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
      AND (t.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC') OR t.running_on IS NOT NULL)
  ) THEN
    RETURN;
  END IF;
  IF EXISTS (SELECT FROM long_task.run_kept AS k WHERE k.run_id = p_run_id AND k.kept_until = '-infinity') THEN
    kept_until := '-infinity';
    RETURN;
  END IF;
  SELECT max(k.kept_until), count(*) INTO kept_until, tasks
  FROM long_task.task_kept AS k
  WHERE k.run_id = p_run_id;
  IF tasks = 0 THEN
    SELECT COALESCE(
      COALESCE(r.cancelled, r.started) + CASE
        WHEN r.error IS NOT NULL THEN p.keep_failed
        WHEN r.cancelled IS NOT NULL THEN p.keep_cancelled
        ELSE p.keep_succeeded
      END,
      'infinity'
    )
    INTO kept_until
    FROM long_task.workflow_run AS r
    LEFT JOIN long_task.retention AS p ON p.group_id IS NULL
    WHERE r.id = p_run_id;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.run_kept_until(bigint) IS
  'Until when the policies of retention keep a run that has ended, and how many tasks were looked at for that.';
