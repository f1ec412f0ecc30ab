-- catch_up: do for a node what is due beside reports and claims: settle what was left, fire schedules, release delayed tasks.
--
-- Called by  sync, unless survey_work has found that there is nothing of it
-- Locks      as those it calls
-- Raises     nothing
--
-- Each does a little at once, so that a backlog holds up neither reports nor renewals.
--
-- stop     the worker's stop code
-- wake_in  seconds until there is more of it to do; null: nothing is known
CREATE OR REPLACE FUNCTION long_task.catch_up(
  p_worker_id integer,
  p_group_id  integer,
  OUT stop    smallint,
  OUT wake_in double precision
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_batch CONSTANT integer := 1000;
  v_due   CONSTANT integer := 200;
BEGIN
  -- A run begins in a call of its own, after the reports, which sees what others report at this moment.
  IF EXISTS (SELECT FROM long_task.unsettled_workflow AS u WHERE u.not_before <= long_task.clock()) THEN
    wake_in := 0;
  END IF;
  stop := COALESCE((SELECT s.stop FROM long_task.worker_stop AS s WHERE s.worker_id = p_worker_id), 0::smallint);
  IF stop = 3 THEN
    PERFORM long_task.cancel_worker_tasks(p_worker_id);
  END IF;
  IF EXISTS (SELECT FROM long_task.unsettled_task) THEN
    wake_in := LEAST(wake_in, long_task.settle_left(v_batch));
  END IF;
  IF EXISTS (SELECT FROM long_task.unsettled_key) THEN
    wake_in := LEAST(wake_in, long_task.settle_keys(v_batch));
  END IF;
  wake_in := LEAST(wake_in, long_task.fire_schedules(v_due));
  IF long_task.release_delayed_tasks(p_worker_id, p_group_id, v_batch) = v_batch THEN
    wake_in := 0;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.catch_up(integer, integer) IS
  'For nodes: settle what was left, fire schedules, release delayed tasks. Returns the worker''s stop code, and when to go on.';
