-- drop_history: drop the oldest partition of task_run, if history need not be kept for so long.
--
-- Called by  maintain_step
-- Locks      task_run and the partition in ACCESS EXCLUSIVE mode, until the end of the transaction. What it cannot have in 20 ms it does
--            without, because reports and readers queue behind it meanwhile.
-- Raises     nothing that is not a trouble of the database's own
--
-- All of a partition was written before it was closed, and had ended before that.
--
-- dropped  whether a partition is gone
-- held     whether it is time for one, but somebody reads history, or something of somebody's own depends on it
CREATE OR REPLACE FUNCTION long_task.drop_history(
  OUT dropped boolean,
  OUT held    boolean
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '20ms'
AS $$
DECLARE
  v_now    timestamptz := long_task.clock();
  v_policy long_task.history_retention;
  v_first  long_task.task_run_part;
BEGIN
  dropped := false;
  held := false;
  SELECT h.* INTO v_policy
  FROM long_task.history_retention AS h;
  SELECT p.* INTO v_first
  FROM long_task.task_run_part AS p
  WHERE p.ended IS NOT NULL
  ORDER BY p.part
  LIMIT 1;
  IF (
    v_first.ended + v_policy.keep <= v_now
    OR v_first.part IS NOT NULL AND v_policy.keep_rows <= (
      SELECT sum(long_task.history_rows(p.part))
      FROM long_task.task_run_part AS p
      WHERE p.part > v_first.part
    )
  ) IS NOT TRUE THEN
    RETURN;
  END IF;
  EXECUTE format('DROP TABLE long_task.%I', format('task_run_%s', v_first.part));
  DELETE FROM long_task.task_run_part AS p
  WHERE p.part = v_first.part;
  dropped := true;
EXCEPTION
  WHEN lock_not_available OR dependent_objects_still_exist THEN
    held := true;
    PERFORM long_task.note_maintenance(format('history stays for now: %s', SQLERRM));
END
$$;

COMMENT ON FUNCTION long_task.drop_history() IS
  'Drop the oldest partition of task_run, if it need not be kept. Returns whether that was done, and whether somebody stands in the way.';
