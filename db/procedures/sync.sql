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
  v_group_id integer;
  v_stop     smallint := 0;
  v_again    bigint[];
  v_starts   json;
  v_wake_in  double precision;
  v_look_in  double precision;
  v_calm     boolean := false;
  v_survey   long_task.survey;
  v_idle     boolean := false;
  v_stands   boolean := COALESCE(current_setting('long_task.post', true), '') <> '';
  v_watch    json;
  v_attend   json;
  v_maintain boolean := false;
BEGIN
  v_group_id := long_task.hold_lease(p_worker_id, p_epoch, p_connection, p_lease_seconds, p_running);
  IF p_lease_seconds IS NOT NULL THEN
    v_watch := long_task.recover_failed_workers(p_worker_id, p_watched);
  END IF;
  IF p_reports IS NOT NULL THEN
    IF EXISTS (SELECT FROM long_task.unsettled_workflow) THEN
      v_wake_in := long_task.settle_workflows();
    END IF;
    v_again := long_task.finish_attempts(p_worker_id, p_reports);
  END IF;

  -- Where gaps are known, a survey would read what lies in them.
  IF p_free_slots > 0 AND v_wake_in IS NULL AND (current_setting('long_task.gaps', true) <> '') IS NOT TRUE THEN
    v_survey := long_task.survey_work(p_worker_id, v_group_id);
    v_calm := v_survey.due_in IS NOT NULL;
    v_wake_in := NULLIF(v_survey.due_in, 'infinity');
  END IF;
  IF p_known <> '{}' OR p_known IS NOT NULL AND v_survey.busy IS NOT FALSE THEN
    v_starts := long_task.reconcile_attempts(p_worker_id, p_known, p_reports);
  END IF;
  IF NOT v_calm THEN
    IF p_reports IS NULL AND EXISTS (SELECT FROM long_task.unsettled_workflow) THEN
      v_wake_in := long_task.settle_workflows();
    END IF;
    SELECT c.stop, LEAST(v_wake_in, c.wake_in) INTO v_stop, v_wake_in
    FROM long_task.catch_up(p_worker_id, v_group_id) AS c;
    v_attend := long_task.attend_attempts(p_worker_id);
    v_maintain := p_lease_seconds IS NOT NULL
      AND EXISTS (SELECT FROM long_task.maintenance AS m WHERE m.next_at <= long_task.clock());
  END IF;

  IF v_starts IS NOT NULL THEN
    v_wake_in := 0; -- how many slots are left then, the node knows at its next call
  ELSIF v_stop = 0 AND p_free_slots > 0 THEN
    IF NOT v_calm OR v_survey.ready THEN
      v_starts := long_task.claim_tasks(p_worker_id, v_group_id, p_free_slots);
    END IF;
    v_idle := p_free_slots > COALESCE(json_array_length(v_starts), 0);
    IF v_idle AND v_stands THEN
      v_look_in := long_task.take_post(v_group_id);
    END IF;
    IF v_idle AND (v_wake_in > 0) IS NOT FALSE THEN
      v_wake_in := LEAST(v_wake_in, NULLIF(v_look_in, 0));
      IF NOT v_calm OR v_survey.ready OR v_look_in = 0 THEN
        v_wake_in := LEAST(
          v_wake_in,
          long_task.seconds_to_next_due(p_worker_id, v_group_id, v_starts IS NOT NULL OR v_look_in = 0)
        );
      END IF;
    END IF;
  END IF;
  IF NOT v_idle AND v_stands THEN
    PERFORM long_task.leave_post(v_group_id);
  END IF;
  -- If nothing but an idle node's lease was renewed, there is no need to wait for the disk. If the server fails and forgets
  -- it, a lease is lost under which nothing ran: all that is claimed later comes to the disk after it.
  IF v_calm AND p_known = '{}' AND NOT v_survey.busy AND v_starts IS NULL AND p_reports IS NULL
     AND COALESCE(cardinality(p_watched), 0) = 0 THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;

  RETURN json_build_object(
    'start', v_starts,
    'attend', v_attend,
    'again', v_again,
    'stop', v_stop,
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
