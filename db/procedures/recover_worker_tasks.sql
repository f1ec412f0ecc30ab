-- recover_worker_tasks: give back the tasks of a worker whose node is gone.
--
-- Called by  people, for a worker whose node has failed; nodes do it by themselves (recover_failed_workers).
-- Locks      the worker's lease row; task rows, as finish_attempts does.
-- Raises     LT001 the worker is being served, LT004 a transaction with an old snapshot
--
-- A claim locks the lease row and writes no version of it. A transaction that keeps its first snapshot would
-- get the lock of the row and not see what was claimed before: it would close the lease over tasks that
-- nobody would ever give back.
--
-- Returns how many attempts were lost. Those whose row somebody holds in an open transaction are passed
-- over, and are the worker's until this is called again.
CREATE OR REPLACE FUNCTION long_task.recover_worker_tasks(p_worker_id integer)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lease long_task.worker_lease;
  v_lost  integer;
BEGIN
  IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
    PERFORM long_task.refuse('LT004', format('worker %s cannot be recovered in a transaction that is %s',
      p_worker_id, current_setting('transaction_isolation')), 'BEGIN ISOLATION LEVEL READ COMMITTED');
  END IF;
  SELECT l.* INTO v_lease
  FROM long_task.worker_lease AS l
  WHERE l.worker_id = p_worker_id
  FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  IF v_lease.active AND long_task.lease_over_at(v_lease) > long_task.clock() THEN
    PERFORM long_task.refuse('LT001', format('worker %s is served until %s', p_worker_id, v_lease.locked_until),
      'Wait for the end of its lease, or set stop = 3 to have its node cancel everything and leave.');
  END IF;
  v_lost := long_task.end_lease(v_lease);
  IF v_lease.active AND v_lost IS NOT NULL THEN
    PERFORM long_task.log_event('recovered', v_lease, v_lost,
      format('%s failed, and %s saw it', long_task.name_holder(v_lease), session_user));
  END IF;
  RETURN COALESCE(v_lost, 0);
END
$$;

COMMENT ON FUNCTION long_task.recover_worker_tasks(integer) IS
  'Give back the tasks of a worker whose node is gone. Returns how many attempts were lost.';
