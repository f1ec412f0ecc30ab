-- survey_work: whether there is anything for a node beside tasks that are ready, and until when there is not.
--
-- Called by  sync, of a node with free slots, and seconds_to_next_due after a claim
-- Locks      nothing
-- Raises     nothing
--
-- One statement in place of all that sync would ask otherwise: nearly all calls of nodes find nothing but what they
-- have come for. It reads the queues from their first entry on, dead ones too; if those are many, a closer look, which
-- remembers where they lie (note_gaps), is cheaper.
--
-- ready   something is ready, for the group or pinned to the worker; it may not be to be had: locked, or over a limit
-- busy    something runs on the worker
-- due_in  seconds until something is due, infinity: nothing is; null: look closely
CREATE OR REPLACE FUNCTION long_task.survey_work(
  p_worker_id integer,
  p_group_id  integer
)
RETURNS long_task.survey
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off -- which a plan that is forbidden, but the only one, looks worth to PostgreSQL 15
SET enable_bitmapscan = off
AS $$
DECLARE
  v_in_vain CONSTANT bigint := 500;
  v_read    bigint;
  v_ready   boolean;
  v_busy    boolean;
  v_due     timestamptz;
BEGIN
  -- As entries_read, without a call.
  v_read := pg_stat_get_xact_tuples_returned('long_task.task_ready'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_ready_pinned'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_delayed'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_delayed_pinned'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_scheduled'::regclass);
  SELECT
    EXISTS (
      SELECT FROM long_task.task AS t
      WHERE t.state_id = 'AW' AND t.running_on IS NULL AND t.worker_id IS NULL AND t.group_id = p_group_id
    ) OR EXISTS (
      SELECT FROM long_task.task AS t
      WHERE t.state_id = 'AW' AND t.running_on IS NULL AND t.worker_id = p_worker_id
    ),
    r.count > 0,
    CASE
      WHEN r.attended > 0
        OR EXISTS (SELECT FROM long_task.deleted_attempt AS d WHERE d.worker_id = p_worker_id)
        OR EXISTS (SELECT FROM long_task.worker_stop AS s WHERE s.worker_id = p_worker_id AND s.stop <> 0)
        OR EXISTS (SELECT FROM long_task.maintenance AS m WHERE m.next_at <= long_task.clock())
        OR EXISTS (SELECT FROM long_task.unsettled_task)
        OR EXISTS (SELECT FROM long_task.unsettled_key)
        OR EXISTS (SELECT FROM long_task.unsettled_workflow)
      THEN '-infinity'
      ELSE LEAST(
        'infinity',
        (
          SELECT t.next_start
          FROM long_task.task AS t
          WHERE t.next_start IS NOT NULL
            AND t.shed_enabled
            AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
          ORDER BY t.next_start
          LIMIT 1
        ),
        (
          SELECT t.start_after
          FROM long_task.task AS t
          WHERE t.state_id = 'AD' AND t.running_on IS NULL AND t.worker_id IS NULL AND t.group_id = p_group_id
          ORDER BY t.start_after
          LIMIT 1
        ),
        (
          SELECT t.start_after
          FROM long_task.task AS t
          WHERE t.state_id = 'AD' AND t.running_on IS NULL AND t.worker_id = p_worker_id
          ORDER BY t.start_after
          LIMIT 1
        )
      )
    END
  INTO v_ready, v_busy, v_due
  FROM (
    SELECT count(*) AS count, count(*) FILTER (WHERE t.state_id <> 'AE') AS attended
    FROM long_task.task AS t
    WHERE t.running_on = p_worker_id
  ) AS r;
  v_read := pg_stat_get_xact_tuples_returned('long_task.task_ready'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_ready_pinned'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_delayed'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_delayed_pinned'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_scheduled'::regclass)
    - v_read;
  RETURN ROW(v_ready, v_busy, CASE
    WHEN v_read > v_in_vain THEN NULL
    WHEN v_due = 'infinity' THEN 'infinity'
    WHEN v_due > long_task.clock() THEN extract(epoch FROM v_due - long_task.clock())
  END)::long_task.survey;
END
$$;

COMMENT ON FUNCTION long_task.survey_work(integer, integer) IS
  'Whether something is ready for a node, whether something runs on it, and seconds until something else is due, infinity if nothing is; null if there is something to do now.';
