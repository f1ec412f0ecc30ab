-- maintain_phase: one step of tidying up, of the kind that is due, and what comes after it.
--
-- Called by  maintain_step
-- Locks      as roll_history and drop_history, sweep_tasks, or sweep_runs
-- Raises     nothing that is not a trouble of the database's own
--
-- phase, place, stride  where to go on; phase null: that was all
-- tasks, runs           how many have gone
-- made, dropped         partitions of history
CREATE OR REPLACE FUNCTION long_task.maintain_phase(
  INOUT phase  text,
  INOUT place  bigint,
  INOUT stride bigint,
  OUT tasks    integer,
  OUT runs     integer,
  OUT made     integer,
  OUT dropped  integer
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_history record;
  v_sweep   record;
BEGIN
  tasks := 0;
  runs := 0;
  made := 0;
  dropped := 0;
  CASE phase
    WHEN 'history' THEN
      made := long_task.roll_history()::integer;
      v_history := long_task.drop_history();
      dropped := v_history.dropped::integer;
      IF NOT v_history.dropped THEN
        phase := CASE WHEN EXISTS (SELECT FROM long_task.retention) THEN 'task' END;
        place := 0;
      END IF;
    WHEN 'task' THEN
      v_sweep := long_task.sweep_tasks(place, stride);
      tasks := v_sweep.gone;
      place := v_sweep.next;
      stride := v_sweep.stride;
      IF place IS NULL THEN
        phase := 'run';
        place := 0;
      END IF;
    ELSE
      v_sweep := long_task.sweep_runs(place);
      tasks := v_sweep.gone;
      runs := v_sweep.runs;
      place := v_sweep.next;
      IF place IS NULL THEN
        phase := NULL;
      END IF;
  END CASE;
END
$$;

COMMENT ON FUNCTION long_task.maintain_phase(text, bigint, bigint) IS
  'One step of tidying up. Returns what comes after it, and what was done.';
