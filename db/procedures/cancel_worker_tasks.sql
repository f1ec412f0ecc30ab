-- cancel_worker_tasks: cancel everything that a worker is executing.
--
-- Called by  catch_up, while the worker's stop code is 3.
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED in ascending id; what a person holds is found at
--            the next call.
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.cancel_worker_tasks(p_worker_id integer)
RETURNS void
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE long_task.task AS t
  SET state_id = 'AC'
  WHERE t.id = ANY (ARRAY(
    SELECT e.id
    FROM long_task.task AS e
    WHERE e.running_on = p_worker_id
      AND e.state_id IN ('AE', 'AS')
    ORDER BY e.id
    FOR NO KEY UPDATE SKIP LOCKED
  ))
$$;

COMMENT ON FUNCTION long_task.cancel_worker_tasks(integer) IS
  'Cancel everything that a worker is executing.';
