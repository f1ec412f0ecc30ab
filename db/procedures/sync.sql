-- sync: the one call of a working node. Reports go in, orders come out.
--
-- Called by  a node, under its lease: when something has ended, a notification came, a time was reached.
-- Locks      the worker's lease row FOR NO KEY UPDATE, which writes no version of the row, so that a
--            snapshot held for hours does not make this lookup slower; then task rows; at a renewal
--            the lease rows of failed workers, which are passed over if somebody holds them.
-- Raises     LT001 lease lost
--
-- p_connection    number of the node's connection: a call of an earlier one is refused, which may have been
--                 left behind on its way and would claim tasks that nobody starts
-- p_reports       ended attempts, as finish_attempts takes them
-- p_free_slots    how many processes may be started
-- p_lease_seconds renew the lease for so long from now; null: leave it
-- p_running       how many processes there are, to be shown to people at a renewal
-- p_known         ids of all tasks whose end the node has not reported before; null: no need to compare
-- p_watched       at a renewal: leases of others for whose end the node has waited (recover_failed_workers)
--
-- Returns a JSON object:
--   start     what to start, best first (start_order)
--   attend    [task id, attempt, 'stop' | 'kill' | 'leave'] for processes that must not just go on
--   again     task ids whose report has to be handed in again
--   stop      the worker's stop code
--   wake_in   seconds until something is due, at the latest; null: nothing is known to be due
--   heed      which notification of its group's channel, beside those to all, is for this node; null: none
--   watch     at a renewal: the leases of others that this node watches (recover_failed_workers)
--   maintain  at a renewal: whether maintain_step is due
-- SECURITY DEFINER: roles that run nodes write no table themselves.
CREATE OR REPLACE FUNCTION long_task.sync(
  p_worker_id     integer,
  p_epoch         bigint,
  p_connection    integer,
  p_reports       json,
  p_free_slots    integer,
  p_running       integer,
  p_lease_seconds double precision DEFAULT NULL,
  p_known         bigint[] DEFAULT NULL,
  p_watched       text[] DEFAULT NULL
)
RETURNS json
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_batch    CONSTANT integer := 1000;
  v_due      CONSTANT integer := 200;
  v_group_id integer;
  v_stop     smallint;
  v_again    bigint[];
  v_starts   json;
  v_attend   json;
  v_wake_in  double precision;
  v_look_in  double precision;
  v_idle     boolean := false;
  v_stands   boolean := COALESCE(current_setting('long_task.post', true), '') <> '';
  v_watch    json;
  v_maintain boolean := false;
BEGIN
  v_group_id := long_task.hold_lease(p_worker_id, p_epoch, p_connection, p_lease_seconds, p_running);
  IF p_lease_seconds IS NOT NULL THEN
    v_watch := long_task.recover_failed_workers(p_worker_id, p_watched);
  END IF;

  IF p_lease_seconds IS NOT NULL AND p_known = '{}' AND p_reports IS NULL AND p_free_slots > 0 THEN
    -- The post comes first: who inserts from now on, sees it.
    IF v_stands THEN
      v_look_in := NULLIF(long_task.take_post(v_group_id), 0);
    END IF;
    v_wake_in := long_task.quiet_for(p_worker_id, v_group_id);
    IF v_wake_in IS NOT NULL THEN
      -- Nothing but the lease was renewed, so there is no need to wait for the disk. If the server fails and forgets it,
      -- this node loses a lease under which nothing ran: all that is claimed later comes to the disk after it.
      IF COALESCE(cardinality(p_watched), 0) = 0 THEN
        PERFORM set_config('synchronous_commit', 'off', true);
      END IF;
      RETURN json_build_object(
        'start', NULL,
        'attend', NULL,
        'again', NULL,
        'stop', 0,
        'wake_in', LEAST(NULLIF(v_wake_in, 'infinity'), v_look_in),
        'heed', CASE WHEN v_stands THEN long_task.heeded_call() END,
        'watch', v_watch,
        'maintain', false
      );
    END IF;
  END IF;

  IF p_lease_seconds IS NOT NULL THEN
    v_maintain := EXISTS (SELECT FROM long_task.maintenance AS m WHERE m.next_at <= long_task.clock());
  END IF;

  IF EXISTS (SELECT FROM long_task.unsettled_workflow) THEN
    v_wake_in := long_task.settle_workflows();
  END IF;
  IF p_reports IS NOT NULL THEN
    v_again := long_task.finish_attempts(p_worker_id, p_reports);
  END IF;
  -- It begins in the next call, which sees what others report at this moment.
  IF EXISTS (SELECT FROM long_task.unsettled_workflow AS u WHERE u.not_before <= long_task.clock()) THEN
    v_wake_in := 0;
  END IF;
  IF p_known IS NOT NULL THEN
    v_starts := long_task.reconcile_attempts(p_worker_id, p_known, p_reports);
  END IF;

  SELECT s.stop INTO v_stop
  FROM long_task.worker_stop AS s
  WHERE s.worker_id = p_worker_id;
  IF v_stop = 3 THEN
    PERFORM long_task.cancel_worker_tasks(p_worker_id);
  END IF;

  IF EXISTS (SELECT FROM long_task.unsettled_task) THEN
    v_wake_in := LEAST(v_wake_in, long_task.settle_left(v_batch));
  END IF;
  IF EXISTS (SELECT FROM long_task.unsettled_key) THEN
    v_wake_in := LEAST(v_wake_in, long_task.settle_keys(v_batch));
  END IF;
  v_wake_in := LEAST(v_wake_in, long_task.fire_schedules(v_due));
  IF long_task.release_delayed_tasks(p_worker_id, v_group_id, v_batch) = v_batch THEN
    v_wake_in := 0;
  END IF;
  IF v_starts IS NOT NULL THEN
    v_wake_in := 0; -- how many slots are left then, the node knows at its next call
  ELSIF COALESCE(v_stop, 0) = 0 AND p_free_slots > 0 THEN
    v_starts := long_task.claim_tasks(p_worker_id, v_group_id, p_free_slots);
    v_idle := p_free_slots > COALESCE(json_array_length(v_starts), 0);
    IF v_idle AND v_stands THEN
      v_look_in := long_task.take_post(v_group_id);
    END IF;
    IF v_idle AND (v_wake_in > 0) IS NOT FALSE THEN
      v_wake_in := LEAST(
        v_wake_in,
        NULLIF(v_look_in, 0),
        long_task.seconds_to_next_due(p_worker_id, v_group_id, v_starts IS NOT NULL OR v_look_in = 0)
      );
    END IF;
  END IF;
  IF NOT v_idle AND v_stands THEN
    PERFORM long_task.leave_post(v_group_id);
  END IF;
  v_attend := long_task.attend_attempts(p_worker_id);

  RETURN json_build_object(
    'start', v_starts,
    'attend', v_attend,
    'again', v_again,
    'stop', COALESCE(v_stop, 0),
    'wake_in', v_wake_in,
    'heed', CASE WHEN v_idle AND v_stands THEN long_task.heeded_call() END,
    'watch', v_watch,
    'maintain', v_maintain
  );
END
$$;

COMMENT ON FUNCTION long_task.sync(integer, bigint, integer, json, integer, integer, double precision, bigint[], text[]) IS
  'For nodes: hand in reports, renew the lease, claim tasks, learn what to stop and when to call again.';

REVOKE ALL ON FUNCTION long_task.sync(integer, bigint, integer, json, integer, integer, double precision, bigint[], text[]) FROM PUBLIC;
