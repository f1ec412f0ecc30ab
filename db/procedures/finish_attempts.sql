-- finish_attempts: write down how attempts of a worker ended, and decide how their tasks go on.
--
-- Called by  sync with the reports of the node, write_off_attempts with reports and losses.
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED, so in any order. A row that a person holds in an
--            open transaction is passed over: its report is returned, to be handed in again, instead of
--            holding up all others.
-- Raises     nothing
--
-- A report changes a row only while that row still is in the reported attempt on this worker; so a
-- report can be repeated, and a late one does no harm. The whole rule of retries is here, but for lost
-- attempts about which somebody else has decided already (ruled): those go on after retry_in seconds, or not.
-- For the same reason there is one row of history for an attempt at most: it is written by the statement that
-- clears running_on, which is set once for each number, and for the rows only that this has changed. ON CONFLICT is a
-- second guard, within a partition.
--
-- A row that was queued again while its process still ran is in another round (base_attempt), whatever has become of it since:
-- how that process ends is in its history, and not in the row.
--
-- One that was claimed ahead and given back has never been an attempt: it goes to the front of its priority, where it
-- was claimed, and leaves no history, and its number is taken back, which no process has ever had. (At its old place
-- nobody may look any more: note_gaps.) If it was cancelled meanwhile, it is an attempt that ended before it was started.
--
-- The settings keep the plan on the primary key, one row for each report, however many rows there are,
-- and keep it: planning these statements costs as much as running them. Locking, history and update
-- are one statement for the same reason; what is locked is the newest version of a row, and the verdict is
-- about that one, or left to a second statement.
--
-- Returns the reports that have to be handed in again, as an array of task ids.
CREATE OR REPLACE FUNCTION long_task.finish_attempts(
  p_worker_id integer,
  p_reports   json
)
RETURNS bigint[]
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
  v_now       timestamptz := long_task.clock();
  v_node      text;
  v_part      integer;
  v_reported  integer := json_array_length(p_reports);
  v_reports   json := p_reports;
  v_ids       bigint[];
  v_again     bigint[];
  v_ready     bigint[];
  v_settle    bigint[];
  v_keys      text[];
  v_groups    integer[];
BEGIN
  SELECT l.node_name, p.part INTO v_node, v_part
  FROM (SELECT max(r.part) AS part FROM long_task.task_run_part AS r) AS p
  LEFT JOIN long_task.worker_lease AS l ON l.worker_id = p_worker_id;

  -- Whoever writes a row between the statement's snapshot and the lock makes a version that its UPDATE does not find. It
  -- is locked then, so a second statement finds it: else a task that is written to all the time might never end.
  FOR v_turn IN 1..2 LOOP
    WITH report AS MATERIALIZED (
      SELECT
        t.id,
        t.version,
        t.group_id,
        t.state_id AS old_state_id,
        COALESCE(t.run_queued_by, t.queued_by) AS started_by,
        CASE WHEN t.run_queued_by IS NULL THEN t.scheduled_for ELSE t.run_scheduled_for END AS scheduled_for,
        t.pinned,
        t.worker_id,
        t.retry_delay,
        t.attempt - t.base_attempt AS failures,
        t.max_attempts,
        r.*,
        v_now - make_interval(secs => r.ended_ago) AS ended,
        COALESCE(v_now - make_interval(secs => r.started_ago), t.started, v_now) AS began,
        long_task.describe_end(r.reason, r.error, r.exit_code, r.signal, r.core_dumped, r.timeout) AS why
      FROM json_to_recordset(v_reports) AS r(
        task_id        bigint,
        attempt        integer,
        pid            integer,
        exit_code      smallint,
        signal         smallint,
        core_dumped    boolean,
        reason         text,
        timeout        double precision,
        error          text,
        started_ago    double precision,
        ended_ago      double precision,
        user_seconds   real,
        system_seconds real,
        peak_memory    bigint,
        output         text,
        result         text,
        given_back     boolean,
        ruled          boolean,
        retry_in       double precision
      )
      CROSS JOIN LATERAL (
        SELECT w.*, w.ctid AS version
        FROM long_task.task AS w
        WHERE w.id = r.task_id
          AND w.attempt = r.attempt
          -- No equality: the index of all that runs would look as good as the primary key, while little runs.
          AND w.running_on IS NOT DISTINCT FROM p_worker_id
        FOR NO KEY UPDATE SKIP LOCKED
      ) AS t
    ),
    verdict AS (
      SELECT
        r.*,
        CASE
          WHEN r.old_state_id = 'AC' THEN 'CC'
          WHEN r.old_state_id IN ('AE', 'AS') THEN CASE WHEN r.why IS NULL THEN 'CS' ELSE 'CF' END
          WHEN r.old_state_id LIKE 'C%' AND r.failures > 0 THEN r.old_state_id
          ELSE CASE WHEN r.why IS NULL THEN 'CS' ELSE 'CF' END
        END AS run_state_id,
        r.old_state_id = 'AE' AND r.given_back IS TRUE AS unstarted,
        r.old_state_id = 'AE' AND r.why IS NOT NULL AND r.given_back IS NOT TRUE AND CASE
          WHEN r.ruled THEN r.retry_in IS NOT NULL
          ELSE r.failures < r.max_attempts
        END AS again
      FROM report AS r
    ),
    ended AS (
      UPDATE long_task.task AS t
      SET
        running_on = NULL,
        run_queued_by = NULL,
        run_scheduled_for = NULL,
        state_id = CASE
          WHEN v.unstarted THEN 'AW'
          WHEN v.again THEN
            CASE WHEN COALESCE(make_interval(secs => v.retry_in), v.retry_delay) > interval '0' THEN 'AD' ELSE 'AW' END
          WHEN v.old_state_id IN ('AE', 'AS', 'AC') THEN v.run_state_id
          ELSE t.state_id
        END,
        last_state_change = CASE
          WHEN v.old_state_id IN ('AE', 'AS', 'AC') THEN v_now
          ELSE t.last_state_change
        END,
        started = CASE WHEN NOT v.unstarted THEN t.started END,
        finished = CASE WHEN v.old_state_id IN ('AE', 'AS', 'AC') AND NOT v.unstarted THEN v.ended ELSE t.finished END,
        attempt = CASE WHEN v.unstarted THEN t.attempt - 1 ELSE t.attempt END,
        start_after = CASE
          WHEN v.again THEN
            v_now + COALESCE(make_interval(secs => v.retry_in), long_task.retry_delay_after(v.failures, v.retry_delay))
          ELSE t.start_after
        END,
        queued_by = CASE WHEN v.again THEN 'retry' ELSE t.queued_by END,
        worker_id = CASE WHEN (v.again OR v.unstarted) AND NOT v.pinned THEN NULL ELSE t.worker_id END,
        ready_seq = CASE
          WHEN v.unstarted THEN long_task.front_place()
          WHEN v.again OR t.state_id = 'AW' THEN nextval('long_task.ready_seq')
          ELSE t.ready_seq
        END,
        exit_code = CASE WHEN v.failures = 0 OR v.old_state_id IN ('AW', 'AD', 'AB', 'DR') THEN t.exit_code ELSE v.exit_code END,
        signal = CASE WHEN v.failures = 0 OR v.old_state_id IN ('AW', 'AD', 'AB', 'DR') THEN t.signal ELSE v.signal END,
        error = CASE WHEN v.old_state_id IN ('AE', 'AS', 'AC') AND NOT v.unstarted THEN v.why ELSE t.error END,
        output = CASE WHEN v.failures = 0 OR v.old_state_id IN ('AW', 'AD', 'AB', 'DR') THEN t.output ELSE v.output END,
        result = CASE
          WHEN v.old_state_id IN ('AE', 'AS', 'AC') AND v.result IS NOT NULL THEN
            long_task.parse_result(v.result)
          WHEN v.old_state_id LIKE 'C%' AND v.failures > 0 AND v.result IS NOT NULL AND t.result IS NULL THEN
            long_task.parse_result(v.result)
          ELSE t.result
        END
      FROM verdict AS v
      -- By id, the whole primary key would be read for this join if the table was small when the plan was made.
      WHERE t.ctid = v.version
      RETURNING
        t.id, t.state_id, t.group_id, t.has_needs, t.has_dependents, t.concurrency_key,
        v.attempt, v.pid, v.began, v.ended, v.run_state_id, v.exit_code, v.signal, v.why, v.output, v.user_seconds,
        v.system_seconds, v.peak_memory, v.started_by, v.scheduled_for, v.unstarted
    ),
    history AS (
      INSERT INTO long_task.task_run (
        task_id, attempt, group_id, worker_id, node_name, pid, started, finished, state_id, exit_code, signal,
        error, output, user_seconds, system_seconds, peak_memory, started_by, scheduled_for, part
      )
      SELECT
        e.id, e.attempt, e.group_id, p_worker_id, v_node, e.pid, e.began, e.ended, e.run_state_id, e.exit_code,
        e.signal, e.why, e.output, e.user_seconds, e.system_seconds, e.peak_memory, e.started_by,
        e.scheduled_for, v_part
      FROM ended AS e
      WHERE NOT e.unstarted
      ON CONFLICT DO NOTHING
    )
    SELECT
      COALESCE(array_agg(e.id), ARRAY[]::bigint[]),
      array_agg(e.id) FILTER (WHERE e.state_id IN ('AW', 'AD')),
      array_agg(e.id) FILTER (
        WHERE e.has_dependents AND e.state_id LIKE 'C%' OR e.has_needs AND e.state_id IN ('AW', 'AD')
      ),
      array_agg(e.concurrency_key) FILTER (WHERE e.concurrency_key IS NOT NULL),
      array_agg(e.group_id)
    INTO v_ids, v_ready, v_settle, v_keys, v_groups
    FROM ended AS e;

    IF v_ready IS NOT NULL THEN
      PERFORM CASE
        WHEN n.worker_id IS NULL THEN long_task.announce_ready(n.group_id, n.count)
        ELSE long_task.announce(n.group_id, n.worker_id)
      END
      FROM (
        SELECT
          t.group_id,
          t.worker_id,
          count(*) AS count
        FROM long_task.task AS t
        WHERE t.id = ANY (v_ready)
        GROUP BY t.group_id, t.worker_id
      ) AS n;
    END IF;
    IF v_settle IS NOT NULL THEN
      PERFORM long_task.settle_tasks(v_settle);
    END IF;
    IF v_keys IS NOT NULL THEN
      PERFORM long_task.free_keys(ARRAY(SELECT DISTINCT k.key FROM unnest(v_keys) AS k(key) ORDER BY k.key));
    END IF;
    PERFORM long_task.announce(g.group_id, NULL)
    FROM long_task.group_limit AS g
    WHERE g.group_id = ANY (v_groups);
    IF cardinality(v_ids) = v_reported THEN
      RETURN ARRAY[]::bigint[];
    END IF;

    -- Asked before the deleted ones are looked for: what is deleted in between is handed in again.
    v_again := ARRAY(
      SELECT t.id
      FROM json_to_recordset(v_reports) AS r(task_id bigint, attempt integer)
      JOIN long_task.task AS t ON t.id = r.task_id
      WHERE t.running_on = p_worker_id
        AND t.attempt = r.attempt
    );
    EXIT WHEN v_turn = 2 OR v_again = '{}';
    v_reports := (
      SELECT json_agg(r.report)
      FROM json_array_elements(v_reports) AS r(report)
      WHERE (r.report ->> 'task_id')::bigint = ANY (v_again)
    );
  END LOOP;
  PERFORM long_task.finish_deleted_attempts(p_worker_id, v_node, p_reports, v_part);
  RETURN v_again;
END
$$;

COMMENT ON FUNCTION long_task.finish_attempts(integer, json) IS
  'Write down how attempts ended and decide how their tasks go on. Returns the tasks whose report has to be handed in again.';
