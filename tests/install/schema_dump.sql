CREATE SCHEMA long_task;

COMMENT ON SCHEMA long_task IS 'pg_tasks: a row of long_task.task asks for a command to be run to its end. docs/sql.md is the manual.';

CREATE TYPE long_task.cron_fields AS (
	minutes bit(60),
	hours bit(24),
	days bit(31),
	months bit(12),
	weekdays bit(7),
	last_day boolean,
	last_workday boolean,
	near_days integer[],
	nth_weekdays integer[],
	either_day boolean,
	every_hour boolean
);

COMMENT ON TYPE long_task.cron_fields IS 'A cron line, parsed. One bit for each minute, hour, day, month and weekday from Sunday; near_days are days with W; nth_weekdays are ten times the weekday plus n, n is 0 for the last; either_day: one of the two day fields is enough; every_hour: it follows elapsed time.';

CREATE TYPE long_task.finding AS (
	severity text,
	code text,
	subject text,
	found text,
	advice text
);

COMMENT ON TYPE long_task.finding IS 'Something that is wrong, or will be: a row of long_task.doctor().';

COMMENT ON COLUMN long_task.finding.severity IS 'problem: something does not run, or may be lost; warning: it costs, or will be a problem; note: what could not be seen.';

COMMENT ON COLUMN long_task.finding.code IS 'Name of the finding, as in docs/operating.md.';

COMMENT ON COLUMN long_task.finding.subject IS 'What it is about.';

COMMENT ON COLUMN long_task.finding.found IS 'What was found.';

COMMENT ON COLUMN long_task.finding.advice IS 'What to do.';

CREATE TYPE long_task.queue_gap AS (
	lane integer,
	low bigint,
	high bigint
);

COMMENT ON TYPE long_task.queue_gap IS 'Places of a lane, from low to before high, at which there is nothing.';

CREATE TYPE long_task.queue_gaps AS (
	gaps long_task.queue_gap[],
	looking integer,
	looked bigint,
	stride bigint,
	entries bigint,
	debt bigint,
	passes integer,
	next bigint,
	next_at timestamp with time zone
);

COMMENT ON TYPE long_task.queue_gaps IS 'The gaps of a queue in their order; the lane and the place up to which they were looked through, how far at once, how many entries were read since the first, how many too many by the call before, how often the end of them is to be reached until the round that is going is over; a number behind all others, and when it was.';

CREATE TYPE long_task.queue_span AS (
	from_lane integer,
	from_place bigint,
	to_lane integer,
	to_place bigint
);

COMMENT ON TYPE long_task.queue_span IS 'A part of a queue that has to be read: what lies between two gaps.';

CREATE TYPE long_task.schedule AS (
	task_id bigint,
	state_id text,
	next_start timestamp with time zone,
	shed_period_id text,
	shed_period_count integer,
	shed_anchor timestamp with time zone,
	shed_clone boolean,
	shed_waiting boolean,
	cron text,
	cron_fields long_task.cron_fields,
	time_zone text,
	missed text,
	missed_after interval,
	overlap text,
	until timestamp with time zone,
	copy_bytes bigint
);

COMMENT ON TYPE long_task.schedule IS 'The schedule of a task, without what its program is given: that may be long, and is copied with each call that takes a whole row.';

CREATE TYPE long_task.survey AS (
	ready boolean,
	busy boolean,
	due_in double precision
);

COMMENT ON TYPE long_task.survey IS 'What survey_work has found: whether something is ready for a node, whether something runs on it, seconds until something else is due; a type, because a function that returns one is called without a query.';

CREATE FUNCTION long_task.add_run(p_workflow text, p_params jsonb, p_version integer, p_task_id bigint, p_scheduled_for timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_patience interval := CASE WHEN p_scheduled_for IS NOT NULL THEN interval '2 seconds' END;
  v_workflow long_task.workflow;
  v_params   jsonb := COALESCE(p_params, '{}');
  v_run_id   bigint;
BEGIN
  IF p_scheduled_for IS NULL THEN
    SELECT w.* INTO v_workflow
    FROM long_task.workflow AS w
    WHERE w.name = p_workflow
      AND CASE WHEN p_version IS NULL THEN w.enabled ELSE w.version = p_version END
    ORDER BY w.version DESC
    LIMIT 1
    FOR SHARE;
  ELSE
    -- A node waits for nobody who is writing the definition: the start is tried again a little later.
    SELECT w.* INTO v_workflow
    FROM long_task.workflow AS w
    WHERE w.name = p_workflow
      AND CASE WHEN p_version IS NULL THEN w.enabled ELSE w.version = p_version END
    ORDER BY w.version DESC
    LIMIT 1
    FOR SHARE NOWAIT;
  END IF;
  IF v_workflow.name IS NULL THEN
    PERFORM long_task.refuse('LT006',
      format('there is no workflow %s to start', COALESCE(p_workflow || ' version ' || p_version, p_workflow, 'null')),
      'The table long_task.workflow has all of them; without a version the latest one that is enabled is started.');
  END IF;
  IF jsonb_typeof(v_params) <> 'object' THEN
    PERFORM long_task.refuse('LT004', format('params is %s, not an object', jsonb_typeof(v_params)),
      'Give an object such as {"day": "2026-11-20"}.');
  END IF;
  INSERT INTO long_task.workflow_run (workflow, version, params, started_by, scheduled_for, task_id, owner)
  VALUES (
    v_workflow.name, v_workflow.version, v_params, CASE WHEN p_scheduled_for IS NULL THEN 'person' ELSE 'schedule' END,
    p_scheduled_for, p_task_id,
    COALESCE((SELECT t.owner FROM long_task.task AS t WHERE t.id = p_task_id), session_user)
  )
  RETURNING id INTO v_run_id;
  IF v_workflow.one_at_a_time THEN
    -- Seen by nodes when this is committed: the run before it may have ended until then.
    PERFORM long_task.leave_workflow(v_workflow.name, false);
    PERFORM long_task.begin_next_run(v_workflow.name, v_patience, true);
  ELSE
    PERFORM long_task.begin_run(v_run_id, v_patience);
  END IF;
  RETURN v_run_id;
END
$$;

COMMENT ON FUNCTION long_task.add_run(p_workflow text, p_params jsonb, p_version integer, p_task_id bigint, p_scheduled_for timestamp with time zone) IS 'Write down a run of a workflow, and begin it unless it has to wait for another. Returns its id.';

CREATE FUNCTION long_task.announce(p_group_id integer, p_worker_id integer) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT pg_notify(
    CASE
      WHEN p_worker_id IS NOT NULL THEN 'long_task_worker_' || p_worker_id
      WHEN p_group_id IS NOT NULL THEN 'long_task_group_' || p_group_id
      ELSE 'long_task_schedule'
    END,
    ''
  )
$$;

COMMENT ON FUNCTION long_task.announce(p_group_id integer, p_worker_id integer) IS 'Wake the nodes of a group; the node of one worker if a worker is given; all nodes, for the sake of schedules, if neither is.';

CREATE FUNCTION long_task.announce_ready(p_group_id integer, p_count bigint DEFAULT 1) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_many    CONSTANT integer := 10;
  v_groups  CONSTANT integer := 20;
  v_held    CONSTANT text := NULLIF(current_setting('long_task.posts_held', true), '');
  v_several boolean := statement_timestamp() <> transaction_timestamp();
  v_first   integer;
  v_told    boolean := true;
BEGIN
  IF v_held IS NOT NULL AND split_part(v_held, ' ', 2) <> p_group_id::text THEN
    v_several := v_several OR split_part(v_held, ' ', 1)::integer >= v_groups;
  END IF;
  IF v_several THEN
    BEGIN
      v_first := long_task.first_at_post(p_group_id);
      RAISE no_data_found; -- which lets go of the posts that nobody stands at
    EXCEPTION
      WHEN no_data_found THEN
        NULL;
    END;
  ELSE
    v_first := long_task.first_at_post(p_group_id);
    IF (v_first > 0) IS NOT FALSE AND (split_part(v_held, ' ', 2) = p_group_id::text) IS NOT TRUE THEN
      PERFORM set_config(
        'long_task.posts_held',
        format('%s %s', COALESCE(split_part(v_held, ' ', 1)::integer, 0) + 1, p_group_id),
        true
      );
    END IF;
    -- Nodes behind a pooler have no session that could stand at a post. Taken and let go in one expression, in which
    -- nobody can cancel the statement: it would stay with the session.
    IF v_first IS NULL THEN
      v_told := NOT CASE
        WHEN pg_try_advisory_lock(hashtext('long_task.ear'), p_group_id)
        THEN pg_advisory_unlock(hashtext('long_task.ear'), p_group_id)
        ELSE false
      END;
    END IF;
  END IF;
  IF v_told THEN
    PERFORM pg_notify('long_task_group_' || p_group_id, CASE
      WHEN p_count > v_many THEN ''
      WHEN v_first >= long_task.sentries() THEN v_first::text
      ELSE 'sentries'
    END);
    IF v_several AND v_first >= long_task.sentries() THEN
      PERFORM pg_notify('long_task_group_' || p_group_id, 'sentries');
    END IF;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.announce_ready(p_group_id integer, p_count bigint) IS 'Wake some of the idle nodes of a group, if there are any.';

CREATE FUNCTION long_task.announce_schedule() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
BEGIN
  IF NEW.next_start < long_task.clock() + interval '1 minute' OR NOT EXISTS (
    SELECT
    FROM long_task.task AS t
    WHERE t.next_start <= NEW.next_start
      AND t.next_start IS NOT NULL
      AND t.shed_enabled
      AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
      AND t.id <> NEW.id
  ) THEN
    PERFORM long_task.announce(NULL, NULL);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.announce_schedule() IS 'Trigger: wake all nodes if a start by schedule is the first of all, or soon.';

CREATE FUNCTION long_task.announce_tasks() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_first  integer;
  v_last   integer;
  v_count  bigint;
  v_pinned bigint;
BEGIN
  -- Grouping costs as much as all the rest, and mostly there is one group.
  SELECT min(i.group_id), max(i.group_id), count(*), count(i.worker_id)
  INTO v_first, v_last, v_count, v_pinned
  FROM inserted AS i
  WHERE i.state_id IN ('AW', 'AD');
  IF v_count = 0 THEN
    RETURN NULL;
  ELSIF v_first = v_last AND v_pinned = 0 THEN
    PERFORM long_task.announce_ready(v_first, v_count);
    RETURN NULL;
  END IF;
  PERFORM CASE
    WHEN n.worker_id IS NULL THEN long_task.announce_ready(n.group_id, n.count)
    ELSE long_task.announce(n.group_id, n.worker_id)
  END
  FROM (
    SELECT
      i.group_id,
      i.worker_id,
      count(*) AS count
    FROM inserted AS i
    WHERE i.state_id IN ('AW', 'AD')
    GROUP BY i.group_id, i.worker_id
  ) AS n;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.announce_tasks() IS 'Trigger: wake the nodes that inserted tasks are waiting for.';

CREATE FUNCTION long_task.assert_attempt(p_task_id bigint, p_attempt integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_state_id text;
  v_attempt  integer;
  v_running  boolean;
BEGIN
  SELECT t.state_id, t.attempt, t.running_on IS NOT NULL
  INTO v_state_id, v_attempt, v_running
  FROM long_task.task AS t
  WHERE t.id = p_task_id
  FOR SHARE;
  IF v_running AND v_attempt = p_attempt AND v_state_id <> 'AC' THEN
    RETURN;
  END IF;
  PERFORM long_task.refuse('LT002',
    format('attempt %s of task %s is over', COALESCE(p_attempt::text, 'null'), COALESCE(p_task_id::text, 'null')),
    'Roll back and exit: whatever this process does now counts for nothing.',
    CASE
      WHEN v_state_id IS NULL THEN 'There is no such task.'
      ELSE format('The task is %s, attempt %s%s.', v_state_id, v_attempt,
        CASE WHEN v_running THEN '' ELSE ', with no process' END)
    END);
END
$$;

COMMENT ON FUNCTION long_task.assert_attempt(p_task_id bigint, p_attempt integer) IS 'For a task''s own transactions, just before COMMIT: raises LT002 if this attempt is over. The attempt is in PG_TASKS_ATTEMPT.';

CREATE FUNCTION long_task.assert_run(p_run_id bigint) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM long_task.workflow_run AS r WHERE r.id = p_run_id) THEN
    PERFORM long_task.refuse('LT006', format('there is no run %s', COALESCE(p_run_id::text, 'null')),
      'The view long_task.workflow_status has all of them.');
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.assert_run(p_run_id bigint) IS 'Refuse a run of a workflow that there is not.';

CREATE FUNCTION long_task.attend_attempts(p_worker_id integer) RETURNS json
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    AS $$
BEGIN
  RETURN (
    SELECT json_agg(json_build_array(a.task_id, a.attempt, a.what))
    FROM (
      (
        SELECT
          t.id AS task_id,
          t.attempt,
          CASE t.state_id
            WHEN 'AS' THEN 'stop'
            WHEN 'AC' THEN 'kill'
            ELSE 'leave'
          END AS what
        FROM long_task.task AS t
        WHERE t.running_on = p_worker_id
          AND t.state_id <> 'AE'
        ORDER BY t.running_on, t.id
      )
      UNION ALL
      SELECT
        d.task_id,
        d.attempt,
        'kill'
      FROM long_task.deleted_attempt AS d
      WHERE d.worker_id = p_worker_id
    ) AS a
  );
END
$$;

COMMENT ON FUNCTION long_task.attend_attempts(p_worker_id integer) IS 'Processes of a worker to be stopped, killed, or given a last while to leave, as [task id, attempt, what]; null if there are none.';

CREATE FUNCTION long_task.begin_next_run(p_workflow text, p_patience interval, p_again boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_run_id bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(long_task.workflow_lock(p_workflow)) THEN
    PERFORM long_task.leave_workflow(p_workflow, true, p_again);
    RETURN;
  END IF;
  SELECT min(r.id) INTO v_run_id
  FROM long_task.workflow_run AS r
  WHERE r.workflow = p_workflow
    AND r.started IS NULL
    AND r.cancelled IS NULL;
  IF v_run_id IS NULL OR long_task.has_active_run(p_workflow, NULL) THEN
    RETURN;
  END IF;
  PERFORM
  FROM long_task.workflow_run AS r
  WHERE r.id = v_run_id
    AND r.started IS NULL
    AND r.cancelled IS NULL
  FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    PERFORM long_task.leave_workflow(p_workflow, true, p_again);
    RETURN;
  END IF;
  PERFORM long_task.begin_run(v_run_id, p_patience);
  IF NOT long_task.has_active_run(p_workflow, NULL) THEN
    PERFORM long_task.leave_workflow(p_workflow, false); -- it had no tasks
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.begin_next_run(p_workflow text, p_patience interval, p_again boolean) IS 'Begin the oldest waiting run of a workflow, if none is active.';

CREATE FUNCTION long_task.begin_run(p_run_id bigint, p_patience interval) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
  v_most     CONSTANT bigint := 1000000;
  v_run      long_task.workflow_run;
  v_workflow long_task.workflow;
  v_key      text;
  v_params   jsonb; -- of steps that are not fanned out
  v_scalars  jsonb; -- of those that are
  v_bad      record;
  v_begun    timestamptz := clock_timestamp(); -- a duration, not a time
BEGIN
  UPDATE long_task.workflow_run AS r
  SET started = long_task.clock()
  WHERE r.id = p_run_id
    AND r.started IS NULL
    AND r.cancelled IS NULL
  RETURNING r.* INTO v_run;
  SELECT w.* INTO v_workflow
  FROM long_task.workflow AS w
  WHERE w.name = v_run.workflow
    AND w.version = v_run.version;
  v_key := long_task.limit_workflow(v_workflow.name, v_workflow.version, v_workflow.max_running);
  v_params := v_run.params - COALESCE((
    SELECT array_agg(p.key)
    FROM jsonb_each(v_run.params) AS p
    JOIN long_task.workflow_step AS s ON s.workflow = v_run.workflow AND s.version = v_run.version
    WHERE jsonb_typeof(p.value) = 'array'
      AND s.fan_out IS NOT NULL
      AND jsonb_path_query_array(v_run.params, s.fan_out) IN (p.value, jsonb_build_array(p.value))
  ), ARRAY[]::text[]);
  v_scalars := COALESCE(
    (SELECT jsonb_object_agg(p.key, p.value) FROM jsonb_each(v_run.params) AS p WHERE jsonb_typeof(p.value) <> 'array'), '{}'
  );

  WITH RECURSIVE reached(step, level) AS (
    SELECT s.name, 0
    FROM long_task.workflow_step AS s
    WHERE s.workflow = v_run.workflow
      AND s.version = v_run.version
    UNION
    SELECT e.step, r.level + 1
    FROM reached AS r
    JOIN long_task.workflow_edge AS e
      ON e.workflow = v_run.workflow AND e.version = v_run.version AND e.needs_step = r.step
  ),
  ranked AS (
    SELECT r.step, max(r.level) AS level
    FROM reached AS r
    GROUP BY r.step
  )
  INSERT INTO long_task.task (
    name, state_id, priority, group_id, worker_id, command, params, env, stdin, cwd, timeout, kill_grace, max_attempts,
    retry_delay, concurrency_key, needs, unmet, run_id, step, item, owner, shed_parent_id, scheduled_for
  )
  SELECT
    s.name, 'DR', s.priority, s.group_id, s.worker_id, long_task.fill_in(s.command, 'PARAM', g.params), g.params, s.env,
    s.stdin, s.cwd, s.timeout, s.kill_grace, s.max_attempts, s.retry_delay, COALESCE(s.concurrency_key, v_key), s.needs,
    s.unmet, p_run_id, s.name, i.place, v_run.owner, v_run.task_id, v_run.scheduled_for
  FROM ranked AS k
  JOIN long_task.workflow_step AS s
    ON s.workflow = v_run.workflow AND s.version = v_run.version AND s.name = k.step
  CROSS JOIN LATERAL long_task.items_of_step(s.fan_out, v_run.params) AS i
  CROSS JOIN LATERAL (
    SELECT CASE
      WHEN i.place IS NULL THEN COALESCE(s.params, '{}') || v_params
      ELSE COALESCE(s.params, '{}') || v_scalars || jsonb_build_object('item', i.value)
    END AS params
  ) AS g
  ORDER BY k.level, s.name, i.place;

  IF EXISTS (SELECT FROM long_task.task AS t WHERE t.run_id = p_run_id AND t.command[1] = '') THEN
    PERFORM long_task.refuse('LT005', format('a command of workflow %s begins with an empty parameter', v_run.workflow),
      'Give the parameter that names the program.');
  END IF;
  -- Below, OFFSET 0 keeps the order: from the edges to the tasks, each found by the index.
  WITH size AS MATERIALIZED (
    SELECT t.step, count(*) AS tasks
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
    GROUP BY t.step
  )
  SELECT e.step, e.needs_step, t.tasks * p.tasks AS links INTO v_bad
  FROM long_task.workflow_edge AS e
  JOIN size AS t ON t.step = e.step
  JOIN size AS p ON p.step = e.needs_step
  WHERE e.workflow = v_run.workflow
    AND e.version = v_run.version
    AND NOT e.each
    AND t.tasks * p.tasks > v_most
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT014', format('step %s would need %s through %s dependencies', v_bad.step, v_bad.needs_step, v_bad.links),
      'Set each, so that each item waits for the same item only, or put a step between them.');
  END IF;
  SELECT e.step, t.item, e.needs_step INTO v_bad
  FROM long_task.workflow_edge AS e
  CROSS JOIN LATERAL (
    SELECT f.item FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = e.step OFFSET 0
  ) AS t
  LEFT JOIN LATERAL (
    SELECT f.id
    FROM long_task.task AS f
    WHERE f.run_id = p_run_id AND f.step = e.needs_step AND f.item = t.item
    OFFSET 0
  ) AS p ON true
  WHERE e.workflow = v_run.workflow
    AND e.version = v_run.version
    AND e.each
    AND p.id IS NULL
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT014', format('step %s needs each item of step %s, which has none for %s',
      v_bad.step, v_bad.needs_step, COALESCE('item ' || v_bad.item, 'a step that is not fanned out')),
      'Fan both steps out over the same array, or do not set each.');
  END IF;
  INSERT INTO long_task.task_dependency (task_id, needs_task_id, "on", condition, enabled, pass, gather, run_id)
  SELECT t.id, p.id, e."on", e.condition, e.enabled, e.pass, p.item IS NOT NULL, p_run_id
  FROM long_task.workflow_edge AS e
  CROSS JOIN LATERAL (
    SELECT f.id FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = e.step OFFSET 0
  ) AS t
  CROSS JOIN LATERAL (
    SELECT f.id, f.item FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = e.needs_step OFFSET 0
  ) AS p
  WHERE e.workflow = v_run.workflow
    AND e.version = v_run.version
    AND NOT e.each
  UNION ALL
  SELECT t.id, p.id, e."on", e.condition, e.enabled, e.pass, false, p_run_id
  FROM long_task.workflow_edge AS e
  CROSS JOIN LATERAL (
    SELECT f.id, f.item FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = e.step OFFSET 0
  ) AS t
  CROSS JOIN LATERAL (
    SELECT f.id
    FROM long_task.task AS f
    WHERE f.run_id = p_run_id AND f.step = e.needs_step AND f.item = t.item
    OFFSET 0
  ) AS p
  WHERE e.workflow = v_run.workflow
    AND e.version = v_run.version
    AND e.each;
  IF clock_timestamp() - v_begun > p_patience THEN
    PERFORM long_task.refuse('LT014', format('the %s tasks of a run of workflow %s are too many to be started by a node',
      (SELECT count(*) FROM long_task.task AS t WHERE t.run_id = p_run_id), v_run.workflow),
      'Start it with start_workflow, from a task of its own if need be, or let it do more in each task.');
  END IF;
  -- 'system' tells the triggers that a procedure writes this; it is never stored.
  UPDATE long_task.task AS t
  SET
    queued_by = CASE WHEN v_run.started_by = 'schedule' THEN 'system' ELSE t.queued_by END,
    state_id = 'AW'
  WHERE t.run_id = p_run_id;
END
$$;

COMMENT ON FUNCTION long_task.begin_run(p_run_id bigint, p_patience interval) IS 'Make the tasks of a run and the dependencies between them, and queue them.';

CREATE FUNCTION long_task.cancel_worker_tasks(p_worker_id integer) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION long_task.cancel_worker_tasks(p_worker_id integer) IS 'Cancel everything that a worker is executing.';

CREATE FUNCTION long_task.cancel_workflow(p_run_id bigint) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_run       long_task.workflow_run := long_task.lock_run(p_run_id);
  v_cancelled integer;
BEGIN
  UPDATE long_task.task AS t
  SET state_id = 'AC'
  WHERE t.run_id = p_run_id
    AND t.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS');
  GET DIAGNOSTICS v_cancelled = ROW_COUNT;
  IF v_cancelled > 0 OR v_run.started IS NULL THEN
    UPDATE long_task.workflow_run AS r
    SET cancelled = COALESCE(r.cancelled, long_task.clock())
    WHERE r.id = p_run_id;
  END IF;
  RETURN v_cancelled;
END
$$;

COMMENT ON FUNCTION long_task.cancel_workflow(p_run_id bigint) IS 'Cancel a run of a workflow and all its active tasks. Returns how many there were.';

CREATE FUNCTION long_task.catch_up(p_worker_id integer, p_group_id integer, OUT stop smallint, OUT wake_in double precision) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION long_task.catch_up(p_worker_id integer, p_group_id integer, OUT stop smallint, OUT wake_in double precision) IS 'For nodes: settle what was left, fire schedules, release delayed tasks. Returns the worker''s stop code, and when to go on.';

CREATE FUNCTION long_task.change_retention() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF TG_TABLE_NAME = 'retention' THEN
    DELETE FROM long_task.run_kept;
  END IF;
  UPDATE long_task.maintenance AS m
  SET next_at = LEAST(m.next_at, long_task.clock());
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.change_retention() IS 'Trigger: have a policy of retention seen to that was written.';

CREATE FUNCTION long_task.change_worker() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_lease long_task.worker_lease;
  v_lost  integer;
BEGIN
  IF TG_OP = 'DELETE' THEN
    -- As recover_worker_tasks, which says why.
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
      RAISE EXCEPTION USING
        ERRCODE = 'LT004',
        MESSAGE = format('worker %s cannot be recovered in a transaction that is %s',
          OLD.id, current_setting('transaction_isolation')),
        HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED';
    END IF;
    -- As lock_worker does: what is deleted at the end is the row that is locked here, and no node can
    -- take the worker in between. Again, if somebody else deleted it while its row was waited for.
    LOOP
      INSERT INTO long_task.worker_lease (worker_id, group_id)
      VALUES (OLD.id, COALESCE(OLD.group_id, 0))
      ON CONFLICT DO NOTHING;
      SELECT l.* INTO v_lease
      FROM long_task.worker_lease AS l
      WHERE l.worker_id = OLD.id
      FOR UPDATE;
      EXIT WHEN FOUND;
    END LOOP;
    IF v_lease.active AND long_task.lease_over_at(v_lease) > long_task.clock() THEN
      RAISE EXCEPTION USING
        ERRCODE = 'LT001',
        MESSAGE = format('worker %s is served by %s', OLD.id, long_task.name_holder(v_lease)),
        HINT = 'Set stop = 3 to have its node cancel everything and leave.';
    END IF;
    -- Wait for rows that somebody holds, because end_lease passes over them.
    PERFORM t.id
    FROM long_task.task AS t
    WHERE t.running_on = OLD.id
    ORDER BY t.id
    FOR NO KEY UPDATE;
    v_lost := long_task.end_lease(v_lease);
    IF v_lease.active THEN
      PERFORM long_task.log_event('recovered', v_lease, v_lost,
        format('%s failed, and %s deleted the worker', long_task.name_holder(v_lease), session_user));
    END IF;
    DELETE FROM long_task.worker_stop AS s WHERE s.worker_id = OLD.id;
    DELETE FROM long_task.worker_standby AS s WHERE s.worker_id = OLD.id;
    DELETE FROM long_task.worker_lease AS l WHERE l.worker_id = OLD.id;
    RETURN OLD;
  END IF;
  IF NEW.id IS NULL OR COALESCE(NEW.stop NOT BETWEEN 0 AND 3, TG_OP = 'UPDATE') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('worker %s cannot have stop = %s',
        COALESCE(NEW.id::text, 'null'), COALESCE(NEW.stop::text, 'null')),
      HINT = '0 run; 1 start nothing new; 2 start nothing new, leave when idle; 3 cancel all, then leave.';
  END IF;
  IF (CASE TG_OP
    WHEN 'UPDATE' THEN to_jsonb(NEW) - 'stop' <> to_jsonb(OLD) - 'stop'
    ELSE jsonb_strip_nulls(to_jsonb(NEW) - 'stop' - 'id') <> '{}'
  END) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('of worker %s only stop can be written', NEW.id),
      HINT = 'The other columns are written by its node.';
  END IF;
  INSERT INTO long_task.worker_stop AS s (worker_id, stop)
  VALUES (NEW.id, COALESCE(NEW.stop, 0))
  ON CONFLICT (worker_id) DO UPDATE
  SET stop = COALESCE(NEW.stop, s.stop)
  RETURNING s.stop INTO NEW.stop;
  PERFORM long_task.announce(NULL, NEW.id);
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.change_worker() IS 'Trigger: carry out what people write into the view long_task.worker.';

CREATE FUNCTION long_task.check_dependency() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.task_id <> OLD.task_id OR NEW.needs_task_id <> OLD.needs_task_id) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('the dependency of task %s on task %s cannot become another', OLD.task_id, OLD.needs_task_id),
      HINT = 'Delete it, and insert the other.';
  END IF;
  IF NEW.task_id = NEW.needs_task_id THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('task %s cannot wait for itself', NEW.task_id),
      HINT = 'Name another task.';
  END IF;
  PERFORM long_task.check_edge(NEW."on", NEW.condition, NEW.pass);
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_dependency() IS 'Trigger: refuse a dependency that makes no sense.';

CREATE FUNCTION long_task.check_edge(p_on text, p_condition jsonpath, p_pass text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
  IF p_on NOT IN ('success', 'failure', 'cancel', 'end') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('on %s is not known', quote_literal(p_on)),
      HINT = 'Give one of ''success'', ''failure'', ''cancel'', ''end''.';
  END IF;
  IF p_pass NOT IN ('params', 'env', 'stdin') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('pass %s is not known', quote_literal(p_pass)),
      HINT = 'Give one of ''params'', ''env'', ''stdin'', or null.';
  END IF;
  IF p_condition IS NOT NULL THEN
    BEGIN
      PERFORM jsonb_path_match('{}', p_condition);
    EXCEPTION
      WHEN singleton_sql_json_item_required THEN
        RAISE EXCEPTION USING
          ERRCODE = 'LT012',
          MESSAGE = format('condition %s is no predicate', quote_literal(p_condition::text)),
          HINT = 'Write a comparison, such as $.rows > 0, or exists($.rows), and no filter.';
      WHEN data_exception THEN
        NULL; -- strict mode: it is the empty object that has not what it asks for
    END;
  END IF;
END
$_$;

COMMENT ON FUNCTION long_task.check_edge(p_on text, p_condition jsonpath, p_pass text) IS 'Refuse a dependency that says what cannot be understood.';

CREATE FUNCTION long_task.check_task() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_longest CONSTANT interval := interval '100 years';
  v_system  text;
BEGIN
  -- History and fences hang on these. Procedures that write some do not come here.
  IF TG_OP = 'UPDATE' THEN
    v_system := CASE
      WHEN NEW.attempt <> OLD.attempt THEN 'attempt'
      WHEN NEW.base_attempt <> OLD.base_attempt THEN 'base_attempt'
      WHEN NEW.pinned <> OLD.pinned THEN 'pinned'
      WHEN NEW.queued_by <> OLD.queued_by THEN 'queued_by'
      WHEN NEW.ready_seq <> OLD.ready_seq THEN 'ready_seq'
      WHEN NEW.created <> OLD.created THEN 'created'
      WHEN NEW.shed_anchor IS DISTINCT FROM OLD.shed_anchor THEN 'shed_anchor'
      WHEN NEW.shed_waiting IS DISTINCT FROM OLD.shed_waiting THEN 'shed_waiting'
      WHEN NEW.shed_error IS DISTINCT FROM OLD.shed_error THEN 'shed_error'
      WHEN NEW.cron_fields IS DISTINCT FROM OLD.cron_fields THEN 'cron_fields'
      WHEN NEW.scheduled_for IS DISTINCT FROM OLD.scheduled_for THEN 'scheduled_for'
      WHEN NEW.run_queued_by IS DISTINCT FROM OLD.run_queued_by THEN 'run_queued_by'
      WHEN NEW.run_scheduled_for IS DISTINCT FROM OLD.run_scheduled_for THEN 'run_scheduled_for'
      WHEN NEW.wants_key <> OLD.wants_key THEN 'wants_key'
    END;
    IF v_system IS NOT NULL THEN
      RAISE EXCEPTION USING
        ERRCODE = 'LT004',
        MESSAGE = format('%s of task %s is written by the system', v_system, OLD.id),
        HINT = 'Leave this column out of the UPDATE.';
    END IF;
  END IF;
  -- The seconds are asked for too, because the node counts in them: of -1 year 361 days there are less than
  -- none, though it compares as a day.
  IF NEW.timeout <= interval '0' OR extract(epoch FROM NEW.timeout) <= 0 OR NEW.timeout > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('timeout %s is not between 0 and %s', NEW.timeout, v_longest),
      HINT = 'Give an interval such as ''5 minutes'', or null for no limit.';
  END IF;
  IF NEW.kill_grace < interval '0' OR extract(epoch FROM NEW.kill_grace) < 0 OR NEW.kill_grace > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('kill_grace %s is not between 0 and %s', NEW.kill_grace, v_longest),
      HINT = 'Give an interval such as ''10 seconds'', or null for the node''s setting.';
  END IF;
  IF NEW.retry_delay < interval '0' OR extract(epoch FROM NEW.retry_delay) < 0 OR NEW.retry_delay > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('retry_delay %s is not between 0 and %s', NEW.retry_delay, v_longest),
      HINT = 'Give an interval such as ''30 seconds''.';
  END IF;
  IF NEW.max_attempts < 1 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('max_attempts %s is less than 1', NEW.max_attempts),
      HINT = 'One attempt is the least there is; 3 means two retries.';
  END IF;
  IF NEW.progress NOT BETWEEN 0 AND 1 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('progress %s is not between 0 and 1', NEW.progress),
      HINT = 'Half done is 0.5.';
  END IF;
  IF octet_length(NEW.concurrency_key) NOT BETWEEN 1 AND 1000 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('concurrency_key of %s bytes is not between 1 and 1000 bytes long', octet_length(NEW.concurrency_key)),
      HINT = 'Give a short name, or null for no limit.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task() IS 'Trigger: refuse limits that make no sense, and columns that the system writes.';

CREATE FUNCTION long_task.check_task_input() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  -- What a node is handed when it starts a task: see claim_tasks. PATH_MAX of Linux is 4096.
  v_stdin_limit CONSTANT integer := 16777216;
  v_limit       CONSTANT integer := 1048576;
  v_cwd_limit   CONSTANT integer := 4096;
  v_name        text;
  v_type        text;
BEGIN
  IF octet_length(NEW.stdin) > v_stdin_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('stdin of %s bytes is longer than %s', octet_length(NEW.stdin), v_stdin_limit),
      HINT = 'Put it into a file or a table, where the task can read it.';
  END IF;
  IF octet_length(NEW.params::text) > v_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('params of %s bytes is longer than %s', octet_length(NEW.params::text), v_limit),
      HINT = 'Put it into a file or a table, where the task can read it, or into stdin.';
  END IF;
  IF octet_length(NEW.env::text) > v_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('env of %s bytes is longer than %s', octet_length(NEW.env::text), v_limit),
      HINT = 'Put it into a file or a table, where the task can read it, or into stdin.';
  END IF;
  IF NEW.cwd = '' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = 'cwd is empty',
      HINT = 'Give a directory, or null for the root that the node is configured with.';
  END IF;
  IF octet_length(NEW.cwd) > v_cwd_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('cwd of %s bytes is longer than %s', octet_length(NEW.cwd), v_cwd_limit),
      HINT = 'No path can be longer.';
  END IF;
  IF octet_length(NEW.command::text) > v_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT005',
      MESSAGE = format('command of %s bytes is longer than %s', octet_length(NEW.command::text), v_limit),
      HINT = 'Put it into a file or a table, where the task can read it, or into stdin.';
  END IF;
  IF jsonb_typeof(NEW.env) <> 'object' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('env is %s, not an object', jsonb_typeof(NEW.env)),
      HINT = 'Give an object of strings such as {"LANG": "C"}.';
  END IF;
  -- The value is not shown: what is in an environment may be a secret.
  SELECT e.key, jsonb_typeof(e.value) INTO v_name, v_type
  FROM jsonb_each(NEW.env) AS e
  WHERE jsonb_typeof(e.value) <> 'string'
     OR e.key = ''
     OR strpos(e.key, '=') > 0;
  IF FOUND THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('env has a bad entry %s, of type %s', quote_literal(v_name), v_type),
      HINT = 'Names are not empty and have no "="; values are strings.';
  END IF;
  -- A draft may be unfinished, unless a schedule is to copy it. What else than AW is asked of a draft is
  -- refused by move_task, which knows the better reason.
  IF (CASE
    WHEN NEW.state_id = 'DR' THEN NEW.shed_clone AND (NEW.next_start IS NOT NULL OR NEW.cron IS NOT NULL)
    ELSE TG_OP = 'INSERT' OR OLD.state_id <> 'DR' OR NEW.state_id = 'AW'
  END) AND NEW.workflow IS NULL AND (
    NEW.command IS NULL
    OR array_ndims(NEW.command) IS DISTINCT FROM 1
    OR array_lower(NEW.command, 1) <> 1
    OR array_position(NEW.command, NULL) IS NOT NULL
    OR NEW.command[1] = ''
  ) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT005',
      MESSAGE = format('command %s cannot be run', COALESCE(quote_literal(NEW.command::text), 'null')),
      HINT = 'Give a list of strings whose first element names a program, such as ''{ping,-c,1,127.0.0.1}''.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task_input() IS 'Trigger: refuse a task whose program could never be started as the row is written.';

CREATE FUNCTION long_task.check_task_policy() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_longest  CONSTANT interval := interval '100 years';
  v_shortest CONSTANT interval := interval '1 second';
BEGIN
  IF NEW.missed NOT IN ('run once', 'run each', 'skip') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('missed %s is not known', quote_literal(NEW.missed)),
      HINT = 'Give one of ''run once'' (the same as null), ''run each'', ''skip''.';
  END IF;
  IF NEW.overlap NOT IN ('skip', 'clone', 'queue one') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('overlap %s is not known', quote_literal(NEW.overlap)),
      HINT = 'Give one of ''skip'', ''clone'', ''queue one'', or null.';
  END IF;
  IF NEW.missed = 'run each' AND NEW.overlap <> 'clone' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('missed ''run each'' and overlap %s exclude each other', quote_literal(NEW.overlap)),
      HINT = 'Leave overlap null: each start then waits for the one before it.';
  END IF;
  IF NEW.shed_clone AND NEW.overlap = 'queue one' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = 'shed_clone and overlap ''queue one'' exclude each other',
      HINT = 'Leave shed_clone false: the task itself is queued again, and task_run has a row for each run.';
  END IF;
  IF NEW.missed_after < v_shortest OR extract(epoch FROM NEW.missed_after) < 1 OR NEW.missed_after > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('missed_after %s is not between %s and %s', NEW.missed_after, v_shortest, v_longest),
      HINT = 'Give an interval such as ''10 minutes'', or null. No start is made at the very moment.';
  END IF;
  IF NEW.jitter < interval '0' OR extract(epoch FROM NEW.jitter) < 0 OR NEW.jitter > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('jitter %s is not between 0 and %s', NEW.jitter, v_longest),
      HINT = 'Give an interval such as ''30 seconds'', or null.';
  END IF;
  IF NEW.needs NOT IN ('all', 'any') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('needs %s is not known', quote_literal(NEW.needs)),
      HINT = 'Give ''all'' (the same as null) or ''any''.';
  END IF;
  IF NEW.unmet NOT IN ('cancel', 'start', 'wait') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('unmet %s is not known', quote_literal(NEW.unmet)),
      HINT = 'Give one of ''cancel'' (the same as null), ''start'', ''wait''.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task_policy() IS 'Trigger: refuse rules for missed and overlapping starts, and for dependencies, that make no sense.';

CREATE FUNCTION long_task.check_task_schedule() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_longest CONSTANT interval := interval '100 years';
  v_from    CONSTANT timestamptz := timestamptz '1900-01-01 00:00+00';
  v_to      CONSTANT timestamptz := timestamptz '9999-12-31 00:00+00';
  v_unit    interval;
BEGIN
  IF NEW.shed_period_id NOT IN ('SEC', 'MIN', 'HOU', 'DAY', 'WEE', 'MON') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('shed_period_id %s is not known', quote_literal(NEW.shed_period_id)),
      HINT = 'Give one of SEC, MIN, HOU, DAY, WEE, MON.';
  END IF;
  IF NEW.shed_period_count < 1 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('shed_period_count %s is less than 1', NEW.shed_period_count),
      HINT = 'Give the number of units from one start to the next.';
  END IF;
  v_unit := CASE NEW.shed_period_id
    WHEN 'MON' THEN interval '1 month'
    WHEN 'WEE' THEN interval '7 days'
    WHEN 'DAY' THEN interval '1 day'
    WHEN 'HOU' THEN interval '1 hour'
  END;
  -- Divided, because a multiple may be more than an interval can hold.
  IF v_unit > v_longest / NEW.shed_period_count THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('a period of %s %s is longer than %s',
        NEW.shed_period_count, NEW.shed_period_id, v_longest),
      HINT = 'Set next_start alone for a single start.';
  END IF;
  IF NEW.next_start NOT BETWEEN v_from AND v_to THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('next_start %s is not between the years 1900 and 9999', NEW.next_start),
      HINT = 'Set shed_enabled to false to pause a schedule.';
  END IF;
  IF NEW.cron IS NOT NULL AND NEW.shed_period_id IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = 'a task has either cron or shed_period_id',
      HINT = 'Set the other one to null.';
  END IF;
  IF NEW.time_zone IS NOT NULL
     AND (TG_OP = 'INSERT' OR NEW.time_zone IS DISTINCT FROM OLD.time_zone)
     AND NOT long_task.is_time_zone(NEW.time_zone) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('time_zone %s is not known', quote_literal(NEW.time_zone)),
      HINT = 'Give a name of pg_timezone_names such as ''Europe/Berlin''.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task_schedule() IS 'Trigger: refuse a schedule that makes no sense.';

CREATE FUNCTION long_task.check_task_workflow() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF NEW.state_id <> 'DR' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT003',
      MESSAGE = format('a task that starts workflow %s is not queued itself', NEW.workflow),
      HINT = 'Leave it a draft (DR): its schedule starts the workflow, and run_now does so at once.';
  END IF;
  IF NOT NEW.shed_clone OR NEW.jitter IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('a task that starts workflow %s is a template without jitter', NEW.workflow),
      HINT = 'Set shed_clone to true, and jitter to null.';
  END IF;
  IF NOT EXISTS (SELECT FROM long_task.workflow AS w WHERE w.name = NEW.workflow) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT006',
      MESSAGE = format('there is no workflow %s', NEW.workflow),
      HINT = 'INSERT INTO long_task.workflow (name) comes first.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task_workflow() IS 'Trigger: refuse a template that is to start a workflow, and could not.';

CREATE FUNCTION long_task.check_workflow_edge() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_path text[];
BEGIN
  IF TG_WHEN = 'BEFORE' THEN
    PERFORM long_task.check_edge(NEW."on", NEW.condition, NEW.pass);
    RETURN NEW;
  END IF;
  PERFORM
  FROM long_task.workflow AS w
  WHERE w.name = NEW.workflow
    AND w.version = NEW.version
  FOR UPDATE;
  WITH RECURSIVE needed(step) AS (
    VALUES (NEW.needs_step)
    UNION
    SELECT e.needs_step
    FROM needed AS n
    JOIN long_task.workflow_edge AS e
      ON e.workflow = NEW.workflow AND e.version = NEW.version AND e.step = n.step
  )
  SELECT long_task.step_path(NEW.workflow, NEW.version, NEW.step, NEW.needs_step) INTO v_path
  FROM needed AS n
  WHERE n.step = NEW.step;
  IF FOUND THEN
    PERFORM long_task.refuse('LT012', format('step %s would wait for itself: %s', NEW.step, array_to_string(v_path, ' needs ')),
      'Leave out one of these edges.');
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.check_workflow_edge() IS 'Trigger: refuse edges of a workflow that make no sense, and cycles.';

CREATE FUNCTION long_task.check_workflow_part() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_workflow text;
  v_version  integer;
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.workflow, NEW.version) <> (OLD.workflow, OLD.version) THEN
    PERFORM long_task.refuse('LT014', 'a step or an edge stays in its version of its workflow',
      'Insert it into the other one, and delete it here.');
  END IF;
  IF TG_OP = 'INSERT' AND NEW.version IS NULL THEN
    NEW.version := (SELECT max(w.version) FROM long_task.workflow AS w WHERE w.name = NEW.workflow);
  END IF;
  IF TG_OP = 'DELETE' THEN
    v_workflow := OLD.workflow;
    v_version := OLD.version;
  ELSE
    v_workflow := NEW.workflow;
    v_version := NEW.version;
  END IF;
  PERFORM
  FROM long_task.workflow AS w
  WHERE w.name = v_workflow
    AND w.version = v_version
  FOR NO KEY UPDATE;
  IF NOT FOUND AND TG_OP <> 'DELETE' THEN
    PERFORM long_task.refuse('LT006', format('there is no workflow %s', v_workflow || COALESCE(' version ' || v_version, '')),
      'INSERT INTO long_task.workflow (name) comes first.');
  END IF;
  IF EXISTS (
    SELECT
    FROM long_task.workflow_run AS r
    WHERE r.workflow = v_workflow
      AND r.version = v_version
  ) THEN
    PERFORM long_task.refuse('LT014', format('version %s of workflow %s has been started', v_version, v_workflow),
      format('Make another version with SELECT long_task.new_workflow_version(%L), and change that.', v_workflow));
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;

COMMENT ON FUNCTION long_task.check_workflow_part() IS 'Trigger: keep versions of workflows as they are that have been started.';

CREATE FUNCTION long_task.check_workflow_step() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_longest CONSTANT interval := interval '100 years';
  v_bad     text;
BEGIN
  IF NEW.command IS NULL
     OR array_ndims(NEW.command) IS DISTINCT FROM 1
     OR array_lower(NEW.command, 1) <> 1
     OR array_position(NEW.command, NULL) IS NOT NULL
     OR NEW.command[1] = '' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT005',
      MESSAGE = format('command %s cannot be run', COALESCE(quote_literal(NEW.command::text), 'null')),
      HINT = 'Give a list of strings whose first element names a program, such as ''{ping,-c,1,127.0.0.1}''.';
  END IF;
  v_bad := CASE
    WHEN jsonb_typeof(NEW.params) <> 'object' THEN format('params is %s, not an object', jsonb_typeof(NEW.params))
    WHEN jsonb_typeof(NEW.env) <> 'object' THEN format('env is %s, not an object', jsonb_typeof(NEW.env))
    WHEN NEW.max_attempts < 1 THEN format('max_attempts %s is less than 1', NEW.max_attempts)
    WHEN extract(epoch FROM NEW.timeout) <= 0 OR NEW.timeout > v_longest THEN
      format('timeout %s is not between 0 and %s', NEW.timeout, v_longest)
    WHEN extract(epoch FROM NEW.kill_grace) < 0 OR NEW.kill_grace > v_longest THEN
      format('kill_grace %s is not between 0 and %s', NEW.kill_grace, v_longest)
    WHEN extract(epoch FROM NEW.retry_delay) < 0 OR NEW.retry_delay > v_longest THEN
      format('retry_delay %s is not between 0 and %s', NEW.retry_delay, v_longest)
    WHEN octet_length(NEW.concurrency_key) NOT BETWEEN 1 AND 1000 THEN 'concurrency_key is not between 1 and 1000 bytes long'
  END;
  IF v_bad IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = v_bad,
      HINT = 'The columns of a step are those of long_task.task.';
  END IF;
  IF NEW.needs NOT IN ('all', 'any') OR NEW.unmet NOT IN ('cancel', 'start', 'wait') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('needs %L or unmet %L is not known', NEW.needs, NEW.unmet),
      HINT = 'needs is ''all'' (the same as null) or ''any''; unmet ''cancel'' (the same as null), ''start'' or ''wait''.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_workflow_step() IS 'Trigger: refuse a step of a workflow whose tasks could never be started as it is written.';

CREATE FUNCTION long_task.claim_tasks(p_worker_id integer, p_group_id integer, p_limit integer) RETURNS json
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_in_vain   CONSTANT integer := 500;
  v_now       timestamptz := long_task.clock();
  v_of_group  bigint;
  v_of_worker bigint;
  v_ids       bigint[];
  v_starts    json;
BEGIN
  IF current_setting('long_task.gaps', true) <> '' THEN
    PERFORM long_task.look_into_gaps('group', p_group_id, v_in_vain);
    PERFORM long_task.look_into_gaps('worker', p_worker_id, v_in_vain);
  END IF;
  -- As entries_read, without a call.
  v_of_group := pg_stat_get_xact_tuples_returned('long_task.task_ready'::regclass);
  v_of_worker := pg_stat_get_xact_tuples_returned('long_task.task_ready_pinned'::regclass);
  v_ids := long_task.pick_tasks(p_worker_id, p_group_id, p_limit);
  v_of_group := pg_stat_get_xact_tuples_returned('long_task.task_ready'::regclass) - v_of_group;
  v_of_worker := pg_stat_get_xact_tuples_returned('long_task.task_ready_pinned'::regclass) - v_of_worker;

  IF cardinality(v_ids) > 0 THEN
    WITH claimed AS (
      UPDATE long_task.task AS t
      SET
        state_id = 'AE',
        running_on = p_worker_id,
        pinned = t.worker_id IS NOT NULL,
        worker_id = p_worker_id,
        attempt = t.attempt + 1,
        started = v_now,
        last_state_change = v_now,
        finished = NULL,
        exit_code = NULL,
        signal = NULL,
        error = NULL,
        output = NULL,
        result = NULL,
        progress = NULL
      WHERE t.id = ANY (v_ids)
      RETURNING t.*
    )
    SELECT json_agg(long_task.start_order(c) ORDER BY array_position(v_ids, c.id))
    INTO v_starts
    FROM claimed AS c;
  END IF;
  IF v_of_group > cardinality(v_ids) + v_in_vain THEN
    PERFORM long_task.note_gaps('group', p_group_id, v_ids);
  END IF;
  IF v_of_worker > cardinality(v_ids) + v_in_vain THEN
    PERFORM long_task.note_gaps('worker', p_worker_id, v_ids);
  END IF;
  RETURN v_starts;
END
$$;

COMMENT ON FUNCTION long_task.claim_tasks(p_worker_id integer, p_group_id integer, p_limit integer) IS 'Take up to so many ready tasks for a worker, and not too much at once. Returns how to start them, best first; null if there are none.';

CREATE FUNCTION long_task.clear_run(p_run_id bigint, OUT gone integer, OUT done boolean) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_most CONSTANT integer := 200;
  v_all  bigint[];
  v_ids  bigint[];
BEGIN
  gone := 0;
  done := false;
  PERFORM
  FROM long_task.workflow_run AS r
  WHERE r.id = p_run_id
  FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  v_all := ARRAY(
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
    ORDER BY t.run_id, t.step, t.item
    LIMIT v_most + 1
  );
  v_ids := long_task.light_tasks(v_all[:v_most]);
  IF EXISTS (SELECT FROM unnest(v_ids) AS i(id) WHERE long_task.is_needed(i.id)) THEN
    RETURN;
  END IF;
  BEGIN
    gone := long_task.clear_tasks(v_ids, false);
    IF gone < cardinality(v_ids) AND cardinality(v_ids) = cardinality(v_all) THEN
      RAISE lock_not_available; -- what has gone comes back
    END IF;
    done := gone = cardinality(v_all);
  EXCEPTION
    WHEN lock_not_available THEN
      gone := 0;
  END;
  IF done THEN
    DELETE FROM long_task.workflow_run AS r
    WHERE r.id = p_run_id;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.clear_run(p_run_id bigint, OUT gone integer, OUT done boolean) IS 'Clear away tasks of a run that no policy keeps, and at last the run. Returns how many tasks, and whether the run has gone.';

CREATE FUNCTION long_task.clear_tasks(p_ids bigint[], p_each_by_itself boolean) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  v_enough CONSTANT interval := interval '100 milliseconds';
  v_begun  timestamptz;
  v_now    timestamptz := long_task.clock();
  v_ids    bigint[];
  v_gone   integer;
  v_id     bigint;
BEGIN
  v_ids := ARRAY(
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.id = ANY (p_ids)
    ORDER BY t.id
    FOR UPDATE SKIP LOCKED
  );
  BEGIN
    WITH gone AS (
      DELETE FROM long_task.task AS t
      USING long_task.task_kept AS k
      WHERE t.id = ANY (v_ids)
        AND k.id = t.id
        AND k.kept_until <= v_now
        AND NOT (t.has_dependents AND long_task.is_needed(t.id))
      RETURNING t.id, CASE WHEN k.archive THEN jsonb_strip_nulls(to_jsonb(t)) END AS task
    ),
    archived AS (
      INSERT INTO long_task.task_archive (task_id, archived, task)
      SELECT g.id, v_now, g.task
      FROM gone AS g
      WHERE g.task IS NOT NULL
    )
    SELECT count(*) INTO v_gone
    FROM gone AS g;
    SET CONSTRAINTS ALL IMMEDIATE;
    RETURN v_gone;
  EXCEPTION
    WHEN OTHERS THEN
      IF NOT p_each_by_itself THEN
        RAISE;
      END IF;
  END;
  -- Somebody may hold a row that goes with a task, by a foreign key: not for each of them is waited long.
  PERFORM set_config('lock_timeout', '1ms', true);
  v_begun := clock_timestamp(); -- a duration, not a time
  v_gone := 0;
  FOREACH v_id IN ARRAY v_ids LOOP
    BEGIN
      v_gone := v_gone + long_task.clear_tasks(ARRAY[v_id], false);
    EXCEPTION
      WHEN OTHERS THEN
        PERFORM long_task.note_maintenance(format('task %s stays: %s', v_id, SQLERRM));
    END;
    EXIT WHEN clock_timestamp() > v_begun + v_enough;
  END LOOP;
  RETURN v_gone;
END
$$;

COMMENT ON FUNCTION long_task.clear_tasks(p_ids bigint[], p_each_by_itself boolean) IS 'Delete or archive those of these tasks that no policy keeps and nobody holds. Returns how many.';

CREATE FUNCTION long_task.clock() RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN clock_timestamp();
END
$$;

COMMENT ON FUNCTION long_task.clock() IS 'The present time. Everything in schema long_task reads the time here and nowhere else.';

CREATE FUNCTION long_task.counted(p_rows bigint) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN (p_rows > 1000) THEN 'more than 1000'::text ELSE (p_rows)::text END;

COMMENT ON FUNCTION long_task.counted(p_rows bigint) IS 'A number of rows in words, where counting ended at 1001.';

CREATE FUNCTION long_task.cron_days(p_fields long_task.cron_fields, p_month date) RETURNS bit
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_last     integer := extract(day FROM p_month + interval '1 month' - interval '1 day');
  v_first    integer := extract(dow FROM p_month); -- weekday of the first
  v_days     bit(31) := p_fields.days;
  v_weekdays bit(31);
  v_week     bit varying := p_fields.weekdays;
  v_day      integer;
  v_weekday  integer;
  v_item     integer;
BEGIN
  IF get_bit(p_fields.months, extract(month FROM p_month)::integer - 1) = 0 THEN
    RETURN B'0'::bit(31);
  END IF;
  -- From six weeks that begin on Sunday, the days from the first on.
  v_weekdays := substring(v_week || v_week || v_week || v_week || v_week || v_week FROM v_first + 1 FOR 31)::bit(31);
  FOREACH v_item IN ARRAY COALESCE(p_fields.nth_weekdays, '{}') LOOP
    v_day := 1 + (v_item / 10 - v_first + 7) % 7 + 7 * (v_item % 10 - 1);
    IF v_item % 10 = 0 THEN
      v_day := v_last - (v_first + v_last - 1 - v_item / 10 + 7) % 7;
    END IF;
    IF v_day <= v_last THEN
      v_weekdays := set_bit(v_weekdays, v_day - 1, 1);
    END IF;
  END LOOP;

  IF p_fields.last_day THEN
    v_days := set_bit(v_days, v_last - 1, 1);
  END IF;
  IF p_fields.last_workday THEN
    v_weekday := (v_first + v_last - 1) % 7;
    v_days := set_bit(v_days, v_last - 1 - CASE v_weekday WHEN 6 THEN 1 WHEN 0 THEN 2 ELSE 0 END, 1);
  END IF;
  FOREACH v_day IN ARRAY COALESCE(p_fields.near_days, '{}') LOOP
    CONTINUE WHEN v_day > v_last;
    v_weekday := (v_first + v_day - 1) % 7;
    v_days := set_bit(v_days, v_day - 1 + CASE
      WHEN v_weekday = 6 THEN CASE WHEN v_day = 1 THEN 2 ELSE -1 END
      WHEN v_weekday = 0 THEN CASE WHEN v_day = v_last THEN -2 ELSE 1 END
      ELSE 0
    END, 1);
  END LOOP;

  v_days := CASE WHEN p_fields.either_day THEN v_days | v_weekdays ELSE v_days & v_weekdays END;
  RETURN v_days & (repeat('1', v_last)::bit(31));
END
$$;

COMMENT ON FUNCTION long_task.cron_days(p_fields long_task.cron_fields, p_month date) IS 'One bit for each day of the month that begins on a date on which a parsed cron line starts something.';

CREATE FUNCTION long_task.cron_local_after(p_fields long_task.cron_fields, p_after timestamp without time zone) RETURNS timestamp without time zone
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_from   timestamp := date_trunc('minute', p_after) + interval '1 minute';
  v_month  date := date_trunc('month', v_from);
  v_end    date := LEAST((v_month + interval '400 years')::date, date '9999-12-01');
  v_day    integer := extract(day FROM v_from);
  v_hour   integer := extract(hour FROM v_from);
  v_minute integer := extract(minute FROM v_from);
  v_days   bit(31) := long_task.cron_days(p_fields, v_month);
  v_ahead  integer := 0; -- how far the next bit is
BEGIN
  -- Today: the rest of this hour, else the next hour.
  IF get_bit(v_days, v_day - 1) = 1 THEN
    IF get_bit(p_fields.hours, v_hour) = 1 THEN
      v_ahead := position(B'1' IN substring(p_fields.minutes FROM v_minute + 1));
      v_minute := v_minute + v_ahead - 1;
    END IF;
    IF v_ahead = 0 THEN
      v_ahead := position(B'1' IN substring(p_fields.hours FROM v_hour + 2));
      v_hour := v_hour + v_ahead;
      v_minute := position(B'1' IN p_fields.minutes) - 1;
    END IF;
    IF v_ahead > 0 THEN
      RETURN v_month + make_interval(days => v_day - 1, hours => v_hour, mins => v_minute);
    END IF;
  END IF;

  -- Another day, at its first time.
  v_ahead := position(B'1' IN substring(v_days FROM v_day + 1));
  WHILE v_ahead = 0 LOOP
    v_month := v_month + interval '1 month';
    v_day := 0;
    IF v_month > v_end THEN
      RETURN NULL;
    END IF;
    v_ahead := position(B'1' IN long_task.cron_days(p_fields, v_month));
  END LOOP;
  RETURN v_month + make_interval(
    days => v_day + v_ahead - 1,
    hours => position(B'1' IN p_fields.hours) - 1,
    mins => position(B'1' IN p_fields.minutes) - 1
  );
END
$$;

COMMENT ON FUNCTION long_task.cron_local_after(p_fields long_task.cron_fields, p_after timestamp without time zone) IS 'First minute after a local time that a parsed cron line names; null: there is none.';

CREATE FUNCTION long_task.cron_time_after(p_fields long_task.cron_fields, p_time_zone text, p_after timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_zone  text := COALESCE(p_time_zone, 'UTC');
  v_shown timestamp := p_after AT TIME ZONE v_zone;
  v_local timestamp := v_shown;
  v_time  timestamptz;
  v_again timestamptz;
  v_back  interval;
BEGIN
  LOOP
    v_local := long_task.cron_local_after(p_fields, v_local);
    v_time := long_task.wall_clock_time(v_local, v_zone);
    IF p_fields.every_hour AND v_time AT TIME ZONE v_zone <> v_local THEN
      CONTINUE; -- left out
    ELSIF p_fields.every_hour AND v_time <= p_after THEN
      v_time := v_local AT TIME ZONE v_zone; -- shown for the second time
    END IF;
    EXIT WHEN (v_time <= p_after) IS NOT TRUE;
  END LOOP;
  IF NOT p_fields.every_hour THEN
    RETURN v_time;
  END IF;

  -- If clocks are about to be set back, what they have just shown will come again.
  v_back := v_shown - ((p_after + interval '24 hours') AT TIME ZONE v_zone - interval '24 hours');
  IF v_back > interval '0' AND (p_after + v_back) AT TIME ZONE v_zone - v_back < v_shown THEN
    v_local := v_shown - v_back;
    LOOP
      v_local := long_task.cron_local_after(p_fields, v_local);
      EXIT WHEN (v_local <= v_shown) IS NOT TRUE;
      v_again := v_local AT TIME ZONE v_zone;
      EXIT WHEN v_again > p_after;
    END LOOP;
    IF v_again > p_after THEN
      RETURN LEAST(v_time, v_again);
    END IF;
  END IF;
  RETURN v_time;
END
$$;

COMMENT ON FUNCTION long_task.cron_time_after(p_fields long_task.cron_fields, p_time_zone text, p_after timestamp with time zone) IS 'First start after a time of a parsed cron line in a time zone (null: UTC); null: there is none.';

CREATE FUNCTION long_task.cycle_path(p_task_id bigint, p_needs_task_id bigint) RETURNS bigint[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  v_seen bigint[] := ARRAY[p_needs_task_id];
  v_from bigint[] := ARRAY[p_task_id];
  v_ring bigint[] := ARRAY[p_needs_task_id];
  v_next bigint[];
  v_by   bigint[];
  v_path bigint[] := ARRAY[p_task_id];
  v_at   bigint := p_task_id;
BEGIN
  WHILE p_task_id <> ALL (v_seen) AND cardinality(v_ring) > 0 LOOP
    SELECT
      COALESCE(array_agg(r.needs_task_id ORDER BY r.needs_task_id), ARRAY[]::bigint[]),
      COALESCE(array_agg(r.task_id ORDER BY r.needs_task_id), ARRAY[]::bigint[])
    INTO v_next, v_by
    FROM (
      SELECT d.needs_task_id, min(d.task_id) AS task_id
      FROM long_task.task_dependency AS d
      WHERE d.task_id = ANY (v_ring)
        AND d.needs_task_id <> ALL (v_seen)
      GROUP BY d.needs_task_id
    ) AS r;
    v_seen := v_seen || v_next;
    v_from := v_from || v_by;
    v_ring := v_next;
  END LOOP;
  LOOP
    v_at := v_from[array_position(v_seen, v_at)];
    v_path := v_at || v_path;
    EXIT WHEN v_at = p_task_id;
  END LOOP;
  RETURN v_path;
END
$$;

COMMENT ON FUNCTION long_task.cycle_path(p_task_id bigint, p_needs_task_id bigint) IS 'The shortest cycle through the dependency of one task on another.';

CREATE FUNCTION long_task.describe_end(p_reason text, p_error text, p_exit_code smallint, p_signal smallint, p_core_dumped boolean, p_timeout double precision) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN (p_reason = 'timeout'::text) THEN ('timeout'::text || COALESCE((' after '::text || justify_hours(make_interval(secs => p_timeout))), ''::text)) WHEN (p_reason IS NOT NULL) THEN p_reason WHEN (p_signal IS NOT NULL) THEN ((('signal '::text || p_signal) || COALESCE(((' (SIG'::text || (ARRAY['HUP'::text, 'INT'::text, 'QUIT'::text, 'ILL'::text, 'TRAP'::text, 'ABRT'::text, 'BUS'::text, 'FPE'::text, 'KILL'::text, 'USR1'::text, 'SEGV'::text, 'USR2'::text, 'PIPE'::text, 'ALRM'::text, 'TERM'::text, 'STKFLT'::text, 'CHLD'::text, 'CONT'::text, 'STOP'::text, 'TSTP'::text, 'TTIN'::text, 'TTOU'::text, 'URG'::text, 'XCPU'::text, 'XFSZ'::text, 'VTALRM'::text, 'PROF'::text, 'WINCH'::text, 'IO'::text, 'PWR'::text, 'SYS'::text])[p_signal]) || ')'::text), ''::text)) || CASE WHEN p_core_dumped THEN ', core dumped'::text ELSE ''::text END) WHEN (p_exit_code <> 0) THEN (('exit code '::text || p_exit_code) || COALESCE(('; '::text || p_error), ''::text)) ELSE p_error END;

COMMENT ON FUNCTION long_task.describe_end(p_reason text, p_error text, p_exit_code smallint, p_signal smallint, p_core_dumped boolean, p_timeout double precision) IS 'One line that says why an attempt ended badly; null if it ended well.';

CREATE FUNCTION long_task.doctor() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN QUERY
  SELECT d.*
  FROM (
    SELECT f.* FROM long_task.doctor_blocked() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_indexes() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_notifications() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_overdue() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_processes() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_queues() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_retention() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_server() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_sessions() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_settings() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_snapshots() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_vacuum() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_workers() AS f
  ) AS d
  ORDER BY array_position(ARRAY['problem', 'warning', 'note'], d.severity), d.code, d.subject;
END
$$;

COMMENT ON FUNCTION long_task.doctor() IS 'What is wrong, and what to do: SELECT * FROM long_task.doctor(). No row: nothing was found.';

CREATE FUNCTION long_task.doctor_blocked() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
  v_shown CONSTANT integer := 20;
  v_now   timestamptz := long_task.clock();
BEGIN
  RETURN QUERY
  SELECT 'warning', 'key_limit_zero', format('concurrency_key %s', quote_literal(c.concurrency_key)),
    'Tasks wait for the key, and its limit is 0.',
    format('UPDATE long_task.concurrency_limit SET max_running = 1 WHERE concurrency_key = %L, or as many as you like, or DELETE the row: that is 1.', c.concurrency_key)
  FROM long_task.concurrency_limit AS c
  WHERE c.max_running = 0
    AND (
      EXISTS (SELECT FROM long_task.task AS t WHERE t.wants_key AND t.worker_id IS NULL AND t.concurrency_key = c.concurrency_key)
      OR EXISTS (SELECT FROM long_task.task AS t WHERE t.wants_key AND t.worker_id IS NOT NULL AND t.concurrency_key = c.concurrency_key)
    )
  ORDER BY c.concurrency_key
  LIMIT v_shown;

  RETURN QUERY
  SELECT f.severity, f.code, format('task %s', t.id), f.found, f.advice
  FROM (
    SELECT d.task_id, d.needs_task_id
    FROM long_task.task_dependency AS d
    WHERE d.met IS NULL
      AND d.enabled
    ORDER BY d.task_id, d.needs_task_id
    LIMIT 1000
  ) AS o
  JOIN long_task.task AS t ON t.id = o.task_id AND t.state_id = 'AB'
  JOIN long_task.task AS p ON p.id = o.needs_task_id
  CROSS JOIN LATERAL (
    VALUES
      ('problem', 'needs_template', p.shed_clone AND p.state_id IN ('DR', 'CS', 'CF', 'CC'),
        format('It waits for task %s, a template, which never runs itself.', p.id),
        format('DELETE FROM long_task.task_dependency WHERE task_id = %s AND needs_task_id = %s', t.id, p.id)),
      ('warning', 'needs_draft', p.state_id = 'DR' AND NOT p.shed_clone AND t.last_state_change < v_now - interval '1 day',
        format('It waits since %s for task %s, which is a draft.', t.last_state_change, p.id),
        format('UPDATE long_task.task SET state_id = ''AW'' WHERE id = %s', p.id))
  ) AS f(severity, code, holds, found, advice)
  WHERE f.holds
  ORDER BY t.id, p.id
  LIMIT v_shown;

  RETURN QUERY
  SELECT 'warning', 'needs_unmet', format('task %s', t.id),
    format('It waits, as its column unmet says, though it %s.', long_task.why_unmet(t.id)),
    format('UPDATE long_task.task SET unmet = ''start'' (or ''cancel'') WHERE id = %s, or run again what it needs.', t.id)
  FROM (
    SELECT d.task_id, d.met
    FROM long_task.task_dependency AS d
    WHERE d.met IS NOT NULL
      AND d.enabled
    ORDER BY d.task_id DESC, d.met DESC
    LIMIT 10000
  ) AS o
  JOIN long_task.task AS t ON t.id = o.task_id AND t.state_id = 'AB' AND t.unmet = 'wait'
  WHERE NOT o.met
  GROUP BY t.id
  ORDER BY t.id
  LIMIT v_shown;
END
$$;

COMMENT ON FUNCTION long_task.doctor_blocked() IS 'Findings about tasks that wait for a key, or for tasks, in vain.';

CREATE FUNCTION long_task.doctor_indexes() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_matters CONSTANT bigint := 32 * 1024 * 1024;
  v_factor  CONSTANT integer := 4;
BEGIN
  RETURN QUERY
  SELECT 'warning', 'index_invalid', format('index %s%s', c.relname, long_task.history_label(t.relname)),
    'A CREATE or REINDEX CONCURRENTLY has not come to its end: it is written to, and not used.',
    format('DROP INDEX CONCURRENTLY %s, unless it is being built at this moment (pg_stat_progress_create_index).', c.oid::regclass)
  FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_class AS t ON t.oid = i.indrelid
  WHERE c.relnamespace = 'long_task'::regnamespace
    AND c.relkind = 'i'
    AND NOT i.indisvalid
    AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.relid = i.indrelid);

  RETURN QUERY
  SELECT 'warning', 'index_bloated', format('index %s%s', x.relname, long_task.history_label(x.of)),
    format('%s for %s entries, which would fit into about %s.',
      pg_size_pretty(x.bytes), round(x.entries), pg_size_pretty(x.needed::bigint)),
    format('REINDEX INDEX CONCURRENTLY %s', x.oid::regclass)
  FROM (
    SELECT
      c.oid,
      c.relname,
      t.relname AS of,
      c.reltuples::numeric AS entries,
      pg_relation_size(c.oid) AS bytes,
      -- Two pages are there in any case.
      16384 + c.reltuples::numeric * (4 + 8 * ceil((8 + w.width) / 8.0)) / 0.9 AS needed
    FROM pg_class AS c
    JOIN pg_index AS i ON i.indexrelid = c.oid
    JOIN pg_class AS t ON t.oid = i.indrelid
    JOIN pg_am AS m ON m.oid = c.relam
    CROSS JOIN LATERAL (
      SELECT sum(CASE WHEN k.attlen > 0 THEN k.attlen ELSE COALESCE(s.avg_width, 32) END) AS width
      FROM pg_attribute AS k
      LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.attnum - 1] AND a.attnum > 0
      LEFT JOIN pg_stats AS s ON s.schemaname = 'long_task' AND s.tablename = t.relname AND s.attname = a.attname
      WHERE k.attrelid = c.oid
    ) AS w
    WHERE c.relnamespace = 'long_task'::regnamespace
      AND c.relkind = 'i'
      AND m.amname = 'btree'
      AND i.indisvalid
      AND c.reltuples >= 0
      AND pg_relation_size(c.oid) > v_matters
      AND pg_stat_get_mod_since_analyze(t.oid) <= 1000 + 0.2 * GREATEST(t.reltuples, 0)
  ) AS x
  WHERE x.bytes > v_factor * x.needed;
END
$$;

COMMENT ON FUNCTION long_task.doctor_indexes() IS 'Findings about indexes that are mostly empty, by an estimate, or invalid.';

CREATE FUNCTION long_task.doctor_notifications() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_many  CONSTANT integer := 100;
  v_now   timestamptz := long_task.clock();
  v_usage double precision := pg_notification_queue_usage();
  v_nodes bigint;
BEGIN
  IF v_usage > 0.1 THEN
    RETURN NEXT (CASE WHEN v_usage > 0.5 THEN 'problem' ELSE 'warning' END, 'notifications_pile_up', 'server',
      format('The queue of notifications is %s %% full; when it is full, nobody can commit who notifies, as those do who insert tasks.',
        round(100 * v_usage::numeric)),
      'Some session listens and does not end its transaction: the log of the server names it, and SELECT pg_terminate_backend(pid) ends it.'
    )::long_task.finding;
  END IF;

  SELECT
    (SELECT count(*) FROM long_task.worker_lease AS l WHERE l.active AND l.locked_until > v_now)
    + (SELECT count(*) FROM long_task.worker_standby AS s WHERE s.seen_until > v_now)
  INTO v_nodes;
  IF v_nodes > v_many THEN
    RETURN NEXT ('warning', 'nodes_many', 'server',
      format('%s nodes listen: each costs everybody who notifies, as those do who insert tasks.', v_nodes),
      'Fewer nodes with more slots each do the same work: one for each machine is enough.'
    )::long_task.finding;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.doctor_notifications() IS 'Findings about notifications: a queue that fills, nodes too many.';

CREATE FUNCTION long_task.doctor_overdue() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_now    timestamptz := long_task.clock();
  v_late   timestamptz := v_now - interval '5 minutes';
  v_served boolean := EXISTS (SELECT FROM long_task.worker_lease AS l WHERE l.active AND l.locked_until > v_now);
  v_advice text := CASE
    WHEN v_served THEN 'Look for a transaction that has been open for long, among these findings and in pg_locks, and at the logs of the nodes.'
    ELSE 'Start a node, of any group.'
  END;
BEGIN
  RETURN QUERY
  SELECT 'problem', 'schedules_overdue', format('task %s', (array_agg(s.id ORDER BY s.next_start))[1]),
    format('Starts that are overdue: %s, the first since %s.', long_task.counted(count(*)), min(s.next_start)), v_advice
  FROM (
    SELECT t.id, t.next_start
    FROM long_task.task AS t
    WHERE t.next_start IS NOT NULL
      AND t.shed_enabled
      AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
      AND t.next_start < v_late
    ORDER BY t.next_start
    LIMIT 1001
  ) AS s
  HAVING count(*) > 0;

  RETURN QUERY
  SELECT 'problem', 'delays_overdue',
    CASE WHEN q.worker_id IS NULL THEN 'group ' || q.group_id ELSE 'worker ' || q.worker_id END,
    format('A delay was over at %s, and its task is not ready yet, though a node is there.', q.since), v_advice
  FROM long_task.waiting_queues('AD') AS q
  WHERE q.since < v_late
    AND EXISTS (
      SELECT
      FROM long_task.worker_lease AS l
      WHERE l.active
        AND l.locked_until > v_now
        AND (l.worker_id = q.worker_id OR l.group_id = q.group_id)
    );

  RETURN QUERY
  SELECT 'problem', 'left_unsettled', format('table %s', u.name),
    format('Rows: %s, the first was to be seen to at %s. What waits for them may not be started.', long_task.counted(u.rows), u.first),
    v_advice
  FROM (
    SELECT 'unsettled_task' AS name, count(*) AS rows, min(l.not_before) AS first
    FROM (SELECT s.not_before FROM long_task.unsettled_task AS s ORDER BY s.id LIMIT 1001) AS l
    UNION ALL
    SELECT 'unsettled_key', count(*), min(l.not_before)
    FROM (SELECT s.not_before FROM long_task.unsettled_key AS s ORDER BY s.id LIMIT 1001) AS l
    UNION ALL
    SELECT 'unsettled_workflow', count(*), min(l.not_before)
    FROM (SELECT s.not_before FROM long_task.unsettled_workflow AS s ORDER BY s.id LIMIT 1001) AS l
  ) AS u
  WHERE u.first < v_late;
END
$$;

COMMENT ON FUNCTION long_task.doctor_overdue() IS 'Findings about schedules, delays and leftovers that nobody has seen to in time.';

CREATE FUNCTION long_task.doctor_processes() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_shown CONSTANT integer := 20;
  v_now   timestamptz := long_task.clock();
  v_late  timestamptz := v_now - interval '5 minutes';
BEGIN
  RETURN QUERY
  SELECT f.severity, f.code, format('task %s', r.id), f.found, f.advice
  FROM (
    SELECT
      t.id,
      t.state_id,
      t.started,
      t.timeout,
      t.running_on,
      t.last_state_change AS since,
      -- A node's own setting is not known here; unless configured it is 10 seconds.
      COALESCE(t.kill_grace, interval '10 seconds') AS grace
    FROM long_task.task AS t
    WHERE t.running_on IS NOT NULL
    ORDER BY t.running_on
    LIMIT 10000
  ) AS r
  JOIN long_task.worker_lease AS l ON l.worker_id = r.running_on AND l.active AND l.locked_until > v_now
  CROSS JOIN LATERAL (
    VALUES
      ('problem', 'timeout_passed', r.state_id = 'AE' AND r.started + r.timeout + r.grace < v_late,
        format('It runs since %s on worker %s, and its timeout is %s. A timeout that was changed counts from the next attempt on.',
          r.started, r.running_on, r.timeout),
        format('UPDATE long_task.task SET state_id = ''AC'' WHERE id = %s, and look at the log of the node.', r.id)),
      ('problem', 'process_not_killed', r.state_id = 'AC' AND r.since + r.grace < v_late,
        format('It is being killed since %s on worker %s.', r.since, r.running_on),
        'Look at the process on that machine: one that waits for a disk or a network drive cannot be killed.'),
      ('warning', 'process_not_stopped', r.state_id = 'AS' AND r.since < v_now - interval '1 hour',
        format('It was asked to stop at %s, and still runs on worker %s.', r.since, r.running_on),
        format('UPDATE long_task.task SET state_id = ''AC'' WHERE id = %s', r.id)),
      ('problem', 'process_not_left', r.state_id NOT IN ('AE', 'AS', 'AC') AND r.since + r.grace < v_late,
        format('It has ended itself (%s) at %s, and its process on worker %s is still there.', r.state_id, r.since, r.running_on),
        'Look at the process on that machine, and at the log of the node.')
  ) AS f(severity, code, holds, found, advice)
  WHERE f.holds
  ORDER BY r.since
  LIMIT v_shown;
END
$$;

COMMENT ON FUNCTION long_task.doctor_processes() IS 'Findings about tasks that run beyond their timeout, or do not end though they were told to.';

CREATE FUNCTION long_task.doctor_queues() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
  v_shown  CONSTANT integer := 20;
  v_now    timestamptz := long_task.clock();
  v_minute CONSTANT interval := interval '1 minute';
BEGIN
  RETURN QUERY
  SELECT
    f.severity,
    f.code,
    q.subject,
    format('A task that %s could be started since %s, and %s', q.whose, q.since, f.found),
    f.advice
  FROM (
    SELECT
      w.group_id,
      w.worker_id,
      CASE WHEN w.worker_id IS NULL THEN 'group ' || w.group_id ELSE 'worker ' || w.worker_id END AS subject,
      CASE WHEN w.worker_id IS NULL THEN 'any worker of it may run' ELSE 'only this worker may run (worker_id)' END AS whose,
      min(w.since) AS since
    FROM (
      SELECT * FROM long_task.waiting_queues('AW')
      UNION ALL
      SELECT * FROM long_task.waiting_queues('AD')
    ) AS w
    WHERE w.since < v_now - v_minute
    GROUP BY w.group_id, w.worker_id
  ) AS q
  CROSS JOIN LATERAL (
    SELECT count(*) AS live, count(*) FILTER (WHERE COALESCE(s.stop, 0) = 0) AS willing
    FROM long_task.worker_lease AS l
    LEFT JOIN long_task.worker_stop AS s ON s.worker_id = l.worker_id
    WHERE l.active
      AND l.locked_until > v_now
      AND (l.worker_id = q.worker_id OR l.group_id = q.group_id)
  ) AS n
  LEFT JOIN long_task.group_limit AS g ON g.group_id = q.group_id
  CROSS JOIN LATERAL (
    VALUES
      ('problem', 'group_without_node', q.worker_id IS NULL AND n.live = 0, 'no live node serves the group.',
        format('Start a node: node.py <worker_id> %s', q.group_id)),
      ('problem', 'worker_absent', q.worker_id IS NOT NULL AND n.live = 0, 'no live node serves the worker.',
        format('Start a node: node.py %s, or let others run them: UPDATE long_task.task SET worker_id = null WHERE worker_id = %1$s AND state_id IN (''AW'', ''AD'')',
          q.worker_id)),
      ('warning', 'workers_held', n.live > 0 AND n.willing = 0, 'all who may run it have a stop code.',
        'UPDATE long_task.worker SET stop = 0 WHERE id = ... for those that are to go on.'),
      ('warning', 'group_limit_zero', g.max_running = 0, 'its group has a limit of 0.',
        format('UPDATE long_task.group_limit SET max_running = 1 WHERE group_id = %s, or as many as you like, or DELETE the row.', q.group_id))
  ) AS f(severity, code, holds, found, advice)
  WHERE f.holds
  ORDER BY q.since
  LIMIT v_shown;
END
$_$;

COMMENT ON FUNCTION long_task.doctor_queues() IS 'Findings about groups and workers for whom tasks wait that nobody starts.';

CREATE FUNCTION long_task.doctor_retention() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_late  CONSTANT interval := interval '25 hours';
  v_bytes CONSTANT bigint := pg_size_bytes('50 GB');
  v_rows  CONSTANT bigint := 100000000;
  v_now   timestamptz := long_task.clock();
  v_found record;
BEGIN
  RETURN QUERY
  SELECT 'warning', 'not_tidied_up', 'table maintenance', format('Something is in the way of retention: %s', m.error),
    'Nothing, if it has gone by the next round. Else look for a transaction that holds the rows, or for a foreign key or a view that refers to them.'
  FROM long_task.maintenance AS m
  WHERE m.error IS NOT NULL;

  RETURN QUERY
  SELECT
    'warning',
    'retention_late',
    'table maintenance',
    CASE
      WHEN m.next_at < v_now - v_late THEN
        format('There are policies of retention, and nobody has seen to them, which was due at %s.', m.next_at)
      ELSE
        format('Who sees to the policies of retention has not come to an end since %s.', m.swept)
    END,
    CASE
      WHEN m.next_at < v_now - v_late THEN 'Start a node, of any group, or have cron CALL long_task.maintain().'
      ELSE 'CALL long_task.maintain(), which makes no pauses.'
    END
  FROM long_task.maintenance AS m
  WHERE (m.next_at < v_now - v_late OR m.swept < v_now - v_late)
    AND (EXISTS (SELECT FROM long_task.retention) OR EXISTS (SELECT FROM long_task.history_retention));

  IF EXISTS (SELECT FROM long_task.history_retention AS h WHERE h.keep IS NOT NULL OR h.keep_rows IS NOT NULL) THEN
    RETURN;
  END IF;
  SELECT
    sum(pg_total_relation_size(to_regclass(format('long_task.task_run_%s', p.part)))) AS bytes,
    sum(long_task.history_rows(p.part)) AS number
  INTO v_found
  FROM long_task.task_run_part AS p;
  IF v_found.bytes > v_bytes OR v_found.number > v_rows THEN
    RETURN NEXT ('warning', 'history_endless', 'table task_run',
      format('History is kept for ever: about %s rows, %s.', v_found.number, pg_size_pretty(v_found.bytes)),
      'INSERT INTO long_task.history_retention (keep) VALUES (''90 days''), or as long as you need it.'
    )::long_task.finding;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.doctor_retention() IS 'Findings about policies of retention that are not seen to, and about history that has none.';

CREATE FUNCTION long_task.doctor_server() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_default CONSTANT bigint := 128 * 1024 * 1024;
  v_few     CONSTANT integer := 10;
  v_room    integer;
  v_used    integer;
  v_buffers bigint := pg_size_bytes(current_setting('shared_buffers'));
  v_bytes   bigint;
  v_newer   boolean := current_setting('server_version_num')::integer >= 170000;
  v_counters text[] := CASE
    WHEN v_newer THEN ARRAY['checkpointer_num_timed', 'checkpointer_num_requested']
    ELSE ARRAY['bgwriter_timed_checkpoints', 'bgwriter_requested_checkpoints']
  END;
  v_timed   bigint;
  v_asked   bigint;
BEGIN
  -- Whoever finds no room is a node that has lost its connection, and then its lease.
  v_room := current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
    - COALESCE(current_setting('reserved_connections', true), '0')::integer;
  SELECT sum(d.numbackends) INTO v_used
  FROM pg_stat_database AS d;
  IF v_used > 0.8 * v_room THEN
    RETURN NEXT (CASE WHEN v_used > 0.95 * v_room THEN 'problem' ELSE 'warning' END, 'connections_few', 'server',
      format('%s of %s connections are taken: a node that finds none loses its lease, and kills its tasks.', v_used, v_room),
      'Close what is idle, put applications behind a pooler, or ALTER SYSTEM SET max_connections, and restart.'
    )::long_task.finding;
  END IF;

  -- Reports look tasks up one by one: what is not in memory is read from the disk for each.
  SELECT sum(pg_table_size(c.oid) + pg_indexes_size(c.oid)) INTO v_bytes
  FROM pg_class AS c
  WHERE c.oid IN ('long_task.task'::regclass, 'long_task.task_dependency'::regclass);
  IF v_buffers <= v_default AND v_bytes > 4 * v_buffers THEN
    RETURN NEXT ('warning', 'shared_buffers_small', 'server',
      format('shared_buffers is %s, and tasks with their indexes take %s.', pg_size_pretty(v_buffers), pg_size_pretty(v_bytes)),
      'ALTER SYSTEM SET shared_buffers to a quarter of the memory, and restart. Delete ended tasks that nobody needs.'
    )::long_task.finding;
  END IF;

  -- After each checkpoint every page goes into the log whole when it is first changed.
  EXECUTE format('SELECT %I(), %I()', 'pg_stat_get_' || v_counters[1], 'pg_stat_get_' || v_counters[2])
  INTO v_timed, v_asked;
  IF v_asked >= v_few AND v_asked > v_timed THEN
    RETURN NEXT ('warning', 'checkpoints_often', 'server',
      format('%s checkpoints were asked for, and %s came by checkpoint_timeout: max_wal_size is %s, and each writes whole pages anew.',
        v_asked, v_timed, current_setting('max_wal_size')),
      format('ALTER SYSTEM SET max_wal_size = ''8GB''; SELECT pg_reload_conf(), pg_stat_reset_shared(%L)',
        CASE WHEN v_newer THEN 'checkpointer' ELSE 'bgwriter' END)
    )::long_task.finding;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.doctor_server() IS 'Findings about connections, memory and checkpoints of the server.';

CREATE FUNCTION long_task.doctor_sessions() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_long     CONSTANT interval := interval '5 minutes';
  v_too_long CONSTANT interval := interval '1 hour';
  v_many     CONSTANT integer := 100000;
  v_now      timestamptz := long_task.clock();
BEGIN
  RETURN QUERY
  SELECT
    CASE WHEN s.since < v_now - v_too_long THEN 'problem' ELSE 'warning' END,
    CASE WHEN s.held IS NULL THEN 'idle_in_transaction' ELSE 'snapshot_held' END,
    format('pid %s', s.pid),
    format('A transaction of user %s%s %s, state %s%s.',
      COALESCE(s.usename::text, '?'),
      COALESCE(', application ' || NULLIF(s.application_name, ''), ''),
      COALESCE('has been open since ' || s.since, 'has long been open (since when is hidden from ' || current_user || ')'),
      COALESCE(s.state, 'hidden'),
      CASE
        WHEN s.held IS NULL THEN ': what it has locked stays locked'
        ELSE format(': no row that has ended in the latest %s transactions can be cleared away, and claims pass over them', s.held)
      END),
    format('Have its owner end the transaction, or SELECT pg_terminate_backend(%s). idle_in_transaction_session_timeout ends forgotten ones.', s.pid)
  FROM (
    SELECT
      a.pid,
      a.usename,
      a.application_name,
      a.state,
      a.xact_start AS since,
      GREATEST(age(a.backend_xmin), age(a.backend_xid)) AS held
    FROM pg_stat_activity AS a
    WHERE a.datname = current_database()
      AND a.pid <> pg_backend_pid()
      AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum AS v WHERE v.pid = a.pid)
  ) AS s
  WHERE (s.since < v_now - v_long AND (s.held IS NOT NULL OR s.state LIKE 'idle in transaction%'))
     OR (s.since IS NULL AND s.held > v_many);

  RETURN QUERY
  SELECT
    'note',
    'sessions_hidden',
    current_user::text,
    format('%s sessions of other users in this database are hidden from %s: whether they keep a transaction open is only known by its age in transactions.',
      count(*), current_user),
    format('GRANT pg_read_all_stats TO %I, or ask as somebody who has it.', session_user)
  FROM pg_stat_activity AS a
  WHERE a.datname = current_database()
    AND a.query = '<insufficient privilege>'
  HAVING count(*) > 0;
END
$$;

COMMENT ON FUNCTION long_task.doctor_sessions() IS 'Findings about sessions whose transaction has been open for long.';

CREATE FUNCTION long_task.doctor_settings() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_lost_claim CONSTANT text := 'a crash takes commits back: a task that was inserted is lost, one that was started is started again beside its first process';
BEGIN
  RETURN QUERY
  SELECT r.severity, r.code, 'server'::text, format('%s is %s: %s.', s.name, s.reset_val, r.why), r.advice
  FROM (
    VALUES
      ('fsync', 'off', 'problem', 'not_durable', 'a crash of the machine can destroy the whole database',
        'ALTER SYSTEM RESET fsync; SELECT pg_reload_conf()'),
      ('full_page_writes', 'off', 'problem', 'not_durable', 'a crash of the machine can leave pages half written',
        'ALTER SYSTEM RESET full_page_writes; SELECT pg_reload_conf()'),
      ('synchronous_commit', 'off', 'problem', 'not_durable', v_lost_claim,
        'ALTER SYSTEM RESET synchronous_commit; SELECT pg_reload_conf(). Or ALTER DATABASE, ALTER ROLE, if it is set there.')
  ) AS r(name, bad, severity, code, why, advice)
  JOIN pg_settings AS s ON s.name = r.name AND s.reset_val = r.bad;

  RETURN QUERY
  SELECT 'warning', 'isolation_level', 'server',
    format('default_transaction_isolation is %s: people''s transactions do not see what they have to, and dependencies are refused in them; so are nodes, through a pooler.',
      s.reset_val),
    format('ALTER DATABASE %I SET default_transaction_isolation = ''read committed''', current_database())
  FROM pg_settings AS s
  WHERE s.name = 'default_transaction_isolation'
    AND s.reset_val IN ('repeatable read', 'serializable');

  RETURN QUERY
  SELECT 'problem', 'not_durable', format('role %s', o.rolname),
    format('synchronous_commit is off in its sessions: %s.', v_lost_claim),
    format('ALTER ROLE %I%s RESET synchronous_commit', o.rolname, ' IN DATABASE ' || quote_ident(d.datname))
  FROM pg_db_role_setting AS s
  JOIN pg_roles AS o ON o.oid = s.setrole
  LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
  WHERE (s.setdatabase = 0 OR d.datname = current_database())
    AND s.setconfig && ARRAY['synchronous_commit=off', 'synchronous_commit=false', 'synchronous_commit=0', 'synchronous_commit=no']
    AND o.rolname <> session_user;
END
$$;

COMMENT ON FUNCTION long_task.doctor_settings() IS 'Findings about settings by which tasks may be lost or run twice, or people be refused.';

CREATE FUNCTION long_task.doctor_snapshots() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_long     CONSTANT interval := interval '5 minutes';
  v_too_long CONSTANT interval := interval '1 hour';
  v_many     CONSTANT integer := 100000;
  v_now      timestamptz := long_task.clock();
BEGIN
  RETURN QUERY
  SELECT
    CASE WHEN p.prepared < v_now - v_too_long THEN 'problem' ELSE 'warning' END,
    'transaction_prepared',
    format('prepared transaction %s', p.gid),
    format('It was prepared by %s at %s and holds its locks and its snapshot, %s transactions old, until somebody ends it.',
      p.owner, p.prepared, age(p.transaction)),
    format('COMMIT PREPARED %L, or ROLLBACK PREPARED %L.', p.gid, p.gid)
  FROM pg_prepared_xacts AS p
  WHERE p.database = current_database()
    AND p.prepared < v_now - v_long;

  RETURN QUERY
  SELECT
    CASE WHEN s.active THEN 'warning' ELSE 'problem' END,
    'slot_holds_snapshot',
    format('replication slot %s', s.slot_name),
    format('It is %s and holds back the clearing of dead rows by %s transactions.',
      CASE WHEN s.active THEN 'in use' ELSE 'used by nobody' END, age(s.xmin)),
    CASE
      WHEN s.active THEN 'End long queries on the standby, or set hot_standby_feedback = off there.'
      ELSE format('If its standby does not come back: SELECT pg_drop_replication_slot(%L)', s.slot_name)
    END
  FROM pg_replication_slots AS s
  WHERE age(s.xmin) > v_many;

  RETURN QUERY
  SELECT
    'warning',
    'standby_holds_snapshot',
    format('standby %s', COALESCE(NULLIF(r.application_name, ''), r.pid::text)),
    format('By hot_standby_feedback it holds back the clearing of dead rows by %s transactions.', age(r.backend_xmin)),
    'End long queries on the standby, or set hot_standby_feedback = off there.'
  FROM pg_stat_replication AS r
  WHERE age(r.backend_xmin) > v_many;
END
$$;

COMMENT ON FUNCTION long_task.doctor_snapshots() IS 'Findings about prepared transactions, replication slots and standbys that hold back the clearing of dead rows.';

CREATE FUNCTION long_task.doctor_vacuum() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_recent CONSTANT timestamptz := long_task.clock() - interval '10 minutes';
  v_freeze CONSTANT bigint := current_setting('autovacuum_freeze_max_age')::bigint;
  v_multi  CONSTANT bigint := current_setting('autovacuum_multixact_freeze_max_age')::bigint;
BEGIN
  RETURN QUERY
  SELECT 'problem', 'autovacuum_off', 'server', format('%s is off: nothing clears dead rows away.', s.name),
    format('ALTER SYSTEM SET %s = on; SELECT pg_reload_conf()', s.name)
  FROM pg_settings AS s
  WHERE s.name IN ('autovacuum', 'track_counts')
    AND s.reset_val = 'off';

  RETURN QUERY
  SELECT 'warning', 'autovacuum_off', format('table %s%s', c.relname, long_task.history_label(c.relname)),
    'Autovacuum is switched off for it: nothing clears its dead rows away.',
    format('ALTER TABLE %s RESET (autovacuum_enabled)', c.oid::regclass)
  FROM pg_class AS c
  CROSS JOIN LATERAL pg_options_to_table(c.reloptions) AS o
  WHERE c.relnamespace = 'long_task'::regnamespace
    AND o.option_name = 'autovacuum_enabled'
    AND NOT o.option_value::boolean;

  RETURN QUERY
  SELECT 'warning', v.code, format('table %s%s', t.relname, long_task.history_label(t.relname)), v.found, format(v.advice, t.oid::regclass)
  FROM (
    SELECT
      c.oid,
      c.relname,
      c.reltuples,
      pg_stat_get_dead_tuples(c.oid) AS dead,
      long_task.table_option(c.reloptions, 'autovacuum_vacuum_threshold')
        + long_task.table_option(c.reloptions, 'autovacuum_vacuum_scale_factor') * GREATEST(c.reltuples, 0) AS allowed,
      GREATEST(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid)) AS vacuumed,
      pg_stat_get_mod_since_analyze(c.oid) AS changed,
      long_task.table_option(c.reloptions, 'autovacuum_analyze_threshold')
        + long_task.table_option(c.reloptions, 'autovacuum_analyze_scale_factor') * GREATEST(c.reltuples, 0) AS changeable,
      GREATEST(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid)) AS analyzed
    FROM pg_class AS c
    WHERE c.relnamespace = 'long_task'::regnamespace
      AND c.relkind = 'r'
  ) AS t
  CROSS JOIN LATERAL (
    VALUES
      ('vacuum_behind', t.dead > 10000 AND t.dead > 3 * t.allowed AND (t.vacuumed > v_recent) IS NOT TRUE,
        format('%s dead rows, and autovacuum should begin at %s; the latest VACUUM was %s.',
          t.dead, round(t.allowed), COALESCE('at ' || t.vacuumed, 'never, as far as is known')),
        'VACUUM %s. If it comes again: autovacuum_max_workers, autovacuum_vacuum_cost_limit, or somebody who holds a snapshot.'),
      ('statistics_old', t.changed > 100000 AND t.changed > 3 * t.changeable AND (t.analyzed > v_recent) IS NOT TRUE,
        format('%s rows have changed since the latest ANALYZE (%s): plans are made for another table.',
          t.changed, COALESCE('at ' || t.analyzed, 'never, as far as is known')),
        'ANALYZE %s')
  ) AS v(code, holds, found, advice)
  WHERE v.holds;

  RETURN QUERY
  SELECT
    CASE WHEN GREATEST(age(d.datfrozenxid), mxid_age(d.datminmxid)) > 1500000000 THEN 'problem' ELSE 'warning' END,
    'wraparound_near',
    format('database %s', d.datname),
    format('Its oldest transaction number is %s transactions old (multixact: %s); at some two billions it takes no more writes.',
      age(d.datfrozenxid), mxid_age(d.datminmxid)),
    'End what holds old snapshots (if there is any, it is among these findings), then VACUUM (FREEZE), as the owner of all tables.'
  FROM pg_database AS d
  WHERE d.datname = current_database()
    AND (age(d.datfrozenxid) > LEAST(1.5 * v_freeze, 1000000000) OR mxid_age(d.datminmxid) > LEAST(1.5 * v_multi, 1000000000));
END
$$;

COMMENT ON FUNCTION long_task.doctor_vacuum() IS 'Findings about autovacuum, statistics, and the age of transaction numbers.';

CREATE FUNCTION long_task.doctor_workers() RETURNS SETOF long_task.finding
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_hour   CONSTANT interval := interval '1 hour';
  v_now    timestamptz := long_task.clock();
  v_served boolean := EXISTS (SELECT FROM long_task.worker_lease AS l WHERE l.active AND l.locked_until > v_now);
  v_last   bigint := -2147483649; -- less than any id
  v_lease  long_task.worker_lease;
  v_worker integer;
  v_stop   smallint;
  v_tasks  bigint;
  v_latest timestamptz;
BEGIN
  FOR v_place IN 1 .. 1000 LOOP
    SELECT t.running_on INTO v_worker
    FROM long_task.task AS t
    WHERE t.running_on IS NOT NULL AND t.running_on > v_last
    ORDER BY t.running_on
    LIMIT 1;
    EXIT WHEN v_worker IS NULL;
    v_last := v_worker;
    SELECT l.* INTO v_lease FROM long_task.worker_lease AS l WHERE l.worker_id = v_worker;
    v_stop := (SELECT s.stop FROM long_task.worker_stop AS s WHERE s.worker_id = v_worker);
    CONTINUE WHEN v_lease.active AND v_lease.locked_until > v_now AND COALESCE(v_stop, 0) < 2;
    SELECT count(*), max(r.started) INTO v_tasks, v_latest
    FROM (SELECT t.started FROM long_task.task AS t WHERE t.running_on = v_worker LIMIT 1001) AS r;

    IF v_lease.active AND v_lease.locked_until > v_now THEN
      IF v_latest < v_now - v_hour THEN
        RETURN NEXT ('warning', 'worker_drains', format('worker %s', v_worker),
          format('It has stop = %s, and leaves when its tasks have ended: %s, the latest of them started at %s.',
            v_stop, long_task.counted(v_tasks), v_latest),
          format('Wait, cancel them (stop = 3), or take it back: UPDATE long_task.worker SET stop = 0 WHERE id = %s', v_worker)
        )::long_task.finding;
      END IF;
    ELSIF NOT COALESCE(v_lease.active, false)
       OR long_task.lease_over_at(v_lease) < v_now
         - v_served::integer * (v_lease.lease_duration + v_lease.recovery_delay) THEN
      RETURN NEXT ('problem', 'worker_failed', format('worker %s', v_worker),
        format('Tasks that count as running: %s; no node holds the worker%s.', long_task.counted(v_tasks),
          CASE WHEN v_lease.active THEN ' since ' || v_lease.locked_until ELSE '' END),
        CASE
          WHEN v_served THEN 'Look for a transaction that holds their rows, among these findings and in pg_locks. '
          ELSE 'Start a node, of any group: it gives them back. '
        END || format('If need be, as the owner of the schema: SELECT long_task.recover_worker_tasks(%s)', v_worker)
      )::long_task.finding;
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.doctor_workers() IS 'Findings about workers that have failed and whose tasks nobody gives back, and about those that drain for long.';

CREATE FUNCTION long_task.drop_history(OUT dropped boolean, OUT held boolean) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '20ms'
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

COMMENT ON FUNCTION long_task.drop_history(OUT dropped boolean, OUT held boolean) IS 'Drop the oldest partition of task_run, if it need not be kept. Returns whether that was done, and whether somebody stands in the way.';

CREATE FUNCTION long_task.due_starts(p_schedule long_task.schedule, p_now timestamp with time zone, OUT queue_for timestamp with time zone, OUT copies timestamp with time zone[], OUT next_start timestamp with time zone, OUT waiting boolean) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_patience CONSTANT interval := interval '1 minute';
  v_enough   CONSTANT bigint := 8388608;
  v_copies   integer := GREATEST(1, LEAST(20, v_enough / p_schedule.copy_bytes));
  v_each     boolean := p_schedule.missed IS NOT DISTINCT FROM 'run each';
  v_oldest   timestamptz := p_now
    - COALESCE(p_schedule.missed_after, CASE WHEN p_schedule.missed = 'skip' THEN v_patience END);
  v_end      timestamptz := LEAST(p_now, p_schedule.until);
  v_start    timestamptz := p_schedule.next_start;
  v_starts   timestamptz[] := ARRAY[]::timestamptz[];
  v_what     text := CASE
    WHEN p_schedule.shed_clone THEN
      CASE WHEN p_schedule.overlap = 'skip' AND EXISTS (
        SELECT
        FROM long_task.task AS c
        WHERE c.shed_parent_id = p_schedule.task_id
          AND c.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC')
      ) THEN 'skip' ELSE 'copy' END
    WHEN p_schedule.state_id IN ('CS', 'CF', 'CC') THEN 'queue'
    WHEN p_schedule.state_id = 'DR' THEN 'skip'
    WHEN p_schedule.overlap = 'clone' THEN 'copy'
    WHEN p_schedule.overlap = 'queue one' OR v_each THEN 'wait'
    ELSE 'skip'
  END;
  -- Each is to be run, one after the other, by the task itself.
  v_in_turn  boolean := v_each AND v_what IN ('queue', 'wait') AND p_schedule.overlap IS DISTINCT FROM 'clone';
BEGIN
  IF v_start < v_oldest AND p_schedule.shed_waiting IS NULL THEN
    v_start := long_task.next_start_after(p_schedule, v_oldest - interval '1 microsecond');
  END IF;
  next_start := CASE WHEN (v_start > p_schedule.until) IS NOT TRUE THEN v_start END;
  IF (next_start <= v_end) IS NOT TRUE THEN
    RETURN; -- all were given up, or the schedule is over
  END IF;

  IF v_each THEN
    LOOP
      v_starts := v_starts || next_start;
      next_start := long_task.next_start_after(p_schedule, next_start);
      EXIT WHEN (next_start <= v_end) IS NOT TRUE;
      EXIT WHEN cardinality(v_starts) = CASE WHEN v_in_turn THEN 1 ELSE v_copies END;
    END LOOP;
  ELSE
    v_starts := ARRAY[next_start];
    next_start := long_task.next_start_after(p_schedule, next_start);
    IF next_start <= v_end THEN
      v_starts := ARRAY[long_task.latest_start(p_schedule, next_start, v_end)];
      next_start := long_task.next_start_after(p_schedule, v_starts[1]);
    END IF;
  END IF;

  CASE v_what
    WHEN 'queue' THEN
      queue_for := v_starts[1];
      copies := v_starts[2:];
      waiting := CASE WHEN v_in_turn AND next_start <= v_end THEN true END;
    WHEN 'copy' THEN
      copies := v_starts;
    WHEN 'wait' THEN
      next_start := v_starts[1];
      waiting := true;
    WHEN 'skip' THEN
      NULL;
  END CASE;
END
$$;

COMMENT ON FUNCTION long_task.due_starts(p_schedule long_task.schedule, p_now timestamp with time zone, OUT queue_for timestamp with time zone, OUT copies timestamp with time zone[], OUT next_start timestamp with time zone, OUT waiting boolean) IS 'Which starts a task''s schedule makes at a time: of the task itself, of copies; and when it is due again.';

CREATE TABLE long_task.worker_lease (
    worker_id integer NOT NULL,
    group_id integer NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    active boolean DEFAULT false NOT NULL,
    locked_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    lease_duration interval DEFAULT '00:00:00'::interval NOT NULL,
    recovery_delay interval DEFAULT '00:00:00'::interval NOT NULL,
    task_count integer DEFAULT 0 NOT NULL,
    slots integer DEFAULT 0 NOT NULL,
    node_name text,
    host text,
    pid integer,
    process text,
    connection integer DEFAULT 0 NOT NULL,
    version text,
    since timestamp with time zone,
    CONSTRAINT worker_lease_has_slots CHECK ((slots >= 0))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='20000', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='1000000');

COMMENT ON TABLE long_task.worker_lease IS 'The lease of each worker: which node serves it, and until when. Written by the nodes'' procedures only.';

COMMENT ON COLUMN long_task.worker_lease.worker_id IS 'The worker.';

COMMENT ON COLUMN long_task.worker_lease.group_id IS 'Group whose tasks it runs.';

COMMENT ON COLUMN long_task.worker_lease.epoch IS 'Grows with each new holder; a call under an older one is refused.';

COMMENT ON COLUMN long_task.worker_lease.active IS 'Whether a node holds it, as far as is known.';

COMMENT ON COLUMN long_task.worker_lease.locked_until IS 'End of the lease by the database''s clock.';

COMMENT ON COLUMN long_task.worker_lease.lease_duration IS 'How long the lease lasts from each renewal.';

COMMENT ON COLUMN long_task.worker_lease.recovery_delay IS 'How long after its end others wait before they take the lease to be lost.';

COMMENT ON COLUMN long_task.worker_lease.task_count IS 'Processes at the latest renewal; worker_status counts them afresh.';

COMMENT ON COLUMN long_task.worker_lease.slots IS 'Largest number of processes at once.';

COMMENT ON COLUMN long_task.worker_lease.node_name IS 'Name of the node that holds it, or held it last.';

COMMENT ON COLUMN long_task.worker_lease.host IS 'Host name of that node.';

COMMENT ON COLUMN long_task.worker_lease.pid IS 'Process id of that node.';

COMMENT ON COLUMN long_task.worker_lease.process IS 'Boot id, host, account, pid namespace, pid and start of that node: on its machine one can tell whether it is dead.';

COMMENT ON COLUMN long_task.worker_lease.connection IS 'Number of the connection over which that node speaks; what an earlier one left behind on its way is refused.';

COMMENT ON COLUMN long_task.worker_lease.version IS 'Release of pg_tasks on that node.';

COMMENT ON COLUMN long_task.worker_lease.since IS 'When that node took the lease.';

CREATE FUNCTION long_task.end_lease(p_lease long_task.worker_lease, p_reports json DEFAULT '[]'::json) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_lost integer := long_task.write_off_attempts(p_lease.worker_id, p_reports);
  v_left boolean := EXISTS (SELECT FROM long_task.task AS t WHERE t.running_on = p_lease.worker_id);
BEGIN
  UPDATE long_task.worker_lease AS l
  SET
    active = l.active AND v_left,
    task_count = 0,
    locked_until = LEAST(l.locked_until, long_task.clock())
  WHERE l.worker_id = p_lease.worker_id;
  RETURN CASE WHEN NOT v_left THEN v_lost END;
END
$$;

COMMENT ON FUNCTION long_task.end_lease(p_lease long_task.worker_lease, p_reports json) IS 'Close a lease and write off what was left behind. Returns how many attempts were lost; null: call again.';

CREATE FUNCTION long_task.enter_task() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF NEW.state_id NOT IN ('DR', 'AW') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT003',
      MESSAGE = format('a task cannot begin in state %s', quote_literal(NEW.state_id)),
      HINT = 'Insert it as DR (draft) or AW (waiting).';
  END IF;
  IF NEW.running_on IS NOT NULL OR NEW.attempt <> 0 OR NEW.base_attempt <> 0 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = 'running_on, attempt and base_attempt are written by the system',
      HINT = 'Leave these columns out of the INSERT.';
  END IF;
  IF NEW.state_id = 'AW' AND NEW.start_after > long_task.clock() THEN
    NEW.state_id := 'AD';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.enter_task() IS 'Trigger: refuse states that a task cannot begin in; turn a waiting task with a later start into a delayed one.';

CREATE FUNCTION long_task.entries_read(p_queue text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN pg_stat_get_xact_tuples_returned(CASE p_queue
    WHEN 'group' THEN 'long_task.task_ready'::regclass
    WHEN 'worker' THEN 'long_task.task_ready_pinned'::regclass
    WHEN 'delayed_group' THEN 'long_task.task_delayed'::regclass
    WHEN 'delayed_worker' THEN 'long_task.task_delayed_pinned'::regclass
    WHEN 'schedule' THEN 'long_task.task_scheduled'::regclass
  END);
END
$$;

COMMENT ON FUNCTION long_task.entries_read(p_queue text) IS 'How many entries of the index of a queue this session has read so far.';

CREATE FUNCTION long_task.fill_in(p_command text[], p_word text, p_values jsonb) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_command text[] := p_command;
  v_pattern text := '%' || p_word || ':([^%]+)%';
  v_limit   CONSTANT integer := 131072;
  v_most    CONSTANT integer := 1000;
  v_bytes   bigint := 0;
  v_places  integer := 0;
  v_rest    text;
  v_filled  text;
  v_asked   text;
  v_name    text;
  v_value   text;
BEGIN
  FOR v_place IN 1 .. cardinality(p_command) LOOP
    v_rest := p_command[v_place];
    CONTINUE WHEN v_rest !~ v_pattern;
    v_filled := '';
    LOOP
      v_asked := substring(v_rest FROM v_pattern);
      EXIT WHEN v_asked IS NULL;
      SELECT max(r.name) INTO v_name
      FROM jsonb_object_keys(p_values) AS r(name)
      WHERE v_asked = r.name
         OR starts_with(v_asked, r.name || '.');
      v_value := CASE
        WHEN v_asked = v_name THEN long_task.plain_text(p_values -> v_name)
        ELSE p_values -> v_name #>> string_to_array(substr(v_asked, length(v_name) + 2), '.')
      END;
      IF v_value IS NULL THEN
        PERFORM long_task.refuse('LT013', format('command asks for %%%s:%s%%, and there is none', p_word, v_asked),
          format('There are values of %s.',
            COALESCE((SELECT string_agg(r.name, ', ') FROM jsonb_object_keys(p_values) AS r(name)), 'nothing')));
      END IF;
      v_asked := '%' || p_word || ':' || v_asked || '%';
      v_filled := v_filled || left(v_rest, strpos(v_rest, v_asked) - 1) || v_value;
      v_rest := substr(v_rest, strpos(v_rest, v_asked) + length(v_asked));
      v_bytes := v_bytes + octet_length(v_value);
      v_places := v_places + 1;
      IF v_bytes > v_limit OR v_places > v_most THEN
        PERFORM long_task.refuse('LT013', format('command asks for more than %s bytes or at more than %s places', v_limit, v_most),
          'Pass it in params or on stdin.');
      END IF;
    END LOOP;
    v_command[v_place] := v_filled || v_rest;
  END LOOP;
  RETURN v_command;
END
$$;

COMMENT ON FUNCTION long_task.fill_in(p_command text[], p_word text, p_values jsonb) IS 'A command with each %WORD:name.path% replaced by what is found there among values by name.';

CREATE FUNCTION long_task.find_next_start() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_now     timestamptz := long_task.clock() - interval '1 microsecond'; -- so that a start at this instant is one
  v_given   boolean := NEW.next_start IS NOT NULL;
  v_other   boolean := true; -- another schedule than before
  v_again   boolean := false; -- one that was paused
  v_longer  boolean := false; -- one whose end was put off
  v_period  boolean := false; -- another interval
  v_message text;
  v_hint    text;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    v_given := v_given AND NEW.next_start IS DISTINCT FROM OLD.next_start;
    v_other := NEW.cron IS DISTINCT FROM OLD.cron OR NEW.time_zone IS DISTINCT FROM OLD.time_zone;
    v_again := NEW.shed_enabled AND NOT OLD.shed_enabled AND NEW.next_start <= v_now AND NOT v_given;
    v_longer := NEW.until IS DISTINCT FROM OLD.until AND NEW.next_start IS NULL AND NEW.shed_anchor IS NOT NULL;
    v_period := NEW.shed_period_id IS DISTINCT FROM OLD.shed_period_id
      OR NEW.shed_period_count IS DISTINCT FROM OLD.shed_period_count;
    -- A start that waits for an end goes on waiting, unless it is judged by something else now.
    IF v_given OR v_other OR v_period OR NEW.next_start IS NULL OR NEW.shed_enabled <> OLD.shed_enabled
       OR NEW.shed_clone <> OLD.shed_clone OR NEW.missed IS DISTINCT FROM OLD.missed
       OR NEW.overlap IS DISTINCT FROM OLD.overlap THEN
      NEW.shed_waiting := NULL;
    END IF;
    IF NEW.shed_enabled THEN
      NEW.shed_error := NULL;
    END IF;
    IF NEW.cron IS NULL AND OLD.cron IS NOT NULL AND NOT v_given THEN
      NEW.next_start := NULL;
    END IF;
    IF NEW.next_start IS NULL AND OLD.next_start IS NOT NULL THEN
      NEW.shed_anchor := NULL;
    END IF;
  END IF;
  IF v_given OR v_period AND NEW.next_start IS NOT NULL THEN
    NEW.shed_anchor := NEW.next_start;
  END IF;
  IF v_other AND NEW.cron IS NULL THEN
    NEW.cron_fields := NULL;
  ELSIF v_other THEN
    BEGIN
      NEW.cron_fields := long_task.parse_cron(NEW.cron);
    EXCEPTION
      WHEN SQLSTATE 'LT007' THEN
        -- Raised anew, so that people see one line of context.
        GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
    END;
    IF v_message IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'LT007', MESSAGE = v_message, HINT = v_hint;
    END IF;
  END IF;

  IF NEW.cron IS NOT NULL AND v_given THEN
    NEW.next_start := long_task.next_start_after(long_task.schedule_of(NEW), NEW.next_start - interval '1 microsecond');
  ELSIF v_longer AND NOT v_other THEN
    NEW.next_start := long_task.next_start_after(
      long_task.schedule_of(NEW), GREATEST(v_now, NEW.shed_anchor - interval '1 microsecond'));
  ELSIF v_again AND NEW.shed_period_id IS NOT NULL
     OR NEW.cron IS NOT NULL AND (v_other OR v_again OR NEW.next_start IS NULL) THEN
    NEW.next_start := long_task.next_start_after(long_task.schedule_of(NEW), v_now);
  END IF;
  IF NEW.cron IS NOT NULL AND v_other AND NEW.next_start IS NULL
     AND long_task.cron_time_after(NEW.cron_fields, NEW.time_zone, v_now) IS NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('the time of cron %s never comes', quote_literal(NEW.cron)),
      HINT = 'No month it names has the day it names.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.find_next_start() IS 'Trigger: find the first start of a schedule that a person has written, changed or resumed.';

CREATE FUNCTION long_task.finish_attempts(p_worker_id integer, p_reports json) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
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

COMMENT ON FUNCTION long_task.finish_attempts(p_worker_id integer, p_reports json) IS 'Write down how attempts ended and decide how their tasks go on. Returns the tasks whose report has to be handed in again.';

CREATE FUNCTION long_task.finish_deleted_attempts(p_worker_id integer, p_node_name text, p_reports json, p_part integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  v_now    timestamptz := long_task.clock();
  v_keys   text[];
  v_groups integer[];
  v_needed bigint[];
BEGIN
  WITH gone AS (
    DELETE FROM long_task.deleted_attempt AS d
    USING json_to_recordset(p_reports) AS r(task_id bigint, attempt integer)
    WHERE d.worker_id = p_worker_id
      AND d.task_id = r.task_id
      AND d.attempt = r.attempt
    RETURNING d.task_id, d.attempt, d.group_id, d.started, d.started_by, d.scheduled_for, d.concurrency_key
  ),
  history AS (
    INSERT INTO long_task.task_run (
      task_id, attempt, group_id, worker_id, node_name, pid, started, finished, state_id, exit_code, signal,
      error, output, user_seconds, system_seconds, peak_memory, started_by, scheduled_for, part
    )
    SELECT
      g.task_id, g.attempt, g.group_id, p_worker_id, p_node_name, r.pid,
      COALESCE(v_now - make_interval(secs => r.started_ago), g.started, v_now),
      v_now - make_interval(secs => r.ended_ago),
      'CC', r.exit_code, r.signal, 'task deleted', r.output, r.user_seconds, r.system_seconds,
      r.peak_memory, g.started_by, g.scheduled_for, p_part
    FROM gone AS g
    JOIN json_to_recordset(p_reports) AS r(
      task_id        bigint,
      attempt        integer,
      pid            integer,
      exit_code      smallint,
      signal         smallint,
      started_ago    double precision,
      ended_ago      double precision,
      user_seconds   real,
      system_seconds real,
      peak_memory    bigint,
      output         text
    ) ON r.task_id = g.task_id AND r.attempt = g.attempt
    ON CONFLICT DO NOTHING
  )
  SELECT
    array_agg(DISTINCT g.concurrency_key) FILTER (WHERE g.concurrency_key IS NOT NULL),
    array_agg(DISTINCT g.group_id),
    array_agg(g.task_id) FILTER (WHERE EXISTS (
      SELECT FROM long_task.task_dependency AS d WHERE d.needs_task_id = g.task_id
    ))
  INTO v_keys, v_groups, v_needed
  FROM gone AS g;
  IF v_keys IS NOT NULL THEN
    PERFORM long_task.free_keys(v_keys);
  END IF;
  IF v_needed IS NOT NULL THEN
    PERFORM long_task.settle_tasks(v_needed);
  END IF;
  PERFORM long_task.announce(g.group_id, NULL)
  FROM long_task.group_limit AS g
  WHERE g.group_id = ANY (v_groups);
END
$$;

COMMENT ON FUNCTION long_task.finish_deleted_attempts(p_worker_id integer, p_node_name text, p_reports json, p_part integer) IS 'Write down how attempts ended whose tasks were deleted while they ran.';

CREATE FUNCTION long_task.fire_schedules(p_limit integer) RETURNS double precision
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  v_pause   CONSTANT double precision := 0.2;
  v_enough  CONSTANT interval := interval '500 milliseconds';
  v_bytes   CONSTANT bigint := 8388608;
  -- Errors that are a row's own: data, constraints, exceptions that were raised, those of this schema.
  v_own     CONSTANT text[] := ARRAY['22', '23', 'P0', 'LT'];
  v_begun   timestamptz := clock_timestamp(); -- a duration, not a time
  v_now     timestamptz := long_task.clock();
  v_due     timestamptz;
  v_ids     bigint[];
  v_id      bigint;
  v_later   boolean := false; -- something could not be done now
  v_in_vain CONSTANT integer := 500;
  v_look    CONSTANT integer := 1000;
  v_spans   long_task.queue_span[];
  v_read    bigint;
  v_fired   bigint := 0;
  v_again   double precision;
BEGIN
  IF current_setting('long_task.gaps', true) <> '' THEN
    v_again := long_task.look_into_gaps('schedule', 0, v_look, true);
  END IF;
  v_spans := long_task.queue_spans('schedule', 0);
  v_read := pg_stat_get_xact_tuples_returned('long_task.task_scheduled'::regclass); -- as entries_read, without a call
  LOOP
    v_due := (
      SELECT f.next_start
      FROM unnest(v_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.next_start
        FROM long_task.task AS t
        WHERE t.next_start >= long_task.place_to_time(s.from_place)
          AND t.next_start < long_task.place_to_time(s.to_place)
          AND t.next_start IS NOT NULL
          AND t.shed_enabled
          AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
        ORDER BY t.next_start
        LIMIT 1
      ) AS f
      LIMIT 1
    );
    EXIT WHEN v_due > v_now OR v_due IS NULL OR clock_timestamp() > v_begun + v_enough;
    v_ids := ARRAY(
      SELECT f.id
      FROM unnest(v_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.id
        FROM long_task.task AS t
        WHERE t.next_start <= v_now
          AND t.next_start >= long_task.place_to_time(s.from_place)
          AND t.next_start < long_task.place_to_time(s.to_place)
          AND t.next_start IS NOT NULL
          AND t.shed_enabled
          AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
        ORDER BY t.next_start
        LIMIT p_limit
        FOR NO KEY UPDATE SKIP LOCKED
      ) AS f
      LIMIT p_limit
    );
    IF cardinality(v_ids) = 0 THEN
      RETURN v_pause; -- another node is firing them, or a person holds them
    END IF;
    -- As many as write 8 MiB of copies, which takes about as long as the clock is not looked at.
    v_ids := ARRAY(
      SELECT w.id
      FROM (
        SELECT
          i.id,
          i.place,
          sum(CASE
            WHEN t.shed_clone OR t.overlap = 'clone' THEN
              LEAST((long_task.schedule_of(t)).copy_bytes * CASE WHEN t.missed = 'run each' THEN 20 ELSE 1 END, v_bytes)
            ELSE 0
          END) OVER (ORDER BY i.place) AS bytes
        FROM unnest(v_ids) WITH ORDINALITY AS i(id, place)
        JOIN long_task.task AS t ON t.id = i.id
      ) AS w
      WHERE w.bytes <= v_bytes
         OR w.place = 1
      ORDER BY w.place
    );
    BEGIN
      PERFORM long_task.fire_tasks(v_ids, v_now);
    EXCEPTION
      WHEN OTHERS THEN
        FOREACH v_id IN ARRAY v_ids LOOP
          BEGIN
            PERFORM long_task.fire_tasks(ARRAY[v_id], v_now);
          EXCEPTION
            WHEN OTHERS THEN
              v_later := left(SQLSTATE, 2) <> ALL (v_own) OR NOT long_task.pause_schedule(v_id, SQLERRM) OR v_later;
          END;
        END LOOP;
    END;
    IF v_later THEN
      RETURN v_pause;
    END IF;
    v_now := long_task.clock();
    v_fired := v_fired + cardinality(v_ids);
  END LOOP;
  -- Those that were fired were read twice.
  IF pg_stat_get_xact_tuples_returned('long_task.task_scheduled'::regclass) > v_read + 2 * v_fired + v_in_vain THEN
    PERFORM long_task.note_gaps('schedule', 0, v_ids);
  END IF;
  RETURN LEAST(v_again, CASE WHEN v_due <= v_now THEN 0 ELSE extract(epoch FROM v_due - v_now) END);
END
$$;

COMMENT ON FUNCTION long_task.fire_schedules(p_limit integer) IS 'Start the tasks that are due by schedule, so many at once, and move their schedules on. Returns the seconds until there is more to fire; null: nothing is scheduled.';

CREATE FUNCTION long_task.fire_tasks(p_ids bigint[], p_now timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  v_copied bigint[];
  v_starts timestamptz[];
BEGIN
  -- 'system' tells the triggers that a procedure writes this; it is never stored.
  WITH fired AS (
    UPDATE long_task.task AS t
    SET
      queued_by = 'system',
      state_id = CASE WHEN d.queue_for IS NOT NULL THEN 'AW' ELSE t.state_id END,
      worker_id = CASE WHEN d.queue_for IS NULL THEN t.worker_id ELSE long_task.pinned_worker(t) END,
      start_after = CASE
        WHEN d.queue_for IS NULL OR t.jitter IS NULL THEN t.start_after
        ELSE GREATEST(t.start_after, p_now + random() * t.jitter)
      END,
      scheduled_for = COALESCE(d.queue_for, t.scheduled_for),
      next_start = d.next_start,
      shed_waiting = d.waiting
    FROM unnest(p_ids) WITH ORDINALITY AS i(id, place)
    JOIN long_task.task AS s ON s.id = i.id
    CROSS JOIN LATERAL long_task.due_starts(long_task.schedule_of(s), p_now) AS d
    WHERE t.id = s.id
    RETURNING t.id, i.place, d.copies
  )
  SELECT array_agg(f.id ORDER BY f.place, c.place), array_agg(c.start ORDER BY f.place, c.place)
  INTO v_copied, v_starts
  FROM fired AS f
  CROSS JOIN LATERAL unnest(f.copies) WITH ORDINALITY AS c(start, place);
  IF v_copied IS NOT NULL THEN
    PERFORM long_task.insert_clones(v_copied, v_starts, 'schedule');
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.fire_tasks(p_ids bigint[], p_now timestamp with time zone) IS 'Make the starts of tasks that are due by schedule at a time, and move their schedules on.';

CREATE FUNCTION long_task.first_at_post(p_group_id integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_behind CONSTANT integer := 6;
BEGIN
  FOR v_post IN 0 .. long_task.sentries() + v_behind - 1 LOOP
    IF NOT pg_try_advisory_xact_lock_shared(hashtext('long_task.post') + v_post, p_group_id) THEN
      RETURN v_post;
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.first_at_post(p_group_id integer) IS 'At which of the first posts of a group a node stands, for as long as nobody can take those before it; null: at none.';

CREATE FUNCTION long_task.free_keys(p_keys text[], p_again boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  v_batch  CONSTANT integer := 1000;
  v_key    text;
  v_room   integer;
  v_ids    bigint[];
  v_locked bigint[];
BEGIN
  -- In the order of the keys, and no lock is waited for: nobody stands in anybody's way.
  FOREACH v_key IN ARRAY p_keys LOOP
    v_room := long_task.key_room(v_key);
    IF v_room IS NULL THEN
      PERFORM long_task.leave_key(v_key, true, p_again);
      CONTINUE;
    END IF;
    CONTINUE WHEN v_room <= 0;
    v_ids := ARRAY(
      WITH RECURSIVE of_group(id) AS (
        SELECT min(t.group_id)
        FROM long_task.task AS t
        WHERE t.wants_key AND t.worker_id IS NULL AND t.concurrency_key = v_key
        UNION ALL
        SELECT (
          SELECT min(t.group_id)
          FROM long_task.task AS t
          WHERE t.wants_key AND t.worker_id IS NULL AND t.concurrency_key = v_key AND t.group_id > g.id
        )
        FROM of_group AS g
        WHERE g.id IS NOT NULL
      ),
      of_worker(id) AS (
        SELECT min(t.worker_id)
        FROM long_task.task AS t
        WHERE t.wants_key AND t.worker_id IS NOT NULL AND t.concurrency_key = v_key
        UNION ALL
        SELECT (
          SELECT min(t.worker_id)
          FROM long_task.task AS t
          WHERE t.wants_key AND t.worker_id IS NOT NULL AND t.concurrency_key = v_key AND t.worker_id > w.id
        )
        FROM of_worker AS w
        WHERE w.id IS NOT NULL
      )
      SELECT b.id
      FROM of_group AS g
      CROSS JOIN LATERAL (
        SELECT t.id
        FROM long_task.task AS t
        WHERE t.wants_key AND t.worker_id IS NULL AND t.concurrency_key = v_key AND t.group_id = g.id
        ORDER BY t.priority, t.ready_seq
        LIMIT LEAST(v_room, v_batch)
      ) AS b
      UNION ALL
      SELECT b.id
      FROM of_worker AS w
      CROSS JOIN LATERAL (
        SELECT t.id
        FROM long_task.task AS t
        WHERE t.wants_key AND t.worker_id IS NOT NULL AND t.concurrency_key = v_key AND t.worker_id = w.id
        ORDER BY t.priority, t.ready_seq
        LIMIT LEAST(v_room, v_batch)
      ) AS b
    );
    v_locked := ARRAY(
      SELECT t.id
      FROM long_task.task AS t
      WHERE t.id = ANY (v_ids)
        AND t.wants_key
      FOR NO KEY UPDATE SKIP LOCKED
    );
    -- 'system' tells the triggers that a procedure writes this; it is never stored.
    UPDATE long_task.task AS t
    SET
      queued_by = 'system',
      state_id = 'AW',
      wants_key = false
    FROM (
      -- In their order: each gets a number.
      SELECT w.id
      FROM long_task.task AS w
      WHERE w.id = ANY (v_locked)
      ORDER BY w.priority, w.ready_seq
    ) AS b
    WHERE t.id = b.id;
    IF cardinality(v_locked) < cardinality(v_ids) THEN
      PERFORM long_task.leave_key(v_key, true, p_again);
    ELSIF v_room > v_batch THEN
      PERFORM long_task.leave_key(v_key, false) WHERE cardinality(v_ids) >= v_batch;
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.free_keys(p_keys text[], p_again boolean) IS 'Let tasks come back to the queue that waited for these keys, as far as there is room.';

CREATE FUNCTION long_task.front_base() RETURNS bigint
    LANGUAGE sql IMMUTABLE
    RETURN '-4611686018427387904'::bigint;

COMMENT ON FUNCTION long_task.front_base() IS 'What is added to a number of the sequence ready_seq to make it a place before all others.';

CREATE FUNCTION long_task.front_place() RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT nextval('long_task.ready_seq') + long_task.front_base()
$$;

COMMENT ON FUNCTION long_task.front_place() IS 'A number for ready_seq below 0, which is before all tasks of the same priority that were queued as usual. Each is greater than the one before.';

CREATE FUNCTION long_task.group_room(p_group_id integer, p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
  v_max integer := (SELECT g.max_running FROM long_task.group_limit AS g WHERE g.group_id = p_group_id);
BEGIN
  IF v_max IS NULL THEN
    RETURN p_limit;
  END IF;
  IF NOT pg_try_advisory_xact_lock(hashtextextended('long_task.group_limit ' || p_group_id, 0)) THEN
    RETURN NULL;
  END IF;
  RETURN LEAST(p_limit, v_max - (
    SELECT count(*)
    FROM long_task.task AS t
    WHERE t.running_on IS NOT NULL
      AND t.group_id = p_group_id
  ) - (
    SELECT count(*)
    FROM long_task.deleted_attempt AS d
    WHERE d.group_id = p_group_id
  ));
END
$$;

COMMENT ON FUNCTION long_task.group_room(p_group_id integer, p_limit integer) IS 'How many more tasks of a group may be started, up to so many; null: another transaction is about to find out.';

CREATE FUNCTION long_task.has_active_run(p_workflow text, p_but bigint) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN EXISTS (
    SELECT
    FROM long_task.task AS t
    JOIN long_task.workflow_run AS r ON r.id = t.run_id
    WHERE t.run_id IS NOT NULL
      AND (t.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC') OR t.running_on IS NOT NULL)
      AND r.workflow = p_workflow
      AND r.id IS DISTINCT FROM p_but
  );
END
$$;

COMMENT ON FUNCTION long_task.has_active_run(p_workflow text, p_but bigint) IS 'Whether a run of a workflow, but for one, has an active task.';

CREATE FUNCTION long_task.heeded_call() RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_held integer := current_setting('long_task.post')::integer;
BEGIN
  RETURN CASE
    WHEN v_held < 0 THEN NULL
    WHEN v_held < long_task.sentries() THEN 'sentries'
    ELSE v_held::text
  END;
END
$$;

COMMENT ON FUNCTION long_task.heeded_call() IS 'Which notification of its group''s channel is for the session at its post; null: it has none.';

CREATE FUNCTION long_task.history_label(p_table name) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT COALESCE(
    (
      SELECT format(' (history from %s until %s)', p.began::date, COALESCE(p.ended::date::text, 'now'))
      FROM long_task.task_run_part AS p
      WHERE format('task_run_%s', p.part) = p_table
    ),
    ''
  )
$$;

COMMENT ON FUNCTION long_task.history_label(p_table name) IS 'Which time a table holds the history of, in words; nothing, if it is no partition of task_run.';

CREATE FUNCTION long_task.history_rows(p_part integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_page CONSTANT integer := 50; -- rows, when nothing is known
BEGIN
  RETURN (
    SELECT
      pg_relation_size(c.oid) / current_setting('block_size')::integer
      * CASE WHEN c.reltuples > 0 AND c.relpages > 0 THEN c.reltuples / c.relpages ELSE v_page END
    FROM pg_class AS c
    WHERE c.oid = to_regclass(format('long_task.task_run_%s', p_part))
  );
END
$$;

COMMENT ON FUNCTION long_task.history_rows(p_part integer) IS 'About how many rows a partition of task_run has.';

CREATE FUNCTION long_task.hold_lease(p_worker_id integer, p_epoch bigint, p_connection integer, p_lease_seconds double precision, p_running integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  v_group_id integer;
BEGIN
  IF p_lease_seconds IS NULL THEN
    SELECT l.group_id INTO v_group_id
    FROM long_task.worker_lease AS l
    WHERE l.worker_id = p_worker_id
      AND l.epoch = p_epoch
      AND l.connection = p_connection
      AND l.active
      AND l.locked_until > long_task.clock()
    FOR NO KEY UPDATE;
  ELSE
    UPDATE long_task.worker_lease AS l
    SET
      locked_until = long_task.clock() + make_interval(secs => p_lease_seconds),
      task_count = p_running
    WHERE l.worker_id = p_worker_id
      AND l.epoch = p_epoch
      AND l.connection = p_connection
      AND l.active
      AND l.locked_until > long_task.clock()
    RETURNING l.group_id INTO v_group_id;
  END IF;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT001', format('epoch %s of worker %s is over', p_epoch, p_worker_id),
      'Kill everything and ask for the worker afresh.');
  END IF;
  RETURN v_group_id;
END
$$;

COMMENT ON FUNCTION long_task.hold_lease(p_worker_id integer, p_epoch bigint, p_connection integer, p_lease_seconds double precision, p_running integer) IS 'Make sure that a node holds its worker until the end of its call, and renew the lease if told to. Returns its group.';

CREATE FUNCTION long_task.insert_clones(p_ids bigint[], p_starts timestamp with time zone[], p_queued_by text) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_clones bigint[];
BEGIN
  WITH clone AS (
    INSERT INTO long_task.task (
      name, state_id, priority, group_id, worker_id, command, params, env, stdin, cwd, start_after, timeout,
      kill_grace, max_attempts, retry_delay, concurrency_key, jitter, owner, shed_parent_id, scheduled_for, queued_by
    )
    SELECT
      t.name, 'AW', t.priority, t.group_id, long_task.pinned_worker(t),
      t.command, t.params, t.env, t.stdin, t.cwd,
      GREATEST(t.start_after, CASE WHEN c.start IS NOT NULL THEN long_task.clock() + random() * t.jitter END),
      t.timeout, t.kill_grace, t.max_attempts, t.retry_delay, t.concurrency_key, t.jitter, t.owner,
      t.id, c.start, p_queued_by
    FROM unnest(p_ids, p_starts) WITH ORDINALITY AS c(id, start, place)
    JOIN long_task.task AS t ON t.id = c.id
    WHERE t.workflow IS NULL
    ORDER BY c.place
    RETURNING id
  )
  SELECT array_agg(c.id ORDER BY c.id) INTO v_clones
  FROM clone AS c;
  RETURN v_clones || (
    SELECT array_agg(long_task.add_run(t.workflow, t.params, NULL, t.id, c.start) ORDER BY c.place)
    FROM unnest(p_ids, p_starts) WITH ORDINALITY AS c(id, start, place)
    JOIN long_task.task AS t ON t.id = c.id
    WHERE t.workflow IS NOT NULL
  );
END
$$;

COMMENT ON FUNCTION long_task.insert_clones(p_ids bigint[], p_starts timestamp with time zone[], p_queued_by text) IS 'Queue copies of tasks, made for times of their schedules, or by a person. Returns the ids of the copies.';

CREATE FUNCTION long_task.is_met(p_on text, p_condition jsonpath, p_state_id text, p_running_on integer, p_result jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN ((p_state_id <> ALL (ARRAY['CS'::text, 'CF'::text, 'CC'::text])) OR (p_running_on IS NOT NULL)) THEN NULL::boolean WHEN ((p_on <> 'end'::text) AND (p_on <> CASE p_state_id WHEN 'CS'::text THEN 'success'::text WHEN 'CF'::text THEN 'failure'::text ELSE 'cancel'::text END)) THEN false WHEN (p_condition IS NULL) THEN true ELSE COALESCE((p_result @@ p_condition), false) END;

COMMENT ON FUNCTION long_task.is_met(p_on text, p_condition jsonpath, p_state_id text, p_running_on integer, p_result jsonb) IS 'Whether a task in this state, with this result, meets a dependency; null: it has not ended.';

CREATE FUNCTION long_task.is_needed(p_task_id bigint) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
BEGIN
  RETURN EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS t ON t.id = d.task_id
    WHERE d.needs_task_id = p_task_id
      AND (t.state_id NOT IN ('CS', 'CF', 'CC') OR t.running_on IS NOT NULL)
  );
END
$$;

COMMENT ON FUNCTION long_task.is_needed(p_task_id bigint) IS 'Whether a task that has not ended needs this one.';

CREATE FUNCTION long_task.is_time_zone(p_name text) RETURNS boolean
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
  IF p_name = 'UTC' THEN
    RETURN true;
  ELSIF p_name !~ '^[A-Za-z_]+(/[A-Za-z_]+)+$' THEN
    RETURN EXISTS (SELECT FROM pg_timezone_names AS z WHERE z.name = p_name);
  END IF;
  PERFORM timestamptz 'epoch' AT TIME ZONE p_name;
  RETURN true;
EXCEPTION
  WHEN invalid_parameter_value THEN
    RETURN false;
END
$_$;

COMMENT ON FUNCTION long_task.is_time_zone(p_name text) IS 'Whether a text is the name of a time zone such as Europe/Berlin.';

CREATE FUNCTION long_task.is_told_of_room(p_worker_id integer, p_group_id integer) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
BEGIN
  RETURN EXISTS (SELECT FROM long_task.group_limit AS g WHERE g.group_id = p_group_id)
    AND NOT EXISTS (
      SELECT FROM long_task.live_places('worker', p_worker_id, long_task.queue_spans('worker', p_worker_id), 1)
    )
    AND long_task.group_room(p_group_id, 1) <= 0;
END
$$;

COMMENT ON FUNCTION long_task.is_told_of_room(p_worker_id integer, p_group_id integer) IS 'Whether what is ready for an idle node is held back by nothing but the limit of its group, of which it will be told; null: somebody else is finding out.';

CREATE FUNCTION long_task.items_of_step(p_fan_out jsonpath, p_params jsonb) RETURNS TABLE(place integer, value jsonb)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
  v_found   jsonb;
  -- Whether the path selects items by itself, with [*] or a filter; what is quoted are names.
  v_selects boolean := regexp_replace(p_fan_out::text, '"([^"\\]|\\.)*"', '', 'g') ~ '\[\*\]|\?';
BEGIN
  IF p_fan_out IS NULL THEN
    RETURN NEXT;
    RETURN;
  END IF;
  v_found := jsonb_path_query_array(p_params, p_fan_out);
  -- $.files is the array itself, $.files[*] are its items.
  IF NOT v_selects AND jsonb_array_length(v_found) = 1 AND jsonb_typeof(v_found -> 0) = 'array' THEN
    v_found := v_found -> 0;
  ELSIF NOT v_selects AND jsonb_array_length(v_found) = 0 THEN
    PERFORM long_task.refuse('LT014', format('there is nothing at %s in the parameters of the run', p_fan_out),
      'Give start_workflow an array there; it may be empty.');
  END IF;
  RETURN QUERY
  SELECT (e.ordinality - 1)::integer, e.value
  FROM jsonb_array_elements(v_found) WITH ORDINALITY AS e(value, ordinality);
END
$_$;

COMMENT ON FUNCTION long_task.items_of_step(p_fan_out jsonpath, p_params jsonb) IS 'The items that a step is fanned out over, with their places from 0; one empty row for a step that is not.';

CREATE FUNCTION long_task.keep_deleted_attempt() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO long_task.deleted_attempt (
      task_id, attempt, group_id, worker_id, started, started_by, scheduled_for, concurrency_key
    )
    VALUES (
      OLD.id, OLD.attempt, OLD.group_id, OLD.running_on, OLD.started, COALESCE(OLD.run_queued_by, OLD.queued_by),
      CASE WHEN OLD.run_queued_by IS NULL THEN OLD.scheduled_for ELSE OLD.run_scheduled_for END,
      OLD.concurrency_key
    );
    PERFORM long_task.announce(NULL, OLD.running_on);
  ELSE
    INSERT INTO long_task.deleted_attempt (
      task_id, attempt, group_id, worker_id, started, started_by, scheduled_for, concurrency_key
    )
    SELECT
      t.id, t.attempt, t.group_id, t.running_on, t.started, COALESCE(t.run_queued_by, t.queued_by),
      CASE WHEN t.run_queued_by IS NULL THEN t.scheduled_for ELSE t.run_scheduled_for END,
      t.concurrency_key
    FROM long_task.task AS t
    WHERE t.running_on IS NOT NULL;
    PERFORM long_task.announce(NULL, d.worker_id)
    FROM (SELECT DISTINCT a.worker_id FROM long_task.deleted_attempt AS a) AS d;
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.keep_deleted_attempt() IS 'Trigger: have the processes of deleted tasks killed.';

CREATE FUNCTION long_task.keep_ids_unique() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_next bigint;
BEGIN
  SELECT s.last_value + s.is_called::integer INTO v_next
  FROM long_task.task_id_seq AS s;
  IF EXISTS (SELECT FROM long_task.task_run AS r WHERE r.task_id >= v_next)
     OR EXISTS (SELECT FROM long_task.task_archive AS a WHERE a.task_id >= v_next)
     OR EXISTS (SELECT FROM long_task.deleted_attempt AS d WHERE d.task_id >= v_next) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('the next task would be %s, and later ones are in history or still have a process', v_next),
      HINT = 'Leave out RESTART IDENTITY; or, when nothing runs, TRUNCATE long_task.task_run and task_archive in the same statement.';
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.keep_ids_unique() IS 'Trigger: refuse a TRUNCATE after which ids would come again that history knows.';

CREATE FUNCTION long_task.keep_queue_gaps(p_queue text, p_key integer, p_gaps long_task.queue_gaps) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_name  CONSTANT text := p_queue || '_' || replace(p_key::text, '-', '_');
  v_noted text[] := array_remove(string_to_array(current_setting('long_task.gaps', true), ' '), v_name);
BEGIN
  IF cardinality(p_gaps.gaps) > 0 THEN
    v_noted := v_noted || v_name;
  END IF;
  -- Which queues have gaps, for those who would otherwise have to ask for each.
  PERFORM set_config('long_task.gaps', COALESCE(array_to_string(v_noted, ' '), ''), false);
  PERFORM set_config('long_task.gaps_' || v_name, p_gaps::text, false);
END
$$;

COMMENT ON FUNCTION long_task.keep_queue_gaps(p_queue text, p_key integer, p_gaps long_task.queue_gaps) IS 'Remember the gaps of a queue for the rest of the session.';

CREATE FUNCTION long_task.key_room(p_key text) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('long_task.concurrency_key ' || p_key, 0)) THEN
    RETURN NULL;
  END IF;
  RETURN COALESCE(
    (SELECT c.max_running FROM long_task.concurrency_limit AS c WHERE c.concurrency_key = p_key), 1
  ) - (
    SELECT count(*)
    FROM long_task.task AS t
    WHERE t.concurrency_key = p_key
      AND t.running_on IS NOT NULL
  ) - (
    SELECT count(*)
    FROM long_task.deleted_attempt AS d
    WHERE d.concurrency_key = p_key
  );
END
$$;

COMMENT ON FUNCTION long_task.key_room(p_key text) IS 'How many more tasks with a concurrency_key may be started; null: another transaction is about to find out.';

CREATE FUNCTION long_task.known_spans(p_queue text, p_key integer) RETURNS long_task.queue_span[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_whole CONSTANT long_task.queue_span := ROW(-2147483648, -9223372036854775808, 2147483647, 9223372036854775807);
  v_span  long_task.queue_span := v_whole;
  v_spans long_task.queue_span[] := ARRAY[]::long_task.queue_span[];
  v_gaps  long_task.queue_gap[] := (long_task.queue_gaps_of(p_queue, p_key)).gaps;
  v_gap   long_task.queue_gap;
BEGIN
  IF cardinality(v_gaps) > 0 IS NOT TRUE THEN
    RETURN ARRAY[v_whole];
  END IF;
  FOREACH v_gap IN ARRAY v_gaps LOOP
    v_span.to_lane := v_gap.lane;
    v_span.to_place := v_gap.low;
    v_spans := v_spans || v_span;
    v_span.from_lane := v_gap.lane;
    v_span.from_place := v_gap.high;
  END LOOP;
  v_span.to_lane := v_whole.to_lane;
  v_span.to_place := v_whole.to_place;
  RETURN v_spans || v_span;
END
$$;

COMMENT ON FUNCTION long_task.known_spans(p_queue text, p_key integer) IS 'The parts of a queue between its gaps.';

CREATE FUNCTION long_task.latest_start(p_schedule long_task.schedule, p_start timestamp with time zone, p_end timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_latest timestamptz := p_start;
  v_next   timestamptz := long_task.next_start_after(p_schedule, p_start);
  v_high   timestamptz := p_end;
  v_half   timestamptz;
  v_middle timestamptz;
BEGIN
  WHILE v_next <= p_end LOOP
    v_half := v_latest + (v_high - v_latest) / 2;
    v_middle := long_task.next_start_after(p_schedule, v_half);
    IF v_middle <= p_end THEN
      v_latest := v_middle;
    ELSE
      v_latest := v_next;
      v_high := v_half;
    END IF;
    v_next := long_task.next_start_after(p_schedule, v_latest);
  END LOOP;
  RETURN v_latest;
END
$$;

COMMENT ON FUNCTION long_task.latest_start(p_schedule long_task.schedule, p_start timestamp with time zone, p_end timestamp with time zone) IS 'Last start of a task''s schedule between one of its starts and a time.';

CREATE FUNCTION long_task.lease_over_at(p_lease long_task.worker_lease) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    RETURN ((p_lease).locked_until + (p_lease).recovery_delay);

COMMENT ON FUNCTION long_task.lease_over_at(p_lease long_task.worker_lease) IS 'When a lease that is not renewed any more counts as lost.';

CREATE FUNCTION long_task.lease_state(p_lease long_task.worker_lease) RETURNS text
    LANGUAGE sql STABLE
    RETURN (((((p_lease).worker_id || '/'::text) || (p_lease).epoch) || '/'::text) || EXTRACT(epoch FROM (p_lease).locked_until));

COMMENT ON FUNCTION long_task.lease_state(p_lease long_task.worker_lease) IS 'A word for the present state of a lease; every renewal makes another one of it.';

CREATE FUNCTION long_task.leave_key(p_key text, p_held boolean, p_again boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_pause CONSTANT interval := interval '0.2 seconds';
BEGIN
  INSERT INTO long_task.unsettled_key (concurrency_key, not_before)
  VALUES (p_key, long_task.clock() + CASE WHEN p_held AND p_again THEN v_pause ELSE interval '0' END);
  IF NOT p_again THEN
    PERFORM long_task.announce(NULL, NULL);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.leave_key(p_key text, p_held boolean, p_again boolean) IS 'Have a node look at the tasks that wait for a key, in a transaction of its own.';

CREATE FUNCTION long_task.leave_post(p_group_id integer, p_own integer DEFAULT 1) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_held   integer := NULLIF(current_setting('long_task.post', true), '')::integer;
  v_wanted integer := 0;
BEGIN
  IF (v_held >= 0) IS NOT TRUE THEN
    IF v_held < -1 THEN
      PERFORM set_config('long_task.post', '-1', false); -- when it is idle again, it looks anew
    END IF;
    RETURN;
  END IF;
  PERFORM pg_advisory_unlock(hashtext('long_task.post') + v_held, p_group_id);
  PERFORM set_config('long_task.post', '-1', false);

  IF NOT EXISTS (
    SELECT FROM long_task.worker_lease AS l
    WHERE l.group_id = p_group_id
      AND l.active
    OFFSET p_own
  ) THEN
    RETURN;
  END IF;
  FOR v_post IN 0 .. long_task.sentries() - 1 LOOP
    IF pg_try_advisory_lock_shared(hashtext('long_task.post') + v_post, p_group_id) THEN
      PERFORM pg_advisory_unlock_shared(hashtext('long_task.post') + v_post, p_group_id);
      v_wanted := 1;
    END IF;
  END LOOP;
  IF EXISTS (SELECT FROM long_task.live_places('group', p_group_id, long_task.queue_spans('group', p_group_id), 1)) THEN
    v_wanted := v_wanted + 1;
  END IF;
  FOR v_post IN long_task.sentries() .. long_task.posts() - 1 LOOP
    EXIT WHEN v_wanted = 0;
    IF pg_try_advisory_lock_shared(hashtext('long_task.post') + v_post, p_group_id) THEN
      PERFORM pg_advisory_unlock_shared(hashtext('long_task.post') + v_post, p_group_id);
    ELSE
      PERFORM pg_notify('long_task_group_' || p_group_id, v_post::text);
      v_wanted := v_wanted - 1;
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.leave_post(p_group_id integer, p_own integer) IS 'Let the session of a node that is idle no more leave its post, and call others that are.';

CREATE FUNCTION long_task.leave_unsettled(p_ids bigint[], p_held boolean, p_refresh boolean DEFAULT false, p_again boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_pause CONSTANT interval := interval '0.2 seconds';
BEGIN
  INSERT INTO long_task.unsettled_task (task_id, not_before, refresh)
  SELECT i.id, long_task.clock() + CASE WHEN p_held AND p_again THEN v_pause ELSE interval '0' END, p_refresh
  FROM unnest(p_ids) AS i(id);
  IF NOT p_again THEN
    PERFORM long_task.announce(NULL, NULL);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.leave_unsettled(p_ids bigint[], p_held boolean, p_refresh boolean, p_again boolean) IS 'Have a node look at these tasks, and at those that wait for them, in a transaction of its own.';

CREATE FUNCTION long_task.leave_worker(p_worker_id integer, p_epoch bigint, p_connection integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_lease long_task.worker_lease;
  v_lost  integer;
BEGIN
  SELECT l.* INTO v_lease
  FROM long_task.worker_lease AS l
  WHERE l.worker_id = p_worker_id
    AND l.epoch = p_epoch
    AND l.connection = p_connection
    AND l.active
  FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  v_lost := long_task.end_lease(v_lease);
  IF v_lost IS NULL THEN
    RETURN NULL;
  END IF;
  DELETE FROM long_task.worker_stop AS s
  WHERE s.worker_id = p_worker_id
    AND s.stop IN (2, 3);
  PERFORM long_task.leave_post(v_lease.group_id, 0);
  PERFORM long_task.log_event('left', v_lease, v_lost);
  PERFORM long_task.announce(NULL, p_worker_id);
  RETURN true;
END
$$;

COMMENT ON FUNCTION long_task.leave_worker(p_worker_id integer, p_epoch bigint, p_connection integer) IS 'For nodes: give the lease of a worker back. False: it was not held any more; null: call again.';

CREATE FUNCTION long_task.leave_workflow(p_workflow text, p_held boolean, p_again boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_pause CONSTANT interval := interval '0.2 seconds';
BEGIN
  INSERT INTO long_task.unsettled_workflow (workflow, not_before)
  VALUES (p_workflow, long_task.clock() + CASE WHEN p_held AND p_again THEN v_pause ELSE interval '0' END);
  IF NOT p_again THEN
    PERFORM long_task.announce(NULL, NULL);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.leave_workflow(p_workflow text, p_held boolean, p_again boolean) IS 'Have a node see whether a run of a workflow may begin, in a transaction of its own.';

CREATE FUNCTION long_task.light_tasks(p_ids bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_most CONSTANT integer := 500;
BEGIN
  RETURN ARRAY(
    SELECT w.id
    FROM (
      SELECT
        i.id,
        i.place,
        sum(n.links) OVER (ORDER BY i.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
        n.links
      FROM unnest(p_ids) WITH ORDINALITY AS i(id, place)
      CROSS JOIN LATERAL (
        SELECT count(*) AS links
        FROM (
          (SELECT FROM long_task.task_dependency AS d WHERE d.task_id = i.id LIMIT v_most)
          UNION ALL
          (SELECT FROM long_task.task_dependency AS d WHERE d.needs_task_id = i.id LIMIT v_most)
        ) AS l
      ) AS n
    ) AS w
    WHERE COALESCE(w.before + w.links <= v_most, true)
    ORDER BY w.place
  );
END
$$;

COMMENT ON FUNCTION long_task.light_tasks(p_ids bigint[]) IS 'The first of these tasks, as many as can be deleted in one step with their dependencies.';

CREATE FUNCTION long_task.limit_workflow(p_workflow text, p_version integer, p_max_running integer) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_key  text := 'workflow ' || p_workflow;
  v_step text;
BEGIN
  IF p_max_running IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT s.name INTO v_step
  FROM long_task.workflow_step AS s
  WHERE s.workflow = p_workflow
    AND s.version = p_version
    AND s.concurrency_key IS NOT NULL
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT014', format('step %s has a concurrency_key, and workflow %s has max_running', v_step, p_workflow),
      'A task is limited by one key: leave out one of them.');
  END IF;
  IF NOT EXISTS (
    SELECT
    FROM long_task.concurrency_limit AS c
    WHERE c.concurrency_key = v_key
      AND c.max_running = p_max_running
  ) THEN
    INSERT INTO long_task.concurrency_limit (concurrency_key, max_running)
    VALUES (v_key, p_max_running)
    ON CONFLICT (concurrency_key) DO UPDATE SET max_running = EXCLUDED.max_running;
  END IF;
  RETURN v_key;
END
$$;

COMMENT ON FUNCTION long_task.limit_workflow(p_workflow text, p_version integer, p_max_running integer) IS 'Write the limit of a workflow down. Returns the concurrency_key of its tasks; null: it has no limit.';

CREATE FUNCTION long_task.link_tasks() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_tasks  bigint[] := ARRAY(SELECT DISTINCT w.task_id FROM written AS w ORDER BY w.task_id);
  v_needs  bigint[] := ARRAY(SELECT DISTINCT w.needs_task_id FROM written AS w ORDER BY w.needs_task_id);
  v_bad    record;
  v_lowest bigint;
BEGIN
  IF cardinality(v_tasks) = 0 THEN
    RETURN NULL;
  END IF;
  PERFORM
  FROM long_task.task AS t
  WHERE t.id IN (SELECT i.id FROM unnest(v_tasks || v_needs) AS i(id))
  ORDER BY t.id
  FOR NO KEY UPDATE;
  SELECT i.id INTO v_bad
  FROM unnest(v_tasks || v_needs) AS i(id)
  WHERE NOT EXISTS (SELECT FROM long_task.task AS t WHERE t.id = i.id)
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', v_bad.id),
      'Insert the task first, in the same transaction if it shall wait from the beginning.');
  END IF;
  SELECT t.id, t.state_id, t.last_state_change INTO v_bad
  FROM long_task.task AS t
  WHERE t.id IN (SELECT w.task_id FROM written AS w)
    AND t.state_id IN ('AE', 'AS', 'AC')
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT003', format('task %s has been started already, it can wait for nothing', v_bad.id),
      'Insert the task and its dependencies in one transaction, or the task as a draft (DR) first.',
      format('state_id is %s since %s', v_bad.state_id, v_bad.last_state_change));
  END IF;
  -- The dependencies of a run are among its own tasks, in the order of the definition, which has no cycle.
  v_lowest := (SELECT min(w.task_id) FROM written AS w WHERE w.run_id IS NULL);
  IF v_lowest IS NOT NULL THEN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      PERFORM long_task.refuse('LT004', format('dependencies cannot be written in a transaction that is %s',
        current_setting('transaction_isolation')), 'BEGIN ISOLATION LEVEL READ COMMITTED: it has to see those of others.');
    END IF;
    PERFORM long_task.refuse_cycle(v_lowest);
  END IF;
  UPDATE long_task.task AS t
  SET
    has_needs = t.has_needs OR i.needs,
    has_dependents = t.has_dependents OR i.is_needed
  FROM (
    SELECT b.id, bool_or(b.needs) AS needs, bool_or(NOT b.needs) AS is_needed
    FROM (
      SELECT n.id, true AS needs FROM unnest(v_tasks) AS n(id)
      UNION ALL
      SELECT n.id, false FROM unnest(v_needs) AS n(id)
    ) AS b
    GROUP BY b.id
  ) AS i
  WHERE t.id = i.id
    AND (i.needs AND NOT t.has_needs OR i.is_needed AND NOT t.has_dependents);
  PERFORM long_task.refresh_needs(v_tasks);
  PERFORM long_task.settle_tasks(v_tasks);
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.link_tasks() IS 'Trigger: have the tasks wait that dependencies were written for, if what they need has not come.';

CREATE FUNCTION long_task.live_places(p_queue text, p_key integer, p_spans long_task.queue_span[], p_limit integer) RETURNS TABLE(lane integer, place bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  CASE p_queue
    WHEN 'group' THEN
      RETURN QUERY
      SELECT f.priority, f.ready_seq
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.priority, t.ready_seq
        FROM long_task.task AS t
        WHERE t.state_id = 'AW'
          AND t.running_on IS NULL
          AND t.worker_id IS NULL
          AND t.group_id = p_key
          AND (t.priority, t.ready_seq) >= (s.from_lane, s.from_place)
          AND (t.priority, t.ready_seq) < (s.to_lane, s.to_place)
        ORDER BY t.priority, t.ready_seq
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
    WHEN 'worker' THEN
      RETURN QUERY
      SELECT f.priority, f.ready_seq
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.priority, t.ready_seq
        FROM long_task.task AS t
        WHERE t.state_id = 'AW'
          AND t.running_on IS NULL
          AND t.worker_id = p_key
          AND (t.priority, t.ready_seq) >= (s.from_lane, s.from_place)
          AND (t.priority, t.ready_seq) < (s.to_lane, s.to_place)
        ORDER BY t.priority, t.ready_seq
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
    WHEN 'delayed_group' THEN
      RETURN QUERY
      SELECT 0, long_task.time_to_place(f.start_after)
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.start_after
        FROM long_task.task AS t
        WHERE t.state_id = 'AD'
          AND t.running_on IS NULL
          AND t.worker_id IS NULL
          AND t.group_id = p_key
          AND t.start_after >= long_task.place_to_time(s.from_place)
          AND t.start_after < long_task.place_to_time(s.to_place)
        ORDER BY t.start_after
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
    WHEN 'delayed_worker' THEN
      RETURN QUERY
      SELECT 0, long_task.time_to_place(f.start_after)
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.start_after
        FROM long_task.task AS t
        WHERE t.state_id = 'AD'
          AND t.running_on IS NULL
          AND t.worker_id = p_key
          AND t.start_after >= long_task.place_to_time(s.from_place)
          AND t.start_after < long_task.place_to_time(s.to_place)
        ORDER BY t.start_after
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
    WHEN 'schedule' THEN
      RETURN QUERY
      SELECT 0, long_task.time_to_place(f.next_start)
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.next_start
        FROM long_task.task AS t
        WHERE t.next_start IS NOT NULL
          AND t.shed_enabled
          AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
          AND t.next_start >= long_task.place_to_time(s.from_place)
          AND t.next_start < long_task.place_to_time(s.to_place)
        ORDER BY t.next_start
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
  END CASE;
END
$$;

COMMENT ON FUNCTION long_task.live_places(p_queue text, p_key integer, p_spans long_task.queue_span[], p_limit integer) IS 'The first places in parts of a queue at which there is something.';

CREATE TABLE long_task.workflow_run (
    id bigint NOT NULL,
    workflow text NOT NULL,
    version integer NOT NULL,
    params jsonb DEFAULT '{}'::jsonb NOT NULL,
    created timestamp with time zone DEFAULT long_task.clock() NOT NULL,
    started timestamp with time zone,
    cancelled timestamp with time zone,
    error text,
    started_by text DEFAULT 'person'::text NOT NULL,
    scheduled_for timestamp with time zone,
    task_id bigint,
    owner text DEFAULT SESSION_USER NOT NULL
);

COMMENT ON TABLE long_task.workflow_run IS 'A workflow that was started. Its tasks name it in run_id; workflow_status says how it stands.';

COMMENT ON COLUMN long_task.workflow_run.id IS 'The run.';

COMMENT ON COLUMN long_task.workflow_run.workflow IS 'What was started.';

COMMENT ON COLUMN long_task.workflow_run.version IS 'The version that was started.';

COMMENT ON COLUMN long_task.workflow_run.params IS 'What start_workflow was given.';

COMMENT ON COLUMN long_task.workflow_run.created IS 'When it was asked for.';

COMMENT ON COLUMN long_task.workflow_run.started IS 'When its tasks were made; null: it waits for the run before it.';

COMMENT ON COLUMN long_task.workflow_run.cancelled IS 'When cancel_workflow was called for it.';

COMMENT ON COLUMN long_task.workflow_run.error IS 'Why it could not be begun.';

COMMENT ON COLUMN long_task.workflow_run.started_by IS 'What started it: person or schedule.';

COMMENT ON COLUMN long_task.workflow_run.scheduled_for IS 'Time of the schedule for which it was started.';

COMMENT ON COLUMN long_task.workflow_run.task_id IS 'The task whose schedule started it.';

COMMENT ON COLUMN long_task.workflow_run.owner IS 'Database user that started it.';

CREATE FUNCTION long_task.lock_run(p_run_id bigint) RETURNS long_task.workflow_run
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_run long_task.workflow_run;
BEGIN
  PERFORM long_task.assert_run(p_run_id);
  SELECT r.* INTO v_run
  FROM long_task.workflow_run AS r
  WHERE r.id = p_run_id
  FOR UPDATE;
  PERFORM
  FROM long_task.task AS t
  WHERE t.run_id = p_run_id
  ORDER BY t.id
  FOR UPDATE;
  RETURN v_run;
END
$$;

COMMENT ON FUNCTION long_task.lock_run(p_run_id bigint) IS 'Lock a run of a workflow and all its tasks. Returns the run.';

CREATE FUNCTION long_task.lock_worker(p_worker_id integer, p_group_id integer, p_slots integer, p_node_name text, p_host text, p_pid integer, p_process text, p_connection integer, p_version text, p_lease_duration double precision, p_recovery_delay double precision, p_reports json DEFAULT '[]'::json, p_dead_process text DEFAULT NULL::text, p_watched text[] DEFAULT NULL::text[]) RETURNS TABLE(epoch bigint, held_by text, retry_in double precision, held_process text, held_lease text, whole double precision)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_again CONSTANT double precision := 0.2;
  v_lease long_task.worker_lease;
  v_given long_task.worker_lease;
  v_over  timestamptz;
  v_now   timestamptz;
  v_lost  integer;
BEGIN
  IF p_slots < 0 OR p_lease_duration <= 0 OR p_recovery_delay < 0 THEN
    PERFORM long_task.refuse('LT004', format('worker %s cannot be served with %s slots, a lease of %s s and a recovery delay of %s s',
      p_worker_id, p_slots, p_lease_duration, p_recovery_delay), 'None of them can be negative, and a lease must last.');
  END IF;
  PERFORM long_task.leave_post(p_group_id); -- it may be that of the lease that was lost
  -- Again, if a person deleted the worker while its row was waited for.
  LOOP
    INSERT INTO long_task.worker_lease (worker_id, group_id)
    VALUES (p_worker_id, p_group_id)
    ON CONFLICT DO NOTHING;
    SELECT l.* INTO v_lease
    FROM long_task.worker_lease AS l
    WHERE l.worker_id = p_worker_id
    FOR UPDATE;
    EXIT WHEN FOUND;
  END LOOP;

  -- One after the other, or two would find the name free.
  PERFORM pg_advisory_xact_lock(hashtextextended('long_task node ' || p_node_name, 0));
  v_now := long_task.clock();
  PERFORM long_task.refuse('LT011',
    format('node name %s is taken by worker %s, %s', p_node_name, l.worker_id, long_task.name_holder(l)),
    'Give each node a node_name of its own.')
  FROM long_task.worker_lease AS l
  WHERE l.node_name = p_node_name
    AND l.worker_id <> p_worker_id
    AND l.active
    AND long_task.lease_over_at(l) > v_now;

  v_over := long_task.lease_over_at(v_lease);
  IF v_lease.active
     AND (v_over > v_now OR NOT COALESCE(long_task.lease_state(v_lease) = ANY (p_watched), false))
     AND (v_lease.process IS DISTINCT FROM p_process OR v_lease.connection > p_connection)
     AND v_lease.process IS DISTINCT FROM p_dead_process THEN
    IF v_lease.group_id <> p_group_id AND v_over > v_now THEN
      PERFORM long_task.refuse('LT011', format('worker %s serves group %s, held by %s',
          p_worker_id, v_lease.group_id, long_task.name_holder(v_lease)),
        format('A node for group %s needs a worker id of its own.', p_group_id));
    END IF;
    INSERT INTO long_task.worker_standby AS s (
      worker_id, process, group_id, slots, node_name, host, pid, version, since, seen, seen_until
    )
    VALUES (
      p_worker_id, p_process, p_group_id, p_slots, p_node_name, p_host, p_pid, p_version, v_now, v_now,
      v_now + make_interval(secs => p_lease_duration)
    )
    ON CONFLICT ON CONSTRAINT worker_standby_pkey DO UPDATE
    SET seen = EXCLUDED.seen, seen_until = EXCLUDED.seen_until;
    RETURN QUERY SELECT
      NULL::bigint,
      long_task.name_holder(v_lease),
      extract(epoch FROM v_over - v_now)::double precision,
      v_lease.process,
      long_task.lease_state(v_lease),
      extract(epoch FROM v_lease.lease_duration + v_lease.recovery_delay)::double precision;
    RETURN;
  END IF;

  IF v_lease.process IS DISTINCT FROM p_process THEN
    -- What this node gave back, its successor may have started, under the same number.
    p_reports := (
      SELECT COALESCE(json_agg(r), '[]')
      FROM json_array_elements(p_reports) AS r
      WHERE (r ->> 'given_back')::boolean IS NOT TRUE
    );
  END IF;
  v_lost := long_task.end_lease(v_lease, p_reports);
  IF v_lost IS NULL THEN
    -- Before others may write off what this node still has to tell, it asks again.
    UPDATE long_task.worker_lease AS l
    SET locked_until = v_now + make_interval(secs => 5 * v_again)
    WHERE l.worker_id = p_worker_id
      AND l.process = p_process
      AND json_array_length(p_reports) > 0;
    RETURN QUERY SELECT NULL::bigint, 'somebody''s open transaction, task by task'::text, v_again, NULL::text, NULL::text,
      NULL::double precision;
    RETURN;
  END IF;
  DELETE FROM long_task.worker_standby AS s
  WHERE s.worker_id = p_worker_id
    AND (s.process = p_process OR s.seen_until < v_now);
  v_now := long_task.clock();
  UPDATE long_task.worker_lease AS l
  SET
    group_id = p_group_id,
    epoch = nextval('long_task.worker_epoch'),
    active = true,
    locked_until = v_now + make_interval(secs => p_lease_duration),
    lease_duration = make_interval(secs => p_lease_duration),
    recovery_delay = make_interval(secs => p_recovery_delay),
    slots = p_slots,
    node_name = p_node_name,
    host = p_host,
    pid = p_pid,
    process = p_process,
    connection = p_connection,
    version = p_version,
    since = v_now
  WHERE l.worker_id = p_worker_id
  RETURNING l.* INTO v_given;
  PERFORM long_task.log_event(
    CASE WHEN v_lease.active THEN 'taken over' ELSE 'taken' END, v_given, v_lost,
    CASE WHEN v_lease.active THEN 'from ' || long_task.name_holder(v_lease) END);
  RETURN QUERY SELECT v_given.epoch, NULL::text, NULL::double precision, NULL::text, NULL::text, NULL::double precision;
END
$$;

COMMENT ON FUNCTION long_task.lock_worker(p_worker_id integer, p_group_id integer, p_slots integer, p_node_name text, p_host text, p_pid integer, p_process text, p_connection integer, p_version text, p_lease_duration double precision, p_recovery_delay double precision, p_reports json, p_dead_process text, p_watched text[]) IS 'For nodes: take the lease of a worker. Returns its epoch, or who holds it and for how many seconds yet.';

CREATE FUNCTION long_task.log_event(p_kind text, p_lease long_task.worker_lease, p_task_count integer, p_detail text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  INSERT INTO long_task.worker_event (kind, worker_id, epoch, node_name, task_count, detail)
  VALUES (p_kind, p_lease.worker_id, p_lease.epoch, p_lease.node_name, p_task_count, p_detail);
END
$$;

COMMENT ON FUNCTION long_task.log_event(p_kind text, p_lease long_task.worker_lease, p_task_count integer, p_detail text) IS 'Write a row of worker_event.';

CREATE FUNCTION long_task.look_into_gaps(p_queue text, p_key integer, p_entries integer, p_round boolean DEFAULT false) RETURNS double precision
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_pause    CONSTANT double precision := 0.02;
  v_few      CONSTANT integer := 500;
  v_probe    CONSTANT integer := 100; -- to ask costs as much as to read so many
  v_shortest CONSTANT bigint := 64;
  v_longest  CONSTANT bigint := 2305843009213693952;
  v_known    long_task.queue_gaps := long_task.queue_gaps_of(p_queue, p_key);
  v_gap      long_task.queue_gap;
  v_place    integer; -- of that gap among all
  v_stride   bigint := COALESCE(v_known.stride, v_shortest);
  v_first    boolean;
  v_from     bigint;
  v_until    bigint;
  v_before   bigint;
  v_read     bigint;
  v_left     bigint := p_entries - COALESCE(v_known.debt, 0);
  v_again    double precision;
  v_whole    boolean := v_known.looking IS NULL; -- it began, or begins again, with the first gap
BEGIN
  IF cardinality(v_known.gaps) > 0 IS NOT TRUE THEN
    RETURN NULL;
  END IF;
  IF p_round AND v_known.passes IS NULL THEN
    -- What was looked at before may be out of date: so from there to the end, and once more from the start.
    v_known.passes := CASE WHEN v_whole THEN 1 ELSE 2 END;
  ELSIF p_round AND v_known.passes = 0 THEN
    v_known.passes := NULL;
    PERFORM long_task.keep_queue_gaps(p_queue, p_key, v_known);
    RETURN NULL;
  END IF;
  LOOP
    SELECT g.lane, g.low, g.high, g.place
    INTO v_gap.lane, v_gap.low, v_gap.high, v_place
    FROM unnest(v_known.gaps) WITH ORDINALITY AS g(lane, low, high, place)
    WHERE v_known.looking IS NULL
       OR (g.lane, g.high) > (v_known.looking, v_known.looked)
    ORDER BY g.place
    LIMIT 1;
    IF NOT FOUND THEN
      IF v_known.entries < v_few THEN
        v_known.gaps := NULL;
      END IF;
      v_known.looking := NULL;
      v_known.passes := CASE WHEN v_known.passes > 0 THEN v_known.passes - 1 ELSE v_known.passes END;
      IF p_round AND v_known.passes = 0 THEN
        v_known.passes := NULL;
        EXIT;
      ELSIF v_whole OR v_known.gaps IS NULL OR v_known.entries > v_left THEN
        v_again := COALESCE(v_again, v_pause);
        EXIT;
      END IF;
      v_whole := true;
      CONTINUE;
    END IF;
    IF v_left <= 0 THEN
      v_again := COALESCE(v_again, v_pause);
      EXIT;
    END IF;
    v_first := v_known.looking IS NULL;
    v_from := CASE WHEN v_gap.lane = v_known.looking THEN GREATEST(v_gap.low, v_known.looked) ELSE v_gap.low END;
    v_until := LEAST(v_gap.high, v_from + v_stride);
    v_before := long_task.entries_read(p_queue);
    IF EXISTS (
      SELECT
      FROM long_task.live_places(
        p_queue, p_key, ARRAY[ROW(v_gap.lane, v_from, v_gap.lane, v_until)::long_task.queue_span], 1
      )
    ) THEN
      v_again := 0;
      v_known.gaps := v_known.gaps[: v_place - 1]
        || ARRAY(
          SELECT p
          FROM (VALUES
            (ROW(v_gap.lane, v_gap.low, v_from)::long_task.queue_gap),
            (ROW(v_gap.lane, v_until, v_gap.high)::long_task.queue_gap)
          ) AS v(p)
          WHERE (p).low < (p).high
        )
        || v_known.gaps[v_place + 1 :];
    END IF;
    v_read := long_task.entries_read(p_queue) - v_before;
    v_known.looking := v_gap.lane;
    v_known.looked := v_until;
    v_known.entries := CASE WHEN v_first THEN 0 ELSE v_known.entries END + v_read;
    v_left := v_left - v_read - v_probe;
    v_stride := CASE
      WHEN v_read * 2 < v_few THEN LEAST(v_stride * 2, v_longest)
      WHEN v_read > v_few THEN GREATEST(v_stride / 2, v_shortest)
      ELSE v_stride
    END;
  END LOOP;
  v_known.stride := v_stride;
  v_known.debt := GREATEST(0, -v_left);
  IF v_known.gaps IS NULL THEN
    v_known.passes := NULL;
    v_again := NULLIF(v_again, v_pause);
  END IF;
  PERFORM long_task.keep_queue_gaps(p_queue, p_key, v_known);
  RETURN CASE WHEN p_round THEN v_again END;
END
$$;

COMMENT ON FUNCTION long_task.look_into_gaps(p_queue text, p_key integer, p_entries integer, p_round boolean) IS 'See whether gaps of a queue are empty still, as far as can be seen by reading so many entries. Returns the seconds after which to go on; null: all was seen.';

CREATE FUNCTION long_task.lost_attempts(p_worker_id integer, p_spare bigint[], p_ask_hook boolean) RETURNS json
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN (
    SELECT json_agg(json_build_object(
      'task_id', a.task_id,
      'attempt', a.attempt,
      'reason', 'Worker failed',
      'ended_ago', 0,
      'ruled', a.ruled,
      'retry_in', CASE WHEN a.delay IS NOT NULL THEN LEAST(GREATEST(extract(epoch FROM a.delay), 0), 3e9) END
    ))
    FROM (
      SELECT
        t.id AS task_id,
        t.attempt,
        p_ask_hook AS ruled,
        CASE WHEN p_ask_hook AND t.state_id = 'AE' THEN long_task.retry_lost_task(t) END AS delay
      FROM long_task.task AS t
      WHERE t.running_on = p_worker_id
        AND t.id <> ALL (p_spare)
      UNION ALL
      SELECT d.task_id, d.attempt, false, NULL
      FROM long_task.deleted_attempt AS d
      WHERE d.worker_id = p_worker_id
    ) AS a
  );
END
$$;

COMMENT ON FUNCTION long_task.lost_attempts(p_worker_id integer, p_spare bigint[], p_ask_hook boolean) IS 'What is reported of the attempts that a worker has left behind; null: there are none.';

CREATE PROCEDURE long_task.maintain(INOUT tasks bigint DEFAULT NULL::bigint, INOUT runs bigint DEFAULT NULL::bigint, INOUT made bigint DEFAULT NULL::bigint, INOUT dropped bigint DEFAULT NULL::bigint, INOUT error text DEFAULT NULL::text)
    LANGUAGE plpgsql
    AS $$
DECLARE
  v_turn bigint := 0;
  v_step json;
BEGIN
  tasks := 0;
  runs := 0;
  made := 0;
  dropped := 0;
  LOOP
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    SET LOCAL search_path = pg_catalog, pg_temp;
    v_step := long_task.maintain_step(v_turn);
    IF (v_step ->> 'busy')::boolean THEN
      EXIT WHEN v_turn <> 0; -- somebody else has begun a round
      PERFORM pg_catalog.pg_sleep(0.02);
      CONTINUE;
    END IF;
    v_turn := (v_step ->> 'turn')::bigint;
    tasks := tasks + (v_step ->> 'tasks')::bigint;
    runs := runs + (v_step ->> 'runs')::bigint;
    made := made + (v_step ->> 'made')::bigint;
    dropped := dropped + (v_step ->> 'dropped')::bigint;
    error := v_step ->> 'error';
    EXIT WHEN v_step ->> 'again_in' IS NULL;
  END LOOP;
  COMMIT;
END
$$;

COMMENT ON PROCEDURE long_task.maintain(INOUT tasks bigint, INOUT runs bigint, INOUT made bigint, INOUT dropped bigint, INOUT error text) IS 'Do all that the policies of retention ask for, now, in small steps that are committed one by one. Returns what was done, and what went wrong last.';

CREATE FUNCTION long_task.maintain_phase(INOUT phase text, INOUT place bigint, INOUT stride bigint, OUT tasks integer, OUT runs integer, OUT made integer, OUT dropped integer) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION long_task.maintain_phase(INOUT phase text, INOUT place bigint, INOUT stride bigint, OUT tasks integer, OUT runs integer, OUT made integer, OUT dropped integer) IS 'One step of tidying up. Returns what comes after it, and what was done.';

CREATE FUNCTION long_task.maintain_step(p_turn bigint DEFAULT NULL::bigint) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '20ms'
    AS $$
DECLARE
  v_lock   CONSTANT bigint := hashtextextended('long_task.maintenance', 0);
  v_others CONSTANT interval := interval '5 seconds';
  v_begun  timestamptz := clock_timestamp(); -- a duration, not a time
  v_now    timestamptz := long_task.clock();
  v_round  long_task.maintenance;
  v_step   record;
  v_took   double precision;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    PERFORM long_task.refuse('LT004', format('tidying up cannot be done in a transaction that is %s',
      current_setting('transaction_isolation')), 'BEGIN ISOLATION LEVEL READ COMMITTED: it has to see what others do.');
  END IF;
  IF NOT pg_try_advisory_xact_lock(v_lock) THEN
    RETURN json_build_object('busy', true);
  END IF;
  -- Who has written a policy and not committed it, holds the row.
  SELECT m.* INTO v_round
  FROM long_task.maintenance AS m
  FOR NO KEY UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN json_build_object('busy', true);
  END IF;
  IF v_round.turn IS DISTINCT FROM p_turn THEN
    IF p_turn <> 0 OR p_turn IS NULL AND v_round.next_at > v_now THEN
      RETURN json_build_object('busy', p_turn IS NOT NULL);
    END IF;
    v_round.turn := v_round.turn + 1;
    IF p_turn = 0 THEN
      v_round.phase := 'history';
    END IF;
  END IF;
  IF v_round.phase = 'history' THEN
    PERFORM long_task.note_maintenance(NULL);
  END IF;
  BEGIN
    v_step := long_task.maintain_phase(v_round.phase, v_round.place, v_round.stride);
  EXCEPTION
    WHEN OTHERS OR query_canceled THEN
      PERFORM long_task.note_maintenance(SQLERRM);
      SELECT
        CASE v_round.phase WHEN 'history' THEN 'task' WHEN 'task' THEN 'run' END AS phase,
        0::bigint AS place, v_round.stride AS stride, 0 AS tasks, 0 AS runs, 0 AS made, 0 AS dropped
      INTO v_step;
  END;
  v_took := extract(epoch FROM clock_timestamp() - v_begun);
  UPDATE long_task.maintenance AS m
  SET
    next_at = CASE WHEN v_step.phase IS NULL THEN long_task.next_round(v_now) ELSE v_now + v_others END,
    turn = v_round.turn,
    phase = COALESCE(v_step.phase, 'history'),
    place = COALESCE(v_step.place, 0),
    stride = v_step.stride,
    swept = CASE WHEN v_step.phase IS NULL THEN v_now ELSE m.swept END;
  RETURN json_build_object(
    'turn', v_round.turn,
    'again_in', CASE WHEN v_step.phase IS NOT NULL THEN LEAST(GREATEST(v_took * 9, 0.01), 1) END,
    'busy', false,
    'tasks', v_step.tasks,
    'runs', v_step.runs,
    'made', v_step.made,
    'dropped', v_step.dropped,
    'error', (SELECT m.error FROM long_task.maintenance AS m)
  );
END
$$;

COMMENT ON FUNCTION long_task.maintain_step(p_turn bigint) IS 'For nodes: do a small part of what the policies of retention ask for. People call maintain.';

CREATE FUNCTION long_task.move_task() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_now         timestamptz := long_task.clock();
  -- Only procedures write it, and who else could is kept from the column by db/grants.sql: what has ended is queued
  -- by a schedule then, and what is blocked goes on because settle_tasks has looked at its needs, or free_keys at its key. CS is skip_task.
  v_by_system   boolean := NEW.queued_by = 'system';
BEGIN
  NEW.queued_by := OLD.queued_by;
  IF NEW.id <> OLD.id THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('task %s cannot become task %s', OLD.id, NEW.id),
      HINT = 'Insert another task.';
  END IF;
  IF NEW.concurrency_key IS DISTINCT FROM OLD.concurrency_key AND NEW.running_on IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('concurrency_key of task %s cannot be changed while it runs', OLD.id),
      HINT = 'Cancel it, or wait for its end.';
  END IF;
  -- A claim and a report write worker_id too, and do not come here: this one was given by a person.
  IF NEW.worker_id IS DISTINCT FROM OLD.worker_id THEN
    NEW.pinned := NEW.worker_id IS NOT NULL;
  END IF;
  CASE
    WHEN NEW.state_id = OLD.state_id THEN
      NULL;
    WHEN NEW.state_id = 'AW' AND OLD.state_id IN ('DR', 'CS', 'CF', 'CC') THEN
      -- A process that has ended its task, and works on: its history is not that of the next start.
      IF NEW.running_on IS NOT NULL AND OLD.run_queued_by IS NULL THEN
        NEW.run_queued_by := OLD.queued_by;
        NEW.run_scheduled_for := OLD.scheduled_for;
      END IF;
      NEW.queued_by := CASE WHEN v_by_system THEN 'schedule' ELSE 'person' END;
      NEW.scheduled_for := CASE WHEN v_by_system THEN NEW.scheduled_for END;
      NEW.base_attempt := NEW.attempt;
      NEW.started := NULL;
      NEW.finished := NULL;
      NEW.exit_code := NULL;
      NEW.signal := NULL;
      NEW.error := NULL;
      NEW.output := NULL;
      NEW.result := NULL;
      NEW.progress := NULL;
    WHEN NEW.state_id = 'AW' AND OLD.state_id IN ('AD', 'AB') THEN
      NULL;
    WHEN NEW.state_id = 'AB' AND OLD.state_id IN ('AW', 'AD') AND v_by_system THEN
      IF NOT NEW.wants_key AND OLD.queued_by = 'dependency' THEN
        NEW.queued_by := 'person';
      END IF;
    WHEN NEW.state_id = 'DR' AND OLD.state_id IN ('CS', 'CF', 'CC') THEN
      NEW.shed_waiting := NULL; -- a draft has no end to wait for
    WHEN NEW.state_id = 'AC' AND OLD.state_id IN ('AW', 'AD', 'AB') THEN
      NEW.state_id := 'CC';
      NEW.finished := v_now;
      -- The delay of a retry, or the jitter of a schedule, must not delay the task when it is queued again.
      IF (OLD.queued_by = 'retry' OR OLD.queued_by = 'schedule' AND OLD.jitter IS NOT NULL)
         AND NEW.start_after IS NOT DISTINCT FROM OLD.start_after THEN
        NEW.start_after := NULL;
      END IF;
    WHEN NEW.state_id = 'AC' AND OLD.state_id IN ('AE', 'AS') THEN
      NULL;
    WHEN NEW.state_id = 'CS' AND v_by_system THEN
      NEW.finished := v_now;
      NEW.exit_code := NULL;
      NEW.signal := NULL;
    WHEN NEW.state_id = 'AS' AND OLD.state_id = 'AE' THEN
      NULL;
    WHEN NEW.state_id IN ('CS', 'CF') AND OLD.state_id IN ('AE', 'AS') THEN
      NEW.finished := v_now;
    ELSE
      RAISE EXCEPTION USING
        ERRCODE = 'LT003',
        MESSAGE = format('task %s cannot go from %s to %s', OLD.id, OLD.state_id, NEW.state_id),
        HINT = format('From %s it can go to %s.', OLD.state_id, CASE
          WHEN OLD.state_id = 'DR' THEN 'AW'
          WHEN OLD.state_id IN ('AW', 'AD', 'AB') THEN 'AC'
          WHEN OLD.state_id = 'AE' THEN 'AC, AS, CS, CF'
          WHEN OLD.state_id = 'AS' THEN 'AC, CS, CF'
          WHEN OLD.state_id = 'AC' THEN 'nothing: it becomes CC when its processes are gone'
          ELSE 'AW, DR'
        END),
        DETAIL = format('state_id is %s since %s', OLD.state_id, OLD.last_state_change);
  END CASE;

  IF v_by_system AND OLD.wants_key AND NEW.state_id = 'AW' THEN
    -- Its key has room, and it was the first of its priority when it was put aside: to the front, behind those that came
    -- back before. With its number of then, it would come to where nobody looks any more (note_gaps).
    NEW.ready_seq := long_task.front_place();
  ELSIF v_by_system AND (OLD.state_id = 'AB' AND NEW.state_id = 'AW' OR NEW.state_id = 'CC' AND OLD.state_id LIKE 'A%') THEN
    NEW.queued_by := 'dependency';
    IF NEW.state_id = 'CC' THEN
      NEW.error := long_task.why_unmet(NEW.id);
    END IF;
  ELSIF NEW.has_needs AND NEW.state_id = 'AW' AND OLD.state_id NOT IN ('AW', 'AD') THEN
    NEW.state_id := 'AB'; -- settle_entering_task looks, when what it needs has been written too
  END IF;
  -- Another key, time or place in the queue: the next claim looks whether there is room.
  IF OLD.wants_key AND NEW.state_id = 'AB' AND (
    NEW.concurrency_key IS DISTINCT FROM OLD.concurrency_key
    OR NEW.group_id <> OLD.group_id
    OR NEW.worker_id IS DISTINCT FROM OLD.worker_id
    OR NEW.start_after IS DISTINCT FROM OLD.start_after
  ) THEN
    NEW.state_id := 'AW';
  END IF;
  NEW.wants_key := NEW.wants_key AND NEW.state_id = 'AB';
  IF NEW.state_id IN ('AW', 'AD') THEN
    NEW.state_id := CASE WHEN NEW.start_after > v_now THEN 'AD' ELSE 'AW' END;
    IF NEW.state_id = 'AW' AND OLD.state_id <> 'AW' AND NOT OLD.wants_key THEN
      NEW.ready_seq := nextval('long_task.ready_seq');
    END IF;
    IF NEW.worker_id IS NULL THEN
      PERFORM long_task.announce_ready(NEW.group_id);
    ELSE
      PERFORM long_task.announce(NULL, NEW.worker_id);
    END IF;
  END IF;
  IF NEW.group_id <> OLD.group_id AND NEW.running_on IS NOT NULL THEN
    PERFORM long_task.announce(OLD.group_id, NULL); -- where it leaves room, if there is a limit
  END IF;
  IF NEW.state_id <> OLD.state_id THEN
    NEW.last_state_change := v_now;
    IF NEW.running_on IS NOT NULL THEN
      PERFORM long_task.announce(NULL, NEW.running_on);
    END IF;
    IF NEW.shed_waiting AND NEW.state_id LIKE 'C%' THEN
      PERFORM long_task.announce(NULL, NULL); -- for the start that has waited for this end
    END IF;
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.move_task() IS 'Trigger: allow or refuse a change of state, turn AW into AD and AC into CC where that is what is meant, wake the nodes.';

CREATE FUNCTION long_task.name_holder(p_lease long_task.worker_lease) RETURNS text
    LANGUAGE sql STABLE
    RETURN (((((('node '::text || (p_lease).node_name) || ' (pid '::text) || (p_lease).pid) || ' on '::text) || (p_lease).host) || ')'::text);

COMMENT ON FUNCTION long_task.name_holder(p_lease long_task.worker_lease) IS 'Name, process and machine of the node that holds a lease, or held it last.';

CREATE FUNCTION long_task.needs_verdict(p_task_id bigint, p_needs text, p_unmet text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_any    boolean := COALESCE(p_needs, 'all') = 'any';
  v_unmet  text := COALESCE(p_unmet, 'cancel');
  v_open   boolean;
  v_failed boolean;
BEGIN
  IF v_any AND EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    WHERE d.task_id = p_task_id AND d.met IS NOT NULL AND d.enabled AND d.met
  ) THEN
    RETURN 'start';
  END IF;
  v_open := EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    WHERE d.task_id = p_task_id AND d.met IS NULL AND d.enabled
    ORDER BY d.task_id DESC, d.needs_task_id DESC
    LIMIT 1
  );
  IF v_open AND (v_any OR v_unmet <> 'cancel') THEN
    RETURN 'wait';
  END IF;
  v_failed := EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    WHERE d.task_id = p_task_id AND d.met IS NOT NULL AND d.enabled AND NOT d.met
  );
  RETURN CASE WHEN v_failed THEN v_unmet WHEN v_open THEN 'wait' ELSE 'start' END;
END
$$;

COMMENT ON FUNCTION long_task.needs_verdict(p_task_id bigint, p_needs text, p_unmet text) IS 'Whether a task may start as far as its dependencies go: start, wait, or cancel, given its columns needs and unmet.';

CREATE FUNCTION long_task.new_workflow_version(p_workflow text) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_old integer;
  v_new integer;
BEGIN
  SELECT w.version INTO v_old
  FROM long_task.workflow AS w
  WHERE w.name = p_workflow
  ORDER BY w.version DESC
  LIMIT 1
  FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no workflow %s', COALESCE(p_workflow, 'null')),
      'The table long_task.workflow has all of them.');
  END IF;
  -- After the lock: somebody else may have made one meanwhile.
  v_old := (SELECT max(w.version) FROM long_task.workflow AS w WHERE w.name = p_workflow);
  INSERT INTO long_task.workflow (name, version, description, one_at_a_time, max_running)
  SELECT w.name, w.version + 1, w.description, w.one_at_a_time, w.max_running
  FROM long_task.workflow AS w
  WHERE w.name = p_workflow
    AND w.version = v_old
  RETURNING version INTO v_new;
  INSERT INTO long_task.workflow_step (
    workflow, version, name, command, params, env, stdin, cwd, group_id, worker_id, priority, timeout, kill_grace,
    max_attempts, retry_delay, concurrency_key, needs, unmet, fan_out
  )
  SELECT
    s.workflow, v_new, s.name, s.command, s.params, s.env, s.stdin, s.cwd, s.group_id, s.worker_id, s.priority,
    s.timeout, s.kill_grace, s.max_attempts, s.retry_delay, s.concurrency_key, s.needs, s.unmet, s.fan_out
  FROM long_task.workflow_step AS s
  WHERE s.workflow = p_workflow
    AND s.version = v_old;
  INSERT INTO long_task.workflow_edge (workflow, version, step, needs_step, "on", condition, enabled, pass, each)
  SELECT e.workflow, v_new, e.step, e.needs_step, e."on", e.condition, e.enabled, e.pass, e.each
  FROM long_task.workflow_edge AS e
  WHERE e.workflow = p_workflow
    AND e.version = v_old;
  RETURN v_new;
END
$$;

COMMENT ON FUNCTION long_task.new_workflow_version(p_workflow text) IS 'Copy the latest version of a workflow. Returns the number of the copy, which may be changed until it is started.';

CREATE FUNCTION long_task.next_round(p_now timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_shortest interval;
BEGIN
  IF NOT EXISTS (SELECT FROM long_task.retention) AND NOT EXISTS (SELECT FROM long_task.history_retention) THEN
    RETURN p_now + interval '1 hour';
  END IF;
  SELECT min(LEAST(r.keep_succeeded, r.keep_failed, r.keep_cancelled)) INTO v_shortest
  FROM long_task.retention AS r;
  RETURN p_now + LEAST(interval '1 minute', GREATEST(COALESCE(v_shortest / 10, interval '1 minute'), interval '1 second'));
END
$$;

COMMENT ON FUNCTION long_task.next_round(p_now timestamp with time zone) IS 'When all is to be gone through again that retention says something about.';

CREATE FUNCTION long_task.next_start_after(p_schedule long_task.schedule, p_after timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_next timestamptz;
BEGIN
  IF p_schedule.cron IS NOT NULL THEN
    v_next := long_task.cron_time_after(p_schedule.cron_fields, p_schedule.time_zone, p_after);
  ELSIF p_schedule.shed_period_id IS NOT NULL THEN
    v_next := long_task.schedule_time_after(
      COALESCE(p_schedule.shed_anchor, p_schedule.next_start), p_schedule.shed_period_id, COALESCE(p_schedule.shed_period_count, 1),
      p_schedule.time_zone, p_after
    );
  END IF;
  RETURN CASE WHEN (v_next > p_schedule.until) IS NOT TRUE THEN v_next END;
END
$$;

COMMENT ON FUNCTION long_task.next_start_after(p_schedule long_task.schedule, p_after timestamp with time zone) IS 'First start after a time of a task''s cron line or of its interval; null: there is none.';

CREATE FUNCTION long_task.next_starts(p_task_id bigint, p_next_start timestamp with time zone) RETURNS timestamp with time zone[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN ARRAY(SELECT long_task.schedule_preview(p_task_id, 3, p_next_start));
EXCEPTION
  WHEN data_exception OR SQLSTATE 'LT007' OR SQLSTATE 'LT004' THEN
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.next_starts(p_task_id bigint, p_next_start timestamp with time zone) IS 'The next three starts of a task''s schedule from its next_start on; null: it cannot be evaluated.';

CREATE FUNCTION long_task.note_gaps(p_queue text, p_key integer, p_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_look   CONSTANT integer := 100; -- so many tasks that are there are stepped around
  v_width  CONSTANT bigint := 100;  -- it is not worth while to step over less
  v_most   CONSTANT integer := 256;
  v_front  CONSTANT bigint := long_task.front_base();
  v_timed  CONSTANT boolean := p_queue NOT IN ('group', 'worker');
  v_ripe   CONSTANT interval := interval '0.1 seconds';
  v_now    CONSTANT timestamptz := long_task.clock();
  v_before CONSTANT long_task.queue_gaps := long_task.queue_gaps_of(p_queue, p_key);
  v_known  long_task.queue_gaps := v_before;
BEGIN
  IF v_timed THEN
    v_known.next := long_task.time_to_place(v_now);
  ELSE
    v_known.next := (SELECT q.last_value + 1 FROM long_task.ready_seq AS q);
  END IF;
  IF v_before.next_at <= v_now AND v_now < v_before.next_at + v_ripe THEN
    RETURN;
  END IF;
  v_known.next_at := v_now;
  IF (v_before.next_at <= v_now) IS NOT TRUE THEN
    PERFORM long_task.keep_queue_gaps(p_queue, p_key, v_known);
    RETURN;
  END IF;
  v_known.gaps := ARRAY(
    WITH known AS (
      SELECT g.lane, g.low, g.high FROM unnest(v_before.gaps) AS g
    ),
    live AS MATERIALIZED (
      SELECT l.lane, l.place
      FROM long_task.live_places(p_queue, p_key, long_task.queue_spans(p_queue, p_key), v_look) AS l
    ),
    seen AS (
      -- The end of what was looked at; null: all was.
      SELECT l.lane, l.place FROM live AS l ORDER BY l.lane, l.place OFFSET v_look - 1
    ),
    lane AS (
      SELECT l.lane, l.place < 0 AS front FROM live AS l
      UNION
      SELECT k.lane, k.low < 0 FROM known AS k
      UNION
      SELECT 0, false -- the one that most tasks are in, or the only one
      UNION
      SELECT CASE WHEN v_timed THEN 0 ELSE t.priority END, NOT v_timed AND t.ready_seq < 0
      FROM long_task.task AS t
      WHERE t.id = ANY (p_ids)
    ),
    mark AS (
      SELECT l.lane, l.place < 0 AS front, l.place FROM live AS l
      UNION ALL
      SELECT n.lane, n.front, CASE WHEN n.front THEN v_front ELSE -1 END FROM lane AS n
    ),
    gap AS (
      SELECT
        m.lane,
        m.place + 1 AS low,
        LEAST(
          lead(m.place) OVER (PARTITION BY m.lane, m.front ORDER BY m.place),
          CASE WHEN m.front THEN v_before.next + v_front ELSE v_before.next END
        ) AS high
      FROM mark AS m
    ),
    all_gaps AS (
      SELECT g.lane, g.low, g.high
      FROM gap AS g
      WHERE COALESCE((g.lane, g.low) < (SELECT s.lane, s.place FROM seen AS s), true)
      UNION ALL
      SELECT k.lane, k.low, k.high
      FROM known AS k
      WHERE (k.lane, k.low) > (SELECT s.lane, s.place FROM seen AS s)
    ),
    widest AS (
      SELECT a.lane, a.low, a.high
      FROM all_gaps AS a
      WHERE a.high >= a.low + v_width
      ORDER BY a.high - a.low DESC
      LIMIT v_most
    )
    SELECT ROW(w.lane, w.low, w.high)::long_task.queue_gap
    FROM widest AS w
    ORDER BY w.lane, w.low
  );
  PERFORM long_task.keep_queue_gaps(p_queue, p_key, v_known);
END
$$;

COMMENT ON FUNCTION long_task.note_gaps(p_queue text, p_key integer, p_ids bigint[]) IS 'Remember where a queue is empty, so that it is not read there.';

CREATE FUNCTION long_task.note_maintenance(p_error text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  UPDATE long_task.maintenance AS m
  SET error = left(p_error, 1000);
END
$$;

COMMENT ON FUNCTION long_task.note_maintenance(p_error text) IS 'Write down what went wrong while tidying up.';

CREATE FUNCTION long_task.number_workflow() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  NEW.version := COALESCE((SELECT max(w.version) FROM long_task.workflow AS w WHERE w.name = NEW.name) + 1, 1);
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.number_workflow() IS 'Trigger: give a new version of a workflow its number.';

CREATE SEQUENCE long_task.ready_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

COMMENT ON SEQUENCE long_task.ready_seq IS 'Place in the queue: taken each time a task becomes ready.';

CREATE TABLE long_task.task (
    id bigint NOT NULL,
    name text,
    state_id text DEFAULT 'DR'::text CONSTRAINT task_state_id_not_null1 NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    group_id integer DEFAULT 0 NOT NULL,
    worker_id integer,
    command text[],
    params jsonb,
    env jsonb,
    stdin text,
    cwd text,
    start_after timestamp with time zone,
    timeout interval,
    kill_grace interval,
    max_attempts integer DEFAULT 1 NOT NULL,
    retry_delay interval DEFAULT '00:00:10'::interval NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    progress real,
    result jsonb,
    error text,
    exit_code smallint,
    signal smallint,
    output text,
    owner text DEFAULT SESSION_USER NOT NULL,
    created timestamp with time zone DEFAULT long_task.clock() NOT NULL,
    last_state_change timestamp with time zone DEFAULT long_task.clock() NOT NULL,
    started timestamp with time zone,
    finished timestamp with time zone,
    next_start timestamp with time zone,
    shed_period_id text,
    shed_period_count integer,
    shed_clone boolean DEFAULT false NOT NULL,
    shed_parent_id bigint,
    shed_enabled boolean DEFAULT true NOT NULL,
    shed_anchor timestamp with time zone,
    cron text,
    time_zone text,
    concurrency_key text,
    queued_by text DEFAULT 'person'::text NOT NULL,
    base_attempt integer DEFAULT 0 NOT NULL,
    pinned boolean DEFAULT false NOT NULL,
    running_on integer,
    ready_seq bigint DEFAULT nextval('long_task.ready_seq'::regclass) NOT NULL,
    missed text,
    missed_after interval,
    overlap text,
    jitter interval,
    until timestamp with time zone,
    cron_fields long_task.cron_fields,
    shed_waiting boolean,
    shed_error text,
    scheduled_for timestamp with time zone,
    run_queued_by text,
    run_scheduled_for timestamp with time zone,
    needs text,
    unmet text,
    has_needs boolean DEFAULT false NOT NULL,
    has_dependents boolean DEFAULT false NOT NULL,
    wants_key boolean DEFAULT false NOT NULL,
    workflow text,
    run_id bigint,
    step text,
    item integer,
    CONSTRAINT task_executing_has_a_worker CHECK (((state_id <> ALL (ARRAY['AE'::text, 'AS'::text, 'AC'::text])) OR (running_on IS NOT NULL))),
    CONSTRAINT task_state_is_known CHECK ((state_id = ANY (ARRAY['DR'::text, 'AW'::text, 'AD'::text, 'AB'::text, 'AE'::text, 'AS'::text, 'AC'::text, 'CS'::text, 'CF'::text, 'CC'::text])))
)
WITH (fillfactor='80', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_threshold='1000');

COMMENT ON TABLE long_task.task IS 'A row asks for a command to be run to its end. INSERT with state_id ''AW'' to queue it, UPDATE state_id to ''AC'' to cancel it.';

COMMENT ON COLUMN long_task.task.id IS 'Name of the task in every other place.';

COMMENT ON COLUMN long_task.task.name IS 'For people; nothing depends on it.';

COMMENT ON COLUMN long_task.task.state_id IS 'See long_task.task_state. People write DR, AW, AS, AC; the task itself may write CS or CF while it runs.';

COMMENT ON COLUMN long_task.task.priority IS 'Smaller is sooner; among equals the one that became ready first.';

COMMENT ON COLUMN long_task.task.group_id IS 'The workers of this group run it. Any number; nothing has to be registered.';

COMMENT ON COLUMN long_task.task.worker_id IS 'While it waits: only this worker may run it; null: any of the group. Afterwards: the worker that ran it.';

COMMENT ON COLUMN long_task.task.command IS 'Program and arguments; no shell. An element %TASK becomes the task''s id.';

COMMENT ON COLUMN long_task.task.params IS 'Reaches the process as JSON in PG_TASKS_PARAMS.';

COMMENT ON COLUMN long_task.task.env IS 'Object of strings, added to the environment of the process.';

COMMENT ON COLUMN long_task.task.stdin IS 'What the process reads on its standard input; null: nothing.';

COMMENT ON COLUMN long_task.task.cwd IS 'Working directory; a relative one is taken from the root the node was configured with.';

COMMENT ON COLUMN long_task.task.start_after IS 'Not to be started before this time.';

COMMENT ON COLUMN long_task.task.timeout IS 'An attempt that runs longer is killed and counts as failed; null: no limit.';

COMMENT ON COLUMN long_task.task.kill_grace IS 'From SIGTERM to SIGKILL; null: the node''s setting (10 seconds unless configured).';

COMMENT ON COLUMN long_task.task.max_attempts IS 'Failed attempts are repeated until there were this many since the task was queued.';

COMMENT ON COLUMN long_task.task.retry_delay IS 'Wait before the second attempt; doubled for each further one, to at most a day.';

COMMENT ON COLUMN long_task.task.attempt IS 'Number of the latest attempt over the life of the row. Only grows: a fencing token.';

COMMENT ON COLUMN long_task.task.progress IS 'From 0 to 1, written by the task itself.';

COMMENT ON COLUMN long_task.task.result IS 'JSON that the process wrote to the file named in PG_TASKS_RESULT.';

COMMENT ON COLUMN long_task.task.error IS 'Why the latest attempt ended badly.';

COMMENT ON COLUMN long_task.task.exit_code IS 'Exit code of the latest attempt, 0 to 255; null if a signal ended it or it never started.';

COMMENT ON COLUMN long_task.task.signal IS 'Signal that ended the latest attempt; null if it exited.';

COMMENT ON COLUMN long_task.task.output IS 'End of what the latest attempt wrote to stdout and stderr.';

COMMENT ON COLUMN long_task.task.owner IS 'Database user that inserted the row.';

COMMENT ON COLUMN long_task.task.created IS 'When the row was inserted.';

COMMENT ON COLUMN long_task.task.last_state_change IS 'When state_id got its present value.';

COMMENT ON COLUMN long_task.task.started IS 'When the latest attempt was claimed.';

COMMENT ON COLUMN long_task.task.finished IS 'When the latest attempt ended.';

COMMENT ON COLUMN long_task.task.next_start IS 'Schedule: the task is queued at this time if it has ended by then. By cron it is found by the system.';

COMMENT ON COLUMN long_task.task.shed_period_id IS 'Schedule: unit of the interval, SEC MIN HOU DAY WEE MON; null: next_start is the only start, or cron says more.';

COMMENT ON COLUMN long_task.task.shed_period_count IS 'Schedule: number of units from one start to the next; null counts as 1.';

COMMENT ON COLUMN long_task.task.shed_clone IS 'Schedule: each start is a row of its own, this row is their template.';

COMMENT ON COLUMN long_task.task.shed_parent_id IS 'Schedule: the template this row was cloned from.';

COMMENT ON COLUMN long_task.task.shed_enabled IS 'Schedule: false pauses it.';

COMMENT ON COLUMN long_task.task.shed_anchor IS 'Schedule: the next_start that was last written by hand; intervals are counted from it. System.';

COMMENT ON COLUMN long_task.task.cron IS 'Schedule: minute, hour, day of month, month, day of week, or @hourly to @yearly; instead of a period.';

COMMENT ON COLUMN long_task.task.time_zone IS 'Schedule: cron lines, days, weeks and months keep the wall clock of this zone; null: UTC.';

COMMENT ON COLUMN long_task.task.concurrency_key IS 'At most so many tasks with this key run at once as concurrency_limit says, or one; null: no limit.';

COMMENT ON COLUMN long_task.task.queued_by IS 'What queued it last: person, schedule, dependency or retry. System.';

COMMENT ON COLUMN long_task.task.base_attempt IS 'Value of attempt when the task was last queued: retries are counted from here. System.';

COMMENT ON COLUMN long_task.task.pinned IS 'Whether worker_id was given by a person, and not by the claim of the latest attempt. System.';

COMMENT ON COLUMN long_task.task.running_on IS 'Worker that may have a live process of this row; null: there is none. System.';

COMMENT ON COLUMN long_task.task.ready_seq IS 'Place in the queue among tasks of the same priority; below 0: it has waited for its key or was given back, and comes before the others. System.';

COMMENT ON COLUMN long_task.task.missed IS 'Schedule: what becomes of starts that were missed: run once (null), run each, skip.';

COMMENT ON COLUMN long_task.task.missed_after IS 'Schedule: a start that is later than this is given up; null: with skip a minute, else never.';

COMMENT ON COLUMN long_task.task.overlap IS 'Schedule: a start at which the task is still active: skip (null), clone, queue one.';

COMMENT ON COLUMN long_task.task.jitter IS 'Schedule: each start is delayed by a random time of up to so much.';

COMMENT ON COLUMN long_task.task.until IS 'Schedule: no start after this time.';

COMMENT ON COLUMN long_task.task.cron_fields IS 'Schedule: the cron line, parsed. System.';

COMMENT ON COLUMN long_task.task.shed_waiting IS 'Schedule: true if next_start has come and waits for the task to end. System.';

COMMENT ON COLUMN long_task.task.shed_error IS 'Schedule: why the system has paused it. System.';

COMMENT ON COLUMN long_task.task.scheduled_for IS 'Time of the schedule for which it was queued last; null: it was not queued by a schedule. System.';

COMMENT ON COLUMN long_task.task.run_queued_by IS 'queued_by of the attempt whose process still runs, if the task is queued again already. System.';

COMMENT ON COLUMN long_task.task.run_scheduled_for IS 'scheduled_for of that attempt. System.';

COMMENT ON COLUMN long_task.task.needs IS 'Whether all of what it needs must have come (null) or any one is enough: all, any.';

COMMENT ON COLUMN long_task.task.unmet IS 'When what it needs can no longer come: cancel it (null), start it anyway, let it wait: cancel, start, wait.';

COMMENT ON COLUMN long_task.task.has_needs IS 'Whether it has rows in task_dependency. System.';

COMMENT ON COLUMN long_task.task.has_dependents IS 'Whether others have rows there that name it. System.';

COMMENT ON COLUMN long_task.task.wants_key IS 'Whether it waits for others with its concurrency_key to end. System.';

COMMENT ON COLUMN long_task.task.workflow IS 'What the starts of this template (shed_clone) start, instead of a copy of it.';

COMMENT ON COLUMN long_task.task.run_id IS 'Run of a workflow that it is a part of. System.';

COMMENT ON COLUMN long_task.task.step IS 'Its step in that workflow. System.';

COMMENT ON COLUMN long_task.task.item IS 'Its place in the array that the step is fanned out over, from 0. System.';

CREATE FUNCTION long_task.order_with_results(p_task long_task.task) RETURNS json
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_limit       CONSTANT integer := 131000; -- with a name before it
  v_stdin_limit CONSTANT integer := 16777216;
  v_task        long_task.task := p_task;
  v_results     jsonb;
  v_params      jsonb;
  v_env         jsonb;
  v_stdin       text;
  v_bytes       bigint;
  v_error       text;
BEGIN
  IF array_to_string(p_task.command, ' ') !~ '%RESULT:' AND NOT EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    WHERE d.task_id = p_task.id
      AND d.enabled
      AND d.pass IS NOT NULL
  ) THEN
    RETURN long_task.plain_order(p_task);
  END IF;
  -- An inner block, because it costs something to enter one.
  BEGIN
    v_bytes := long_task.passed_bytes(p_task.id, array_to_string(p_task.command, ' '));
    IF v_bytes > v_stdin_limit THEN
      v_error := format('results of %s bytes are longer than %s', v_bytes, v_stdin_limit);
      RETURN long_task.plain_order(p_task)::jsonb || jsonb_build_object('error', v_error);
    END IF;
    SELECT
      COALESCE(jsonb_object_agg(r.name, r.value), '{}'),
      jsonb_object_agg(r.name, r.value) FILTER (WHERE r.pass = 'params' AND r.value IS NOT NULL),
      jsonb_object_agg(
        'RESULT_' || upper(regexp_replace(r.name, '[^A-Za-z0-9_]', '_', 'g')), long_task.plain_text(r.value)
      ) FILTER (WHERE r.pass = 'env' AND r.value IS NOT NULL),
      string_agg(array_to_string(r.texts, E'\n'), E'\n' ORDER BY r.name) FILTER (WHERE r.pass = 'stdin')
    INTO v_results, v_params, v_env, v_stdin
    FROM long_task.results_of_needs(p_task.id, array_to_string(p_task.command, ' ')) AS r;

    v_task.command := long_task.fill_in(p_task.command, 'RESULT', v_results);
    IF v_params IS NOT NULL AND jsonb_typeof(p_task.params) <> 'object' THEN
      v_error := format('results cannot be passed in params, which is %s and no object', jsonb_typeof(p_task.params));
    END IF;
    v_task.params := COALESCE(p_task.params || v_params, v_params, p_task.params);
    v_task.env := COALESCE(p_task.env || v_env, v_env, p_task.env);
    v_task.stdin := COALESCE(p_task.stdin || E'\n' || v_stdin, v_stdin, p_task.stdin);
    IF v_params IS NOT NULL AND octet_length(v_task.params::text) > v_limit THEN
      v_error := format('params with results of %s bytes is longer than %s', octet_length(v_task.params::text), v_limit);
    ELSIF octet_length(v_stdin) > v_stdin_limit THEN
      v_error := format('stdin with results of %s bytes is longer than %s', octet_length(v_stdin), v_stdin_limit);
    ELSIF v_task.command <> p_task.command AND octet_length(v_task.command::text) > v_limit THEN
      v_error := format('command with results of %s bytes is longer than %s', octet_length(v_task.command::text), v_limit);
    ELSIF octet_length(v_env::text) > v_limit THEN
      v_error := format('env with results of %s bytes is longer than %s', octet_length(v_env::text), v_limit);
    END IF;
    IF v_error IS NOT NULL THEN
      RETURN long_task.plain_order(p_task)::jsonb || jsonb_build_object('error', v_error);
    END IF;
    RETURN long_task.plain_order(v_task);
  EXCEPTION
    WHEN SQLSTATE 'LT013' OR program_limit_exceeded THEN
      RETURN long_task.plain_order(p_task)::jsonb || jsonb_build_object('error', SQLERRM);
  END;
END
$$;

COMMENT ON FUNCTION long_task.order_with_results(p_task long_task.task) IS 'What a node has to know to start the attempt that the row is in, with the results of what it needs; or the error.';

CREATE FUNCTION long_task.parse_cron(p_line text) RETURNS long_task.cron_fields
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
  v_months   CONSTANT text[] := ARRAY['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
  v_weekdays CONSTANT text[] := ARRAY['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
  v_line     text := lower(btrim(p_line, E' \t\r\n'));
  v_texts    text[];
  v_days     text[];
  v_weeks    text[];
  v_week     bit varying;
  v_item     text;
  v_parts    integer[];
  v_fields   long_task.cron_fields;
BEGIN
  v_texts := regexp_split_to_array(CASE v_line
    WHEN '@hourly' THEN '0 * * * *'
    WHEN '@daily' THEN '0 0 * * *'
    WHEN '@midnight' THEN '0 0 * * *'
    WHEN '@weekly' THEN '0 0 * * 0'
    WHEN '@monthly' THEN '0 0 1 * *'
    WHEN '@yearly' THEN '0 0 1 1 *'
    WHEN '@annually' THEN '0 0 1 1 *'
    ELSE v_line
  END, '\s+');
  IF cardinality(v_texts) IS DISTINCT FROM 5 THEN
    PERFORM long_task.refuse('LT007',
      format('cron %s has %s fields, not five', COALESCE(quote_literal(p_line), 'null'), COALESCE(cardinality(v_texts), 0)),
      'They are minute, hour, day of month, month and day of week; or one of @hourly @daily @weekly @monthly @yearly.');
  END IF;

  v_fields.minutes := long_task.parse_cron_field(p_line, 'minute', string_to_array(v_texts[1], ','), 0, 59);
  v_fields.hours := long_task.parse_cron_field(p_line, 'hour', string_to_array(v_texts[2], ','), 0, 23);
  v_fields.every_hour := v_texts[2] ~ '[*/]';
  IF v_texts[4] ~ '[a-z]' THEN
    FOR v_n IN 1 .. 12 LOOP
      v_texts[4] := regexp_replace(v_texts[4], '\m' || v_months[v_n] || '\M', v_n::text, 'g');
    END LOOP;
  END IF;
  v_fields.months := substring(
    long_task.parse_cron_field(p_line, 'month', string_to_array(v_texts[4], ','), 1, 12) FROM 2);

  v_days := string_to_array(v_texts[3], ',');
  v_fields.last_day := 'l' = ANY (v_days);
  v_fields.last_workday := 'lw' = ANY (v_days);
  v_days := array_remove(array_remove(v_days, 'l'), 'lw');
  FOREACH v_item IN ARRAY v_days LOOP
    v_parts := regexp_match(v_item, '^(\d{1,2})w$')::integer[];
    IF v_parts[1] BETWEEN 1 AND 31 THEN
      v_fields.near_days := v_fields.near_days || v_parts;
      v_days := array_remove(v_days, v_item);
    END IF;
  END LOOP;
  v_fields.days := substring(long_task.parse_cron_field(p_line, 'day of month', v_days, 1, 31) FROM 2);

  IF v_texts[5] ~ '[a-z]' THEN
    v_texts[5] := regexp_replace(v_texts[5], '(?<!sun)-sun', '-7', 'g'); -- a week may end on Sunday
    FOR v_n IN 1 .. 7 LOOP
      v_texts[5] := regexp_replace(v_texts[5], '\m' || v_weekdays[v_n] || '(?=l?\M)', (v_n - 1)::text, 'g');
    END LOOP;
  END IF;
  v_weeks := string_to_array(v_texts[5], ',');
  FOREACH v_item IN ARRAY v_weeks LOOP
    v_parts := regexp_match(v_item, '^([0-7])(?:#([1-5])|l)$')::integer[];
    IF v_parts IS NOT NULL THEN
      v_fields.nth_weekdays := v_fields.nth_weekdays || (v_parts[1] % 7 * 10 + COALESCE(v_parts[2], 0));
      v_weeks := array_remove(v_weeks, v_item);
    END IF;
  END LOOP;
  v_week := long_task.parse_cron_field(p_line, 'day of week', v_weeks, 0, 7);
  v_fields.weekdays := substring(set_bit(v_week, 0, GREATEST(get_bit(v_week, 0), get_bit(v_week, 7))) FOR 7);

  v_fields.either_day := v_texts[3] !~ '^\*' AND v_texts[5] !~ '^\*';
  RETURN v_fields;
END
$_$;

COMMENT ON FUNCTION long_task.parse_cron(p_line text) IS 'A cron line as bits and lists: five fields with lists, ranges, steps, names, L, W and #, or @hourly to @yearly.';

CREATE FUNCTION long_task.parse_cron_field(p_line text, p_field text, p_items text[], p_low integer, p_high integer) RETURNS bit varying
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
  v_bits   bit varying := repeat('0', p_high + 1)::bit varying;
  v_item   text;
  v_parts  integer[];
  v_first  integer;
  v_last   integer;
  v_step   integer;
  v_reason text;
BEGIN
  FOREACH v_item IN ARRAY p_items LOOP
    v_parts := regexp_match(v_item, '^(?:\*|(\d{1,4})(?:-(\d{1,4}))?)(?:/(\d{1,4}))?$')::integer[];
    v_first := COALESCE(v_parts[1], p_low);
    v_step := COALESCE(v_parts[3], 1);
    v_last := COALESCE(v_parts[2], CASE WHEN v_parts[1] IS NULL OR v_parts[3] IS NOT NULL THEN p_high ELSE v_first END);
    v_reason := CASE
      WHEN v_parts IS NULL THEN 'is not understood'
      WHEN v_first < p_low OR v_last > p_high THEN format('is not between %s and %s', p_low, p_high)
      WHEN v_first > v_last THEN 'goes backwards'
      WHEN v_step NOT BETWEEN 1 AND p_high - p_low + 1 THEN format('has a step that is not between 1 and %s', p_high - p_low + 1)
    END;
    IF v_reason IS NOT NULL THEN
      PERFORM long_task.refuse('LT007',
        format('%s %s of cron %s %s', p_field, quote_literal(v_item), quote_literal(p_line), v_reason),
        'Values are such as 5, 1-5, 1,3 or */10; months and days of the week have names; days have L, LW, 15W, 5L and 5#2 too.');
    END IF;
    FOR v_value IN v_first .. v_last BY v_step LOOP
      v_bits := set_bit(v_bits, v_value, 1);
    END LOOP;
  END LOOP;
  RETURN v_bits;
END
$_$;

COMMENT ON FUNCTION long_task.parse_cron_field(p_line text, p_field text, p_items text[], p_low integer, p_high integer) IS 'Bits for the values 0 to p_high that a list of items of a cron field names.';

CREATE FUNCTION long_task.parse_result(p_text text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN p_text::jsonb;
EXCEPTION
  WHEN data_exception OR program_limit_exceeded THEN
    RETURN jsonb_build_object('unreadable_result', left(p_text, 1000));
END
$$;

COMMENT ON FUNCTION long_task.parse_result(p_text text) IS 'The text as jsonb; one that PostgreSQL cannot store, as {"unreadable_result": its beginning}.';

CREATE FUNCTION long_task.passed_bytes(p_task_id bigint, p_command text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
BEGIN
  RETURN (
    SELECT COALESCE(sum(COALESCE(octet_length(p.result::text), octet_length(p.output))), 0)
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS p ON p.id = d.needs_task_id
    WHERE d.task_id = p_task_id
      AND d.enabled
      AND (d.pass IS NOT NULL OR strpos(p_command, '%RESULT:' || COALESCE(d.name, p.name, p.id::text)) > 0)
  );
END
$$;

COMMENT ON FUNCTION long_task.passed_bytes(p_task_id bigint, p_command text) IS 'Bytes of the results that are passed to a task by those it needs.';

CREATE FUNCTION long_task.pause_schedule(p_task_id bigint, p_reason text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  UPDATE long_task.task AS t
  SET
    queued_by = 'system',
    shed_enabled = false,
    shed_error = p_reason
  WHERE t.id = p_task_id;
  RETURN true;
EXCEPTION
  WHEN OTHERS THEN
    RAISE WARNING 'the schedule of task % could not be paused: %', p_task_id, SQLERRM;
    RETURN false;
END
$$;

COMMENT ON FUNCTION long_task.pause_schedule(p_task_id bigint, p_reason text) IS 'Pause the schedule of a task that could not be fired, and say why. Returns false if that cannot be done.';

CREATE FUNCTION long_task.pick_tasks(p_worker_id integer, p_group_id integer, p_limit integer) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_enough       CONSTANT integer := 16777216;
  v_enough_time  CONSTANT interval := interval '0.3 seconds';
  v_many         CONSTANT integer := 500;
  v_begun        timestamptz := clock_timestamp(); -- a duration, not a time
  v_group_spans  long_task.queue_span[] := long_task.queue_spans('group', p_group_id);
  v_worker_spans long_task.queue_span[] := long_task.queue_spans('worker', p_worker_id);
  v_fetch        integer := p_limit;
  v_length       integer := 0;
  v_room         integer := p_limit;
  v_group_room   integer;
  v_other_rooms  jsonb := jsonb_build_object();
  v_key_rooms    jsonb := jsonb_build_object();
  v_key_room     integer;
  v_task         record;
  v_seen         bigint[] := ARRAY[]::bigint[];
  v_before       integer;
  v_aside        bigint[];
  v_ids          bigint[] := ARRAY[]::bigint[];
BEGIN
  IF EXISTS (SELECT FROM long_task.group_limit AS g WHERE g.group_id = p_group_id) THEN
    v_room := long_task.group_room(p_group_id, p_limit);
  END IF;
  LOOP
    v_aside := ARRAY[]::bigint[];
    v_before := cardinality(v_seen);
    FOR v_task IN
      WITH of_group AS (
        SELECT f.*
        FROM unnest(v_group_spans) AS s
        CROSS JOIN LATERAL (
          SELECT
            t.id, t.priority, t.ready_seq, t.group_id, t.concurrency_key, t.command, t.params, t.env, t.stdin,
            t.has_needs, t.needs, t.unmet
          FROM long_task.task AS t
          WHERE t.state_id = 'AW'
            AND t.running_on IS NULL
            AND t.worker_id IS NULL
            AND t.group_id = p_group_id
            AND (t.priority, t.ready_seq) >= (s.from_lane, s.from_place)
            AND (t.priority, t.ready_seq) < (s.to_lane, s.to_place)
            AND t.id <> ALL (v_seen)
          ORDER BY t.priority, t.ready_seq
          LIMIT CASE WHEN v_room > 0 THEN v_fetch ELSE 0 END
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS f
        LIMIT CASE WHEN v_room > 0 THEN v_fetch ELSE 0 END
      ),
      of_worker AS (
        SELECT f.*
        FROM unnest(v_worker_spans) AS s
        CROSS JOIN LATERAL (
          SELECT
            t.id, t.priority, t.ready_seq, t.group_id, t.concurrency_key, t.command, t.params, t.env, t.stdin,
            t.has_needs, t.needs, t.unmet
          FROM long_task.task AS t
          WHERE t.state_id = 'AW'
            AND t.running_on IS NULL
            AND t.worker_id = p_worker_id
            AND (t.priority, t.ready_seq) >= (s.from_lane, s.from_place)
            AND (t.priority, t.ready_seq) < (s.to_lane, s.to_place)
            AND t.id <> ALL (v_seen)
          ORDER BY t.priority, t.ready_seq
          LIMIT v_fetch
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS f
        LIMIT v_fetch
      )
      SELECT * FROM of_group
      UNION ALL
      SELECT * FROM of_worker
      ORDER BY priority, ready_seq
      LIMIT v_fetch
    LOOP
      EXIT WHEN cardinality(v_ids) = p_limit OR v_length >= v_enough;
      v_seen := v_seen || v_task.id;
      -- One of the worker's own may be of another group: that is asked for each.
      IF v_task.group_id = p_group_id THEN
        v_group_room := v_room;
      ELSE
        IF NOT v_other_rooms ? v_task.group_id::text THEN
          v_other_rooms := v_other_rooms
            || jsonb_build_object(v_task.group_id, long_task.group_room(v_task.group_id, p_limit));
        END IF;
        v_group_room := (v_other_rooms ->> v_task.group_id::text)::integer;
      END IF;
      CONTINUE WHEN (v_group_room > 0) IS NOT TRUE;
      -- What it needs may have been queued again by somebody while another held its row.
      CONTINUE WHEN v_task.has_needs AND long_task.needs_verdict(v_task.id, v_task.needs, v_task.unmet) <> 'start';
      IF v_task.concurrency_key IS NOT NULL THEN
        IF NOT v_key_rooms ? v_task.concurrency_key THEN
          v_key_rooms := v_key_rooms
            || jsonb_build_object(v_task.concurrency_key, long_task.key_room(v_task.concurrency_key));
        END IF;
        v_key_room := (v_key_rooms ->> v_task.concurrency_key)::integer;
        IF v_key_room <= 0 THEN
          v_aside := v_aside || v_task.id;
        END IF;
        CONTINUE WHEN (v_key_room > 0) IS NOT TRUE;
        v_key_rooms := v_key_rooms || jsonb_build_object(v_task.concurrency_key, v_key_room - 1);
      END IF;
      IF v_task.group_id = p_group_id THEN
        v_room := v_room - 1;
      ELSE
        v_other_rooms := v_other_rooms || jsonb_build_object(v_task.group_id, v_group_room - 1);
      END IF;
      v_ids := v_ids || v_task.id;
      -- Here, and not in the query, so that nothing is read of the tasks that are left.
      v_length := v_length
        + octet_length(v_task.command::text)
        + COALESCE(octet_length(v_task.params::text), 0)
        + COALESCE(octet_length(v_task.env::text), 0)
        + COALESCE(octet_length(v_task.stdin), 0);
      IF v_task.has_needs THEN
        v_length := v_length + LEAST(long_task.passed_bytes(v_task.id, array_to_string(v_task.command, ' ')), v_enough);
      END IF;
    END LOOP;
    IF cardinality(v_aside) > 0 THEN
      -- 'system' tells the triggers that a procedure writes this; it is never stored.
      UPDATE long_task.task AS t
      SET
        queued_by = 'system',
        state_id = 'AB',
        wants_key = true
      WHERE t.id = ANY (v_aside);
    END IF;
    EXIT WHEN cardinality(v_seen) = cardinality(v_ids) -- nobody was passed over
      OR cardinality(v_ids) = p_limit
      OR v_length >= v_enough
      OR cardinality(v_seen) = v_before -- nobody is left
      OR clock_timestamp() > v_begun + v_enough_time;
    v_fetch := v_many;
  END LOOP;
  RETURN v_ids;
END
$$;

COMMENT ON FUNCTION long_task.pick_tasks(p_worker_id integer, p_group_id integer, p_limit integer) IS 'Lock up to so many ready tasks for a worker, and not too much at once, as far as limits have room. Returns their ids, best first.';

CREATE FUNCTION long_task.pinned_worker(p_task long_task.task) RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN ((p_task).pinned OR ((p_task).attempt = 0)) THEN (p_task).worker_id ELSE NULL::integer END;

COMMENT ON FUNCTION long_task.pinned_worker(p_task long_task.task) IS 'The worker that a person has given a task to; null: any of its group.';

CREATE FUNCTION long_task.place_to_time(p_place bigint) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    RETURN CASE WHEN (p_place < '-210866803200000000'::bigint) THEN '-infinity'::timestamp with time zone WHEN (p_place >= '9000000000000000000'::bigint) THEN 'infinity'::timestamp with time zone ELSE ('1970-01-01 05:30:00+05:30'::timestamp with time zone + ((p_place)::double precision * '00:00:00.000001'::interval)) END;

COMMENT ON FUNCTION long_task.place_to_time(p_place bigint) IS 'The time so many microseconds after 1970.';

CREATE FUNCTION long_task.plain_order(p_task long_task.task) RETURNS json
    LANGUAGE sql STABLE
    RETURN json_build_object('task_id', (p_task).id, 'attempt', (p_task).attempt, 'group_id', (p_task).group_id, 'priority', (p_task).priority, 'command', array_replace((p_task).command, '%TASK'::text, ((p_task).id)::text), 'cwd', (p_task).cwd, 'env', (p_task).env, 'params', ((p_task).params)::text, 'stdin', (p_task).stdin, 'run_id', (p_task).run_id, 'timeout', EXTRACT(epoch FROM (p_task).timeout), 'kill_grace', EXTRACT(epoch FROM (p_task).kill_grace), 'scheduled_for', to_char(((p_task).scheduled_for AT TIME ZONE 'UTC'::text), CASE WHEN (date_trunc('second'::text, (p_task).scheduled_for) = (p_task).scheduled_for) THEN 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'::text ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'::text END));

COMMENT ON FUNCTION long_task.plain_order(p_task long_task.task) IS 'What a node has to know to start the attempt that the row is in, as it stands there; durations in seconds, scheduled_for in UTC.';

CREATE FUNCTION long_task.plain_text(p_value jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN (p_value #>> '{}'::text[]);

COMMENT ON FUNCTION long_task.plain_text(p_value jsonb) IS 'A string without its quotes, anything else as JSON; null for null.';

CREATE FUNCTION long_task.posts() RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN 64;

COMMENT ON FUNCTION long_task.posts() IS 'How many posts a group has, at which its idle nodes stand.';

CREATE FUNCTION long_task.preview_from(p_from timestamp with time zone, p_count integer) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_first CONSTANT timestamptz := timestamptz '1900-01-01 00:00+00';
  v_last  CONSTANT timestamptz := timestamptz '9999-12-31 00:00+00';
BEGIN
  IF (p_count BETWEEN 0 AND 10000) IS NOT TRUE THEN
    PERFORM long_task.refuse('LT004', format('%s starts cannot be shown', COALESCE(p_count::text, 'null')),
      'Ask for 0 to 10000.');
  END IF;
  IF p_from NOT BETWEEN v_first AND v_last THEN
    PERFORM long_task.refuse('LT004', format('starts from %s on cannot be shown', p_from),
      'Give a time between the years 1900 and 9999.');
  END IF;
  RETURN COALESCE(p_from, long_task.clock());
END
$$;

COMMENT ON FUNCTION long_task.preview_from(p_from timestamp with time zone, p_count integer) IS 'The time from which a preview begins: now if none is given. Refuses what cannot be shown.';

CREATE FUNCTION long_task.queue_gaps_of(p_queue text, p_key integer) RETURNS long_task.queue_gaps
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN NULLIF(current_setting(format('long_task.gaps_%s_%s', p_queue, replace(p_key::text, '-', '_')), true), '')::long_task.queue_gaps;
END
$$;

COMMENT ON FUNCTION long_task.queue_gaps_of(p_queue text, p_key integer) IS 'What this session knows of the gaps of a queue; null: it knows of none.';

CREATE FUNCTION long_task.queue_spans(p_queue text, p_key integer) RETURNS long_task.queue_span[]
    LANGUAGE sql STABLE
    RETURN CASE WHEN (current_setting('long_task.gaps'::text, true) <> ''::text) THEN long_task.known_spans(p_queue, p_key) ELSE ARRAY[ROW('-2147483648'::integer, '-9223372036854775808'::bigint, 2147483647, '9223372036854775807'::bigint)::long_task.queue_span] END;

COMMENT ON FUNCTION long_task.queue_spans(p_queue text, p_key integer) IS 'The parts of a queue between the gaps that this session knows of.';

CREATE FUNCTION long_task.quote_label(p_text text, p_format text) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN CASE p_format WHEN 'dot'::text THEN replace(replace(regexp_replace(p_text, '[[:cntrl:]]'::text, ' '::text, 'g'::text), '\'::text, '\\'::text), '"'::text, '\"'::text) ELSE replace(replace(replace(replace(regexp_replace(p_text, '[[:cntrl:]]'::text, ' '::text, 'g'::text), '&'::text, '&amp;'::text), '"'::text, '&quot;'::text), '<'::text, '&lt;'::text), '>'::text, '&gt;'::text) END;

COMMENT ON FUNCTION long_task.quote_label(p_text text, p_format text) IS 'A text as it stands between the quotes of a label of Graphviz (dot) or Mermaid.';

CREATE FUNCTION long_task.reconcile_attempts(p_worker_id integer, p_known bigint[], p_reports json) RETURNS json
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
BEGIN
  -- An idle node's: by far the cheapest question.
  IF NOT EXISTS (SELECT FROM long_task.task AS t WHERE t.running_on = p_worker_id) THEN
    RETURN NULL;
  END IF;
  RETURN (
    SELECT json_agg(long_task.start_order(t) ORDER BY t.priority, t.ready_seq)
    FROM long_task.task AS t
    WHERE t.running_on = p_worker_id
      AND (
        t.id <> ALL (p_known)
        OR EXISTS (
          SELECT
          FROM json_to_recordset(p_reports) AS r(task_id bigint, attempt integer)
          WHERE r.task_id = t.id
            AND r.attempt <> t.attempt
        )
      )
  );
END
$$;

COMMENT ON FUNCTION long_task.reconcile_attempts(p_worker_id integer, p_known bigint[], p_reports json) IS 'How to start the attempts that a worker has claimed and its node, by what it knows and reports, has never heard of; null if there are none.';

CREATE FUNCTION long_task.recover_failed_workers(p_worker_id integer, p_watched text[]) RETURNS json
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_stuck CONSTANT integer := 50;
  v_some  integer := 10;
  v_now   timestamptz;
BEGIN
  IF cardinality(p_watched) > 0 THEN
    PERFORM long_task.recover_watched(p_worker_id, p_watched);
    v_some := v_some + LEAST(v_stuck, (
      SELECT count(*)
      FROM long_task.worker_lease AS l
      WHERE l.active
        AND l.worker_id <> p_worker_id
        AND long_task.lease_over_at(l) <= long_task.clock()
        AND long_task.lease_state(l) = ANY (p_watched)
    ));
  END IF;
  v_now := long_task.clock();
  RETURN (
    SELECT json_agg(json_build_array(
      long_task.lease_state(w.lease),
      extract(epoch FROM long_task.lease_over_at(w.lease) - v_now),
      extract(epoch FROM (w.lease).lease_duration + (w.lease).recovery_delay)
    ))
    FROM (
      SELECT o.lease
      FROM (
        (
          SELECT a AS lease
          FROM long_task.worker_lease AS a
          WHERE a.active
            AND hashint4(a.worker_id) > hashint4(p_worker_id)
          ORDER BY hashint4(a.worker_id)
          LIMIT v_some
        )
        UNION ALL
        (
          SELECT b
          FROM long_task.worker_lease AS b
          WHERE b.active
            AND hashint4(b.worker_id) <= hashint4(p_worker_id)
            AND b.worker_id <> p_worker_id
          ORDER BY hashint4(b.worker_id)
          LIMIT v_some
        )
      ) AS o
      LIMIT v_some
    ) AS w
  );
END
$$;

COMMENT ON FUNCTION long_task.recover_failed_workers(p_worker_id integer, p_watched text[]) IS 'Give back the tasks of workers whose node has failed. Returns the leases that this worker''s node has to watch; null: none.';

CREATE FUNCTION long_task.recover_watched(p_worker_id integer, p_watched text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_lease long_task.worker_lease;
  v_lost  integer;
BEGIN
  FOR v_lease IN
    SELECT l.*
    FROM long_task.worker_lease AS l
    WHERE l.active
      AND l.worker_id <> p_worker_id
      AND long_task.lease_over_at(l) <= long_task.clock()
      AND long_task.lease_state(l) = ANY (p_watched)
    ORDER BY l.worker_id
    FOR UPDATE SKIP LOCKED
  LOOP
    v_lost := long_task.end_lease(v_lease);
    IF v_lost IS NOT NULL THEN
      PERFORM long_task.log_event('recovered', v_lease, v_lost,
        format('%s failed, and worker %s saw it', long_task.name_holder(v_lease), p_worker_id));
      PERFORM long_task.announce(NULL, v_lease.worker_id);
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.recover_watched(p_worker_id integer, p_watched text[]) IS 'Give back the tasks of those of some workers whose lease is over.';

CREATE FUNCTION long_task.recover_worker_tasks(p_worker_id integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION long_task.recover_worker_tasks(p_worker_id integer) IS 'Give back the tasks of a worker whose node is gone. Returns how many attempts were lost.';

CREATE FUNCTION long_task.refresh_needs(p_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_needed bigint[];
  v_held   bigint[];
BEGIN
  v_needed := ARRAY(
    SELECT DISTINCT d.needs_task_id
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS p ON p.id = d.needs_task_id
    WHERE d.task_id = ANY (p_ids)
      AND d.met IS DISTINCT FROM long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result)
  );
  IF cardinality(v_needed) = 0 THEN
    RETURN;
  END IF;
  WITH needed AS MATERIALIZED (
    SELECT p.id, p.state_id, p.running_on, p.result
    FROM long_task.task AS p
    WHERE p.id = ANY (v_needed)
    FOR SHARE SKIP LOCKED
  ),
  free AS MATERIALIZED (
    SELECT d.task_id, d.needs_task_id, long_task.is_met(d."on", d.condition, n.state_id, n.running_on, n.result) AS met
    FROM needed AS n
    JOIN long_task.task_dependency AS d ON d.needs_task_id = n.id
    WHERE d.task_id = ANY (p_ids)
    FOR NO KEY UPDATE OF d SKIP LOCKED
  ),
  written AS (
    UPDATE long_task.task_dependency AS d
    SET met = f.met
    FROM free AS f
    WHERE d.task_id = f.task_id
      AND d.needs_task_id = f.needs_task_id
    RETURNING d.needs_task_id
  )
  SELECT array_agg(h.id) INTO v_held
  FROM (
    SELECT n.id FROM unnest(v_needed) AS n(id)
    EXCEPT
    SELECT w.needs_task_id FROM written AS w
  ) AS h;
  IF v_held IS NOT NULL THEN
    PERFORM long_task.leave_unsettled(v_held, true);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.refresh_needs(p_ids bigint[]) IS 'Bring what is known of the tasks that these need in line with their rows.';

CREATE FUNCTION long_task.refuse(p_code text, p_message text, p_hint text, p_detail text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF p_detail IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = p_code, MESSAGE = p_message, HINT = p_hint;
  END IF;
  RAISE EXCEPTION USING ERRCODE = p_code, MESSAGE = p_message, HINT = p_hint, DETAIL = p_detail;
END
$$;

COMMENT ON FUNCTION long_task.refuse(p_code text, p_message text, p_hint text, p_detail text) IS 'Raise an error with a code of class LT, a message, a hint and a detail.';

CREATE FUNCTION long_task.refuse_cycle(p_lowest bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  v_lock   CONSTANT bigint := hashtextextended('long_task.task_dependency', 0);
  v_newest bigint; -- highest id to which an upward dependency leads
  v_edge   record;
  v_path   bigint[];
BEGIN
  v_newest := (SELECT max(d.needs_task_id) FROM long_task.task_dependency AS d WHERE d.task_id < d.needs_task_id);
  IF (v_newest >= p_lowest) IS NOT TRUE THEN
    PERFORM pg_advisory_xact_lock_shared(v_lock);
    -- Once more: what was committed during the wait counts.
    v_newest := (SELECT max(d.needs_task_id) FROM long_task.task_dependency AS d WHERE d.task_id < d.needs_task_id);
    IF (v_newest >= p_lowest) IS NOT TRUE THEN
      RETURN;
    END IF;
  END IF;
  PERFORM pg_advisory_xact_lock(v_lock);
  FOR v_edge IN
    SELECT d.task_id, d.needs_task_id
    FROM long_task.task_dependency AS d
    WHERE d.task_id < d.needs_task_id
      AND d.needs_task_id >= p_lowest
      AND EXISTS (SELECT FROM long_task.task_dependency AS n WHERE n.task_id = d.needs_task_id)
      AND EXISTS (SELECT FROM long_task.task_dependency AS n WHERE n.needs_task_id = d.task_id)
  LOOP
    WITH RECURSIVE needed(id) AS (
      VALUES (v_edge.needs_task_id)
      UNION
      SELECT d.needs_task_id
      FROM needed AS n
      JOIN long_task.task_dependency AS d ON d.task_id = n.id
    )
    SELECT long_task.cycle_path(v_edge.task_id, v_edge.needs_task_id) INTO v_path
    FROM needed AS n
    WHERE n.id = v_edge.task_id;
    IF FOUND THEN
      RAISE EXCEPTION USING
        ERRCODE = 'LT012',
        MESSAGE = format('task %s would wait for itself: %s', v_path[1], array_to_string(v_path, ' needs ')),
        HINT = 'Leave out one of these dependencies.';
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.refuse_cycle(p_lowest bigint) IS 'Refuse dependencies, already in the table, of tasks from this id on, through which a task would wait for itself.';

CREATE FUNCTION long_task.release_delayed_tasks(p_worker_id integer, p_group_id integer, p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  v_in_vain      CONSTANT integer := 500;
  v_now          timestamptz := long_task.clock();
  v_ids          bigint[];
  v_group_spans  long_task.queue_span[];
  v_worker_spans long_task.queue_span[];
  v_of_group     bigint;
  v_of_worker    bigint;
BEGIN
  IF current_setting('long_task.gaps', true) <> '' THEN
    PERFORM long_task.look_into_gaps('delayed_group', p_group_id, v_in_vain);
    PERFORM long_task.look_into_gaps('delayed_worker', p_worker_id, v_in_vain);
  END IF;
  v_group_spans := long_task.queue_spans('delayed_group', p_group_id);
  v_worker_spans := long_task.queue_spans('delayed_worker', p_worker_id);
  -- As entries_read, without a call.
  v_of_group := pg_stat_get_xact_tuples_returned('long_task.task_delayed'::regclass);
  v_of_worker := pg_stat_get_xact_tuples_returned('long_task.task_delayed_pinned'::regclass);
  WITH of_group AS (
    SELECT f.id, f.start_after
    FROM unnest(v_group_spans) AS s
    CROSS JOIN LATERAL (
      SELECT t.id, t.start_after
      FROM long_task.task AS t
      WHERE t.state_id = 'AD'
        AND t.running_on IS NULL
        AND t.worker_id IS NULL
        AND t.group_id = p_group_id
        AND t.start_after >= long_task.place_to_time(s.from_place)
        AND t.start_after < long_task.place_to_time(s.to_place)
        AND t.start_after <= v_now
      ORDER BY t.start_after
      LIMIT p_limit
      FOR NO KEY UPDATE SKIP LOCKED
    ) AS f
    LIMIT p_limit
  ),
  of_worker AS (
    SELECT f.id, f.start_after
    FROM unnest(v_worker_spans) AS s
    CROSS JOIN LATERAL (
      SELECT t.id, t.start_after
      FROM long_task.task AS t
      WHERE t.state_id = 'AD'
        AND t.running_on IS NULL
        AND t.worker_id = p_worker_id
        AND t.start_after >= long_task.place_to_time(s.from_place)
        AND t.start_after < long_task.place_to_time(s.to_place)
        AND t.start_after <= v_now
      ORDER BY t.start_after
      LIMIT p_limit
      FOR NO KEY UPDATE SKIP LOCKED
    ) AS f
    LIMIT p_limit
  )
  SELECT array_agg(d.id ORDER BY d.start_after, d.id)
  INTO v_ids
  FROM (
    SELECT * FROM of_group
    UNION ALL
    SELECT * FROM of_worker
    ORDER BY start_after, id
    LIMIT p_limit
  ) AS d;
  v_of_group := pg_stat_get_xact_tuples_returned('long_task.task_delayed'::regclass) - v_of_group;
  v_of_worker := pg_stat_get_xact_tuples_returned('long_task.task_delayed_pinned'::regclass) - v_of_worker;

  IF v_ids IS NOT NULL THEN
    -- The trigger move_task gives each its place in the queue, one after the other, and wakes the nodes.
    -- Joined by ctid: of a table that was small when the plan was made, the whole primary key would be read for a join by id.
    UPDATE long_task.task AS t
    SET state_id = 'AW'
    FROM (
      SELECT w.ctid
      FROM unnest(v_ids) WITH ORDINALITY AS d(id, place)
      CROSS JOIN LATERAL (SELECT k.ctid FROM long_task.task AS k WHERE k.id = d.id LIMIT 1) AS w
      ORDER BY d.place
    ) AS r
    WHERE t.ctid = r.ctid;
  END IF;
  IF v_of_group > COALESCE(cardinality(v_ids), 0) + v_in_vain THEN
    PERFORM long_task.note_gaps('delayed_group', p_group_id, v_ids);
  END IF;
  IF v_of_worker > COALESCE(cardinality(v_ids), 0) + v_in_vain THEN
    PERFORM long_task.note_gaps('delayed_worker', p_worker_id, v_ids);
  END IF;
  RETURN COALESCE(cardinality(v_ids), 0);
END
$$;

COMMENT ON FUNCTION long_task.release_delayed_tasks(p_worker_id integer, p_group_id integer, p_limit integer) IS 'Make up to so many delayed tasks ready whose time has come, of a group and those pinned to a worker. Returns how many.';

CREATE FUNCTION long_task.relink_task() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    -- With the task itself they are deleted by the thousand.
    IF EXISTS (SELECT FROM long_task.task AS t WHERE t.id = OLD.task_id) THEN
      PERFORM long_task.settle_tasks(ARRAY[OLD.task_id]);
    END IF;
  ELSE
    PERFORM
    FROM long_task.task AS t
    WHERE t.id IN (NEW.task_id, NEW.needs_task_id)
    ORDER BY t.id
    FOR NO KEY UPDATE;
    PERFORM long_task.refresh_needs(ARRAY[NEW.task_id]);
    PERFORM long_task.settle_tasks(ARRAY[NEW.task_id]);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.relink_task() IS 'Trigger: have the task wait or go on whose dependency was changed or deleted.';

CREATE FUNCTION long_task.renew_lease(p_worker_id integer, p_epoch bigint, p_connection integer, p_lease_seconds double precision) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  UPDATE long_task.worker_lease AS l
  SET
    locked_until = long_task.clock() + make_interval(secs => p_lease_seconds),
    connection = p_connection
  WHERE l.worker_id = p_worker_id
    AND l.epoch = p_epoch
    AND l.connection < p_connection
    AND l.active
    AND l.locked_until > long_task.clock();
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT001', format('epoch %s of worker %s is over', p_epoch, p_worker_id),
      'Kill everything and ask for the worker afresh.');
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.renew_lease(p_worker_id integer, p_epoch bigint, p_connection integer, p_lease_seconds double precision) IS 'For nodes: renew the lease over a new connection, and refuse what earlier connections left behind.';

CREATE FUNCTION long_task.results_of_needs(p_task_id bigint, p_command text) RETURNS TABLE(name text, pass text, value jsonb, texts text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
BEGIN
  RETURN QUERY
  SELECT
    n.name,
    max(n.pass),
    CASE
      WHEN count(*) > 1 OR bool_or(n.gather) THEN jsonb_agg(n.value ORDER BY n.id)
      ELSE (array_agg(n.value))[1]
    END,
    array_agg(long_task.plain_text(n.value) ORDER BY n.id)
  FROM (
    SELECT
      p.id,
      COALESCE(d.name, p.name, p.id::text) AS name,
      d.pass,
      d.gather,
      COALESCE(p.result, to_jsonb(p.output)) AS value
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS p ON p.id = d.needs_task_id
    WHERE d.task_id = p_task_id
      AND d.enabled
      AND (d.pass IS NOT NULL OR strpos(p_command, '%RESULT:' || COALESCE(d.name, p.name, p.id::text)) > 0)
  ) AS n
  GROUP BY n.name
  ORDER BY n.name;
END
$$;

COMMENT ON FUNCTION long_task.results_of_needs(p_task_id bigint, p_command text) IS 'Results of the tasks that a task needs: name, how they are passed, the value, and the values as lines of text.';

CREATE FUNCTION long_task.resume_workflow(p_run_id bigint, p_mode text DEFAULT 'failed'::text, p_step text DEFAULT NULL::text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_run     long_task.workflow_run := long_task.lock_run(p_run_id);
  v_begin   bigint[];
  v_ids     bigint[];
  v_blocked bigint;
  v_queued  integer;
  v_other   boolean := false;
  v_open    bigint[];
BEGIN
  IF p_mode NOT IN ('failed', 'all', 'from', 'only') OR p_mode IS NULL OR (p_mode IN ('from', 'only')) <> (p_step IS NOT NULL) THEN
    PERFORM long_task.refuse('LT014', format('mode %s %s is not known',
      COALESCE(quote_literal(p_mode), 'null'), CASE WHEN p_step IS NULL THEN 'without a step' ELSE 'with a step' END),
      'Give ''failed'' or ''all'', or ''from'' or ''only'' and the name of a step.');
  END IF;
  IF v_run.started IS NULL THEN
    PERFORM long_task.refuse('LT003', format('run %s has not begun', p_run_id),
      COALESCE('Start another one: ' || v_run.error, 'It waits for the run before it, or was cancelled before that ended.'));
  END IF;
  IF (SELECT w.one_at_a_time FROM long_task.workflow AS w WHERE w.name = v_run.workflow AND w.version = v_run.version) THEN
    -- Until the end of the transaction no other run begins.
    PERFORM pg_advisory_xact_lock(long_task.workflow_lock(v_run.workflow));
    v_other := long_task.has_active_run(v_run.workflow, p_run_id);
  END IF;
  IF v_other THEN
    PERFORM long_task.refuse('LT003', format('another run of workflow %s is active', v_run.workflow),
      'Its runs come one at a time: wait for its end, or cancel it.');
  END IF;

  v_begin := ARRAY(
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
      AND CASE p_mode
        WHEN 'all' THEN true
        WHEN 'failed' THEN t.state_id = 'CF' OR t.state_id = 'CC' AND long_task.why_unmet(t.id) IS NULL
        ELSE t.step = p_step
      END
  );
  IF p_step IS NOT NULL AND cardinality(v_begin) = 0 THEN
    PERFORM long_task.refuse('LT006', format('there is no step %s in run %s', p_step, p_run_id),
      'The view long_task.workflow_step_status has all of them.');
  END IF;
  v_ids := v_begin;
  IF p_mode IN ('failed', 'from') THEN
    v_ids := ARRAY(
      WITH RECURSIVE hanging(id) AS (
        SELECT b.id FROM unnest(v_begin) AS b(id)
        UNION
        SELECT d.task_id
        FROM hanging AS h
        JOIN long_task.task_dependency AS d ON d.needs_task_id = h.id AND d.enabled
        JOIN long_task.task AS t ON t.id = d.task_id AND t.run_id = p_run_id
      )
      SELECT h.id FROM hanging AS h
    );
  END IF;

  -- Known before any of them is looked at: those that are queued again are not over.
  WITH written AS (
    UPDATE long_task.task_dependency AS d
    SET met = NULL
    FROM unnest(v_ids) AS i(id)
    JOIN long_task.task AS t ON t.id = i.id AND t.state_id IN ('CS', 'CF', 'CC')
    WHERE d.needs_task_id = t.id
      AND d.met IS NOT NULL
    RETURNING d.task_id
  )
  SELECT array_agg(w.task_id) INTO v_open
  FROM written AS w
  JOIN long_task.task AS t ON t.id = w.task_id AND t.state_id IN ('AW', 'AD');
  UPDATE long_task.task AS t
  SET state_id = 'AW'
  FROM unnest(v_ids) AS i(id)
  WHERE t.id = i.id
    AND t.state_id IN ('CS', 'CF', 'CC');
  GET DIAGNOSTICS v_queued = ROW_COUNT;
  IF v_open IS NOT NULL THEN
    PERFORM long_task.settle_tasks(v_open); -- what was let go and is not started yet waits again
  END IF;
  SELECT t.id INTO v_blocked
  FROM long_task.task AS t
  WHERE t.id = ANY (v_begin)
    AND t.state_id = 'CC'
  ORDER BY t.id
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT003', format('step %s cannot start: it %s',
      (SELECT t.step FROM long_task.task AS t WHERE t.id = v_blocked), long_task.why_unmet(v_blocked)),
      'Resume from the step it needs, skip that (skip_task), or switch the dependency off.');
  END IF;
  UPDATE long_task.workflow_run AS r
  SET cancelled = NULL
  WHERE r.id = p_run_id
    AND r.cancelled IS NOT NULL;
  RETURN v_queued;
END
$$;

COMMENT ON FUNCTION long_task.resume_workflow(p_run_id bigint, p_mode text, p_step text) IS 'Run steps of a run again: ''failed'' (what failed, and what hangs on it), ''all'', ''from'' a step, ''only'' a step. Returns how many tasks were queued.';

CREATE FUNCTION long_task.retry_delay_after(p_failures integer, p_delay interval) RETURNS interval
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- In seconds, which have no fields that could overflow. 2^40 microseconds are twelve days: a power
  -- beyond that is above the cap whatever the delay.
  SELECT make_interval(secs => LEAST(
    s.delay * 2 ^ LEAST(p_failures - 1, 40),
    GREATEST(s.delay, 86400)
  ))
  FROM (
    -- Fields of different signs can make it negative, though it compares as positive.
    SELECT GREATEST(extract(epoch FROM p_delay), 0)::double precision AS delay
  ) AS s
$$;

COMMENT ON FUNCTION long_task.retry_delay_after(p_failures integer, p_delay interval) IS 'Wait after the given number of failed attempts: the delay, doubled for each failure after the first, to at most a day.';

CREATE FUNCTION long_task.retry_lost_task(p_task long_task.task) RETURNS interval
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF p_task.attempt - p_task.base_attempt < p_task.max_attempts THEN
    RETURN long_task.retry_delay_after(p_task.attempt - p_task.base_attempt, p_task.retry_delay);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.retry_lost_task(p_task long_task.task) IS 'Hook, yours to replace: how long a task whose worker failed waits for its next attempt; null: it is not run again.';

CREATE FUNCTION long_task.roll_history() RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '20ms'
    AS $$
DECLARE
  v_most   CONSTANT integer := 30;
  v_shares CONSTANT integer := 12;
  v_now    timestamptz := long_task.clock();
  v_last   long_task.task_run_part;
  v_policy long_task.history_retention;
  v_span   interval;
  v_next   text;
BEGIN
  SELECT p.* INTO v_last
  FROM long_task.task_run_part AS p
  ORDER BY p.part DESC
  LIMIT 1;
  SELECT h.* INTO v_policy
  FROM long_task.history_retention AS h;
  v_span := CASE
    WHEN v_policy.keep IS NOT NULL THEN v_policy.keep / v_shares
    WHEN v_policy.keep_rows IS NULL THEN interval '30 days'
  END;
  IF (v_last.began + v_span <= v_now OR long_task.history_rows(v_last.part) >= v_policy.keep_rows / v_shares) IS NOT TRUE
     OR NOT EXISTS (SELECT FROM long_task.task_run AS r WHERE r.part = v_last.part)
     OR (SELECT count(*) FROM long_task.task_run_part AS p) >= v_most THEN
    RETURN false;
  END IF;
  v_next := format('task_run_%s', v_last.part + 1);
  EXECUTE format('CREATE TABLE long_task.%I (LIKE long_task.task_run INCLUDING ALL)', v_next);
  EXECUTE format('ALTER TABLE long_task.%I ADD CONSTRAINT %I PRIMARY KEY (task_id, attempt)', v_next, v_next || '_pkey');
  EXECUTE format('COMMENT ON TABLE long_task.%I IS ''A partition of task_run.''', v_next);
  EXECUTE format('ALTER TABLE long_task.task_run ATTACH PARTITION long_task.%I FOR VALUES FROM (%s) TO (%s)', v_next,
    v_last.part + 1, v_last.part + 2);
  UPDATE long_task.task_run_part AS p
  SET ended = v_now
  WHERE p.part = v_last.part;
  INSERT INTO long_task.task_run_part (part, began)
  VALUES (v_last.part + 1, v_now);
  RETURN true;
EXCEPTION
  WHEN lock_not_available THEN
    RETURN false;
END
$$;

COMMENT ON FUNCTION long_task.roll_history() IS 'Make the next partition of task_run, if it is time for that. Returns whether it was.';

CREATE FUNCTION long_task.run_kept_until(p_run_id bigint, OUT kept_until timestamp with time zone, OUT tasks bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
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

COMMENT ON FUNCTION long_task.run_kept_until(p_run_id bigint, OUT kept_until timestamp with time zone, OUT tasks bigint) IS 'Until when the policies of retention keep a run that has ended, and how many tasks were looked at for that.';

CREATE FUNCTION long_task.run_now(p_task_id bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_task   long_task.task;
  v_copies bigint[];
BEGIN
  SELECT t.* INTO v_task
  FROM long_task.task AS t
  WHERE t.id = p_task_id
  FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', COALESCE(p_task_id::text, 'null')),
      'Its history may still be in long_task.task_run.');
  END IF;
  IF v_task.shed_clone OR v_task.state_id LIKE 'A%' AND v_task.overlap = 'clone' THEN
    v_copies := long_task.insert_clones(ARRAY[p_task_id], ARRAY[NULL]::timestamptz[], 'person');
    RETURN v_copies[1];
  END IF;
  IF v_task.state_id LIKE 'A%' THEN
    PERFORM long_task.refuse('LT003', format('task %s is active already', p_task_id),
      'Wait for its end, or set overlap to clone to have a copy run beside it.',
      format('state_id is %s since %s', v_task.state_id, v_task.last_state_change));
  END IF;
  UPDATE long_task.task AS t
  SET
    state_id = 'AW',
    worker_id = long_task.pinned_worker(t)
  WHERE t.id = p_task_id;
  RETURN p_task_id;
END
$$;

COMMENT ON FUNCTION long_task.run_now(p_task_id bigint) IS 'Start a task at once, whatever its schedule says. Returns the id of the task that is queued: its own, or that of a copy.';

CREATE FUNCTION long_task.schedule_of(p_task long_task.task) RETURNS long_task.schedule
    LANGUAGE sql STABLE
    RETURN ROW((p_task).id, (p_task).state_id, (p_task).next_start, (p_task).shed_period_id, (p_task).shed_period_count, (p_task).shed_anchor, (p_task).shed_clone, (p_task).shed_waiting, (p_task).cron, (p_task).cron_fields, (p_task).time_zone, (p_task).missed, (p_task).missed_after, (p_task).overlap, (p_task).until, (((((1000 + COALESCE(octet_length((p_task).stdin), 0)) + COALESCE((20 * pg_column_size((p_task).params)), 0)) + COALESCE((20 * pg_column_size((p_task).env)), 0)) + COALESCE(pg_column_size((p_task).command), 0)))::bigint)::long_task.schedule;

COMMENT ON FUNCTION long_task.schedule_of(p_task long_task.task) IS 'The schedule of a task, without what its program is given.';

CREATE FUNCTION long_task.schedule_preview(p_task_id bigint, p_count integer DEFAULT 10, p_from timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS SETOF timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_from     timestamptz := long_task.preview_from(p_from, p_count);
  v_schedule long_task.schedule;
  v_next     timestamptz;
BEGIN
  SELECT (long_task.schedule_of(t)).* INTO v_schedule
  FROM long_task.task AS t
  WHERE t.id = p_task_id;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', COALESCE(p_task_id::text, 'null')),
      'Its history may still be in long_task.task_run.');
  END IF;

  v_next := CASE
    WHEN v_schedule.next_start > v_schedule.until THEN NULL
    WHEN v_schedule.next_start >= v_from THEN v_schedule.next_start
    WHEN v_schedule.next_start IS NOT NULL THEN long_task.next_start_after(v_schedule, v_from - interval '1 microsecond')
  END;
  FOR v_n IN 1 .. p_count LOOP
    EXIT WHEN v_next IS NULL;
    RETURN NEXT v_next;
    v_next := long_task.next_start_after(v_schedule, v_next);
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.schedule_preview(p_task_id bigint, p_count integer, p_from timestamp with time zone) IS 'The next starts of a task''s schedule, from a time on (null: now). SELECT long_task.schedule_preview(7, 3)';

CREATE FUNCTION long_task.schedule_preview(p_cron text, p_time_zone text DEFAULT NULL::text, p_from timestamp with time zone DEFAULT NULL::timestamp with time zone, p_count integer DEFAULT 10) RETURNS SETOF timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_fields long_task.cron_fields := long_task.parse_cron(p_cron);
  v_next   timestamptz := long_task.preview_from(p_from, p_count) - interval '1 microsecond';
BEGIN
  IF p_time_zone IS NOT NULL AND NOT long_task.is_time_zone(p_time_zone) THEN
    PERFORM long_task.refuse('LT007', format('time_zone %s is not known', quote_literal(p_time_zone)),
      'Give a name of pg_timezone_names such as ''Europe/Berlin''.');
  END IF;
  FOR v_n IN 1 .. p_count LOOP
    v_next := long_task.cron_time_after(v_fields, p_time_zone, v_next);
    EXIT WHEN v_next IS NULL;
    RETURN NEXT v_next;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.schedule_preview(p_cron text, p_time_zone text, p_from timestamp with time zone, p_count integer) IS 'The next starts of a cron line in a time zone (null: UTC), from a time on (null: now). SELECT long_task.schedule_preview(''0 9 * * mon-fri'', ''Europe/Berlin'')';

CREATE FUNCTION long_task.schedule_time_after(p_anchor timestamp with time zone, p_period_id text, p_count integer, p_time_zone text, p_after timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_zone  text := COALESCE(p_time_zone, 'UTC');
  v_local timestamp := p_anchor AT TIME ZONE v_zone;
  v_after timestamp := p_after AT TIME ZONE v_zone;
  v_unit  interval := CASE p_period_id
    WHEN 'SEC' THEN interval '1 second'
    WHEN 'MIN' THEN interval '1 minute'
    WHEN 'HOU' THEN interval '1 hour'
    WHEN 'DAY' THEN interval '1 day'
    WHEN 'WEE' THEN interval '7 days'
    WHEN 'MON' THEN interval '1 month'
  END;
  v_steps bigint;
  v_next  timestamptz;
BEGIN
  IF (v_unit > interval '0' AND p_count > 0 AND p_anchor > '-infinity' AND p_after < 'infinity') IS NOT TRUE THEN
    PERFORM long_task.refuse('LT007', format('there is no start after %s every %s %s from %s',
        COALESCE(p_after::text, 'null'), COALESCE(p_count::text, 'null'), COALESCE(p_period_id, 'null'),
        COALESCE(p_anchor::text, 'null')),
      'Give an anchor, one of SEC, MIN, HOU, DAY, WEE, MON, and how many of it from one start to the next.');
  END IF;
  IF p_anchor > p_after THEN
    RETURN p_anchor;
  END IF;
  IF p_period_id IN ('SEC', 'MIN', 'HOU') THEN
    v_steps := floor(extract(epoch FROM p_after - p_anchor) / (extract(epoch FROM v_unit) * p_count)) + 1;
    RETURN p_anchor + v_unit * (v_steps * p_count);
  END IF;
  -- A guess that is not too late, then on until it is past: zones and short months move it a little.
  v_steps := CASE p_period_id
    WHEN 'MON' THEN extract(year FROM age(v_after, v_local)) * 12 + extract(month FROM age(v_after, v_local))
    ELSE floor(extract(epoch FROM v_after - v_local) / extract(epoch FROM v_unit))
  END / p_count - 1;
  -- The anchor itself is past, also if an hour later the clock of the zone shows its time once more.
  v_steps := GREATEST(v_steps, 1);
  LOOP
    v_next := long_task.wall_clock_time(v_local + v_unit * (v_steps * p_count), v_zone);
    EXIT WHEN v_next > p_after;
    v_steps := v_steps + 1;
  END LOOP;
  RETURN v_next;
END
$$;

COMMENT ON FUNCTION long_task.schedule_time_after(p_anchor timestamp with time zone, p_period_id text, p_count integer, p_time_zone text, p_after timestamp with time zone) IS 'First start after a time of a schedule that has an anchor, a period (SEC MIN HOU DAY WEE MON), a count of periods and a time zone.';

CREATE FUNCTION long_task.schema_version() RETURNS TABLE(version integer, oldest_node integer)
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT 1, 1
$$;

COMMENT ON FUNCTION long_task.schema_version() IS 'Version of this schema, and the version of the oldest nodes that it serves.';

CREATE FUNCTION long_task.seconds_to_next_due(p_worker_id integer, p_group_id integer, p_claimed boolean) RETURNS double precision
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_pause   CONSTANT double precision := 0.2;
  v_entries CONSTANT integer := 5000;
  v_horizon CONSTANT bigint := 86400000000; -- a day
  v_now     bigint := long_task.time_to_place(long_task.clock());
  v_due     bigint;
  v_again   double precision; -- there is more to be looked through
  v_survey  long_task.survey;
BEGIN
  IF (current_setting('long_task.gaps', true) <> '') IS NOT TRUE THEN
    v_survey := long_task.survey_work(p_worker_id, p_group_id);
    IF v_survey.due_in IS NOT NULL THEN
      RETURN CASE
        WHEN NOT v_survey.ready THEN NULLIF(v_survey.due_in, 'infinity')
        WHEN p_claimed THEN 0
        WHEN long_task.is_told_of_room(p_worker_id, p_group_id) THEN NULLIF(v_survey.due_in, 'infinity')
        ELSE v_pause
      END;
    END IF;
  END IF;
  IF current_setting('long_task.gaps', true) <> '' THEN
    v_again := LEAST(
      long_task.look_into_gaps('group', p_group_id, v_entries, true),
      long_task.look_into_gaps('worker', p_worker_id, v_entries, true),
      long_task.look_into_gaps('delayed_group', p_group_id, v_entries, true),
      long_task.look_into_gaps('delayed_worker', p_worker_id, v_entries, true)
    );
    IF v_again = 0 THEN
      RETURN 0;
    END IF;
  END IF;
  IF EXISTS (SELECT FROM long_task.live_places('group', p_group_id, long_task.queue_spans('group', p_group_id), 1))
     OR EXISTS (SELECT FROM long_task.live_places('worker', p_worker_id, long_task.queue_spans('worker', p_worker_id), 1)) THEN
    IF p_claimed OR long_task.is_told_of_room(p_worker_id, p_group_id) IS NOT TRUE THEN
      RETURN CASE WHEN p_claimed THEN 0 ELSE LEAST(v_again, v_pause) END;
    END IF;
  END IF;

  v_due := LEAST(
    (
      SELECT l.place
      FROM long_task.live_places('delayed_group', p_group_id, long_task.queue_spans('delayed_group', p_group_id), 1) AS l
    ),
    (
      SELECT l.place
      FROM long_task.live_places('delayed_worker', p_worker_id, long_task.queue_spans('delayed_worker', p_worker_id), 1) AS l
    )
  );
  IF v_due <= v_now THEN
    RETURN LEAST(v_again, v_pause);
  END IF;
  RETURN LEAST(v_again, CASE WHEN v_due < v_now + v_horizon THEN (v_due - v_now) / 1000000.0 END);
END
$$;

COMMENT ON FUNCTION long_task.seconds_to_next_due(p_worker_id integer, p_group_id integer, p_claimed boolean) IS 'Seconds until the worker may have something to start, by a delay or a lock that is let go; null: nothing within a day.';

CREATE FUNCTION long_task.sentries() RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN 2;

COMMENT ON FUNCTION long_task.sentries() IS 'How many idle nodes of a group are told of a task that is ready.';

CREATE FUNCTION long_task.settle_changed_task() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_dependents bigint[];
BEGIN
  CASE TG_OP
    WHEN 'UPDATE' THEN
      PERFORM long_task.settle_tasks(ARRAY[NEW.id]);
    WHEN 'DELETE' THEN
      DELETE FROM long_task.task_dependency AS d
      WHERE d.task_id = OLD.id;
      IF OLD.state_id IN ('CS', 'CF', 'CC') AND OLD.running_on IS NULL THEN
        -- How it ended is known for the last time.
        UPDATE long_task.task_dependency AS d
        SET met = long_task.is_met(d."on", d.condition, OLD.state_id, NULL, OLD.result)
        WHERE d.needs_task_id = OLD.id
          AND d.met IS NULL;
        -- Who is queued again at this moment finds what is known of it by himself.
        v_dependents := ARRAY(
          SELECT d.task_id
          FROM long_task.task_dependency AS d
          JOIN long_task.task AS t ON t.id = d.task_id
          WHERE d.needs_task_id = OLD.id
            AND t.state_id NOT IN ('CS', 'CF', 'CC')
        );
        IF cardinality(v_dependents) = 0 THEN
          RETURN NULL;
        END IF;
      END IF;
      PERFORM long_task.settle_tasks(OLD.id || v_dependents);
    ELSE
      BEGIN
        TRUNCATE long_task.task_dependency, long_task.unsettled_task;
      EXCEPTION
        WHEN object_in_use THEN
          NULL; -- the same statement truncates them too
      END;
      PERFORM long_task.leave_workflow(w.workflow, false)
      FROM (
        SELECT DISTINCT r.workflow
        FROM long_task.workflow_run AS r
        WHERE r.started IS NULL AND r.cancelled IS NULL
      ) AS w;
  END CASE;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.settle_changed_task() IS 'Trigger: let tasks go on that waited for one that was ended, queued again or deleted by hand or by a schedule.';

CREATE FUNCTION long_task.settle_entering_task() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF long_task.needs_verdict(NEW.id, NEW.needs, NEW.unmet) <> 'wait' THEN
    PERFORM long_task.refresh_needs(ARRAY[NEW.id]);
    PERFORM long_task.settle_tasks(ARRAY[NEW.id]);
  ELSIF current_setting('transaction_isolation') <> 'read committed' THEN
    PERFORM long_task.leave_unsettled(ARRAY[NEW.id], false);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.settle_entering_task() IS 'Trigger: let a task that was queued go on, if what it needs has come already.';

CREATE FUNCTION long_task.settle_keys(p_limit integer) RETURNS double precision
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_now  timestamptz := long_task.clock();
  v_keys text[];
BEGIN
  WITH taken AS (
    DELETE FROM long_task.unsettled_key AS u
    USING (
      SELECT f.id
      FROM long_task.unsettled_key AS f
      WHERE f.not_before <= v_now
      ORDER BY f.id
      LIMIT p_limit
      FOR UPDATE SKIP LOCKED
    ) AS first
    WHERE u.id = first.id
    RETURNING u.concurrency_key
  )
  SELECT array_agg(DISTINCT t.concurrency_key) INTO v_keys
  FROM taken AS t;
  IF v_keys IS NOT NULL THEN
    PERFORM long_task.free_keys(v_keys, true);
  END IF;
  RETURN (SELECT GREATEST(0, extract(epoch FROM min(u.not_before) - v_now)) FROM long_task.unsettled_key AS u);
END
$$;

COMMENT ON FUNCTION long_task.settle_keys(p_limit integer) IS 'See to keys that were left. Returns the seconds until there is more of it; null: there is none.';

CREATE FUNCTION long_task.settle_left(p_limit integer) RETURNS double precision
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_now     timestamptz := long_task.clock();
  v_ids     bigint[];
  v_refresh bigint[];
BEGIN
  WITH taken AS (
    DELETE FROM long_task.unsettled_task AS u
    USING (
      SELECT f.id
      FROM long_task.unsettled_task AS f
      WHERE f.not_before <= v_now
      ORDER BY f.id
      LIMIT p_limit
      FOR UPDATE SKIP LOCKED
    ) AS first
    WHERE u.id = first.id
    RETURNING u.task_id, u.refresh
  )
  SELECT array_agg(DISTINCT t.task_id), array_agg(DISTINCT t.task_id) FILTER (WHERE t.refresh)
  INTO v_ids, v_refresh
  FROM taken AS t;
  IF v_refresh IS NOT NULL THEN
    PERFORM long_task.refresh_needs(v_refresh);
  END IF;
  IF v_ids IS NOT NULL THEN
    PERFORM long_task.settle_tasks(v_ids, true);
  END IF;
  RETURN (SELECT GREATEST(0, extract(epoch FROM min(u.not_before) - v_now)) FROM long_task.unsettled_task AS u);
END
$$;

COMMENT ON FUNCTION long_task.settle_left(p_limit integer) IS 'Look at tasks once more that settle_tasks has left. Returns the seconds until there is more of it; null: there is none.';

CREATE FUNCTION long_task.settle_tasks(p_ids bigint[], p_again boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  v_batch   CONSTANT integer := 500;
  v_rounds  CONSTANT integer := 20;
  v_ids     bigint[] := p_ids;
  v_met     bigint[];
  v_changed integer;
  v_written integer;
  v_ended   integer;
  v_open    bigint[];
  v_held    boolean; -- whether somebody holds a row that is needed
  v_waiting bigint[];
  v_locked  bigint[];
BEGIN
  -- An old snapshot does not see what others have written: a node has a new one.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    PERFORM long_task.leave_unsettled(p_ids, false);
    RETURN;
  END IF;
  FOR v_round IN 1 .. v_rounds LOOP
    WITH ended AS MATERIALIZED (
      -- Locked, so that it is the newest version, and nobody queues it again before its dependencies are written.
      SELECT p.id, p.state_id, p.running_on, p.result, true AS present
      FROM long_task.task AS p
      WHERE p.id = ANY (v_ids)
        AND p.has_dependents
      FOR SHARE SKIP LOCKED
    ),
    deleted AS (
      -- What is deleted before its end counts as cancelled, when its process is gone.
      SELECT i.id, 'CC' AS state_id, NULL::integer AS running_on, NULL::jsonb AS result, false AS present
      FROM unnest(v_ids) AS i(id)
      WHERE NOT EXISTS (SELECT FROM long_task.task AS p WHERE p.id = i.id)
        AND NOT EXISTS (SELECT FROM long_task.deleted_attempt AS r WHERE r.task_id = i.id)
    ),
    changed AS MATERIALIZED (
      SELECT d.task_id, d.needs_task_id, long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result) AS met
      FROM (SELECT * FROM ended UNION ALL SELECT * FROM deleted) AS p
      JOIN long_task.task_dependency AS d ON d.needs_task_id = p.id
      WHERE d.met IS DISTINCT FROM long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result)
        AND (p.present OR d.met IS NULL)
      LIMIT v_batch + 1
    ),
    free AS MATERIALIZED (
      SELECT d.task_id, d.needs_task_id, c.met
      FROM changed AS c
      JOIN long_task.task_dependency AS d ON d.task_id = c.task_id AND d.needs_task_id = c.needs_task_id
      LIMIT v_batch
      FOR NO KEY UPDATE OF d SKIP LOCKED
    ),
    written AS (
      UPDATE long_task.task_dependency AS d
      SET met = f.met
      FROM free AS f
      WHERE d.task_id = f.task_id
        AND d.needs_task_id = f.needs_task_id
      RETURNING d.task_id
    )
    SELECT
      array_agg(DISTINCT w.task_id),
      count(*),
      (SELECT count(*) FROM changed),
      (SELECT count(*) FROM ended),
      (SELECT array_agg(c.task_id) FROM changed AS c WHERE c.met IS NULL)
    INTO v_met, v_written, v_changed, v_ended, v_open
    FROM written AS w;
    v_held := v_written < LEAST(v_changed, v_batch) OR v_ended < cardinality(v_ids) AND v_ended < (
      SELECT count(*) FROM long_task.task AS p WHERE p.id = ANY (v_ids) AND p.has_dependents
    );
    IF v_held OR v_written < v_changed THEN
      PERFORM long_task.leave_unsettled(v_ids, v_held, false, p_again AND v_held);
    END IF;
    IF v_held AND v_open IS NOT NULL THEN
      PERFORM long_task.leave_unsettled(v_open, true, true, p_again);
    END IF;

    -- Those too that are open again, and whose dependency somebody holds: they must not start meanwhile.
    v_met := v_met || v_open || v_ids;
    WITH waiting AS MATERIALIZED (
      SELECT t.id
      FROM long_task.task AS t
      WHERE t.id = ANY (v_met)
        AND t.has_needs
    ),
    free AS MATERIALIZED (
      SELECT t.id
      FROM waiting AS w
      JOIN long_task.task AS t ON t.id = w.id
      FOR NO KEY UPDATE OF t SKIP LOCKED
    )
    SELECT array_agg(w.id), (SELECT array_agg(f.id) FROM free AS f)
    INTO v_waiting, v_locked
    FROM waiting AS w;
    IF cardinality(v_waiting) > COALESCE(cardinality(v_locked), 0) THEN
      PERFORM long_task.leave_unsettled(ARRAY(
        SELECT w.id FROM unnest(v_waiting) AS w(id)
        EXCEPT
        SELECT l.id FROM unnest(v_locked) AS l(id)
      ), true, false, p_again);
    END IF;
    EXIT WHEN v_locked IS NULL;
    WITH moved AS (
      -- 'system' tells the triggers that a procedure writes this; it is never stored.
      UPDATE long_task.task AS t
      SET
        queued_by = 'system',
        state_id = CASE w.verdict WHEN 'start' THEN 'AW' WHEN 'wait' THEN 'AB' ELSE 'AC' END,
        wants_key = false
      FROM (
        SELECT
          s.id,
          CASE
            WHEN v_held AND s.id = ANY (v_open) THEN 'wait'
            ELSE long_task.needs_verdict(s.id, s.needs, s.unmet)
          END AS verdict
        FROM long_task.task AS s
        WHERE s.id = ANY (v_locked)
          AND s.state_id IN ('AB', 'AW', 'AD')
        ORDER BY s.id
      ) AS w
      WHERE t.id = w.id
        AND w.verdict <> CASE WHEN t.state_id = 'AB' AND NOT t.wants_key THEN 'wait' ELSE 'start' END
      RETURNING t.id, t.state_id, t.has_dependents
    )
    SELECT array_agg(m.id) INTO v_ids
    FROM moved AS m
    WHERE m.state_id = 'CC'
      AND m.has_dependents;
    EXIT WHEN v_ids IS NULL;
  END LOOP;
  IF v_ids IS NOT NULL AND v_locked IS NOT NULL THEN
    PERFORM long_task.leave_unsettled(v_ids, false);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.settle_tasks(p_ids bigint[], p_again boolean) IS 'Let tasks go on that waited for these, or for dependencies of these that have changed.';

CREATE FUNCTION long_task.settle_workflows() RETURNS double precision
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_patience CONSTANT interval := interval '2 seconds';
  -- Errors that are the run's own: data, constraints, exceptions that were raised, names, those of this schema.
  v_own      CONSTANT text[] := ARRAY['22', '23', 'P0', '42', 'LT'];
  v_now      timestamptz := long_task.clock();
  v_workflow text;
  v_error    text;
BEGIN
  FOR v_workflow IN
    WITH taken AS (
      DELETE FROM long_task.unsettled_workflow AS u
      USING (
        SELECT f.id
        FROM long_task.unsettled_workflow AS f
        WHERE f.not_before <= v_now
        ORDER BY f.id
        LIMIT 100
        FOR UPDATE SKIP LOCKED
      ) AS first
      WHERE u.id = first.id
      RETURNING u.workflow
    )
    SELECT DISTINCT t.workflow
    FROM taken AS t
    ORDER BY t.workflow
  LOOP
    BEGIN
      PERFORM long_task.begin_next_run(v_workflow, v_patience, true);
    EXCEPTION
      WHEN OTHERS THEN
        v_error := SQLERRM;
        IF left(SQLSTATE, 2) = ANY (v_own) THEN
          -- It was accepted while another one ran, and nobody is there any more to be told.
          UPDATE long_task.workflow_run AS r
          SET
            cancelled = v_now,
            error = v_error
          WHERE r.id = (
            SELECT w.id
            FROM long_task.workflow_run AS w
            WHERE w.id = (
              SELECT min(o.id)
              FROM long_task.workflow_run AS o
              WHERE o.workflow = v_workflow AND o.started IS NULL AND o.cancelled IS NULL
            )
            FOR UPDATE SKIP LOCKED
          );
        END IF;
        PERFORM long_task.leave_workflow(v_workflow, true, true);
    END;
  END LOOP;
  RETURN (SELECT GREATEST(0, extract(epoch FROM min(u.not_before) - v_now)) FROM long_task.unsettled_workflow AS u);
END
$$;

COMMENT ON FUNCTION long_task.settle_workflows() IS 'Begin runs that waited for another. Returns the seconds until there is more to see to; null: there is not.';

CREATE FUNCTION long_task.skip_task(p_task_id bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_task long_task.task;
BEGIN
  SELECT t.* INTO v_task
  FROM long_task.task AS t
  WHERE t.id = p_task_id
  FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', COALESCE(p_task_id::text, 'null')),
      'Its history may still be in long_task.task_run.');
  END IF;
  IF v_task.running_on IS NOT NULL THEN
    PERFORM long_task.refuse('LT003', format('task %s has a process', p_task_id),
      'Cancel it, and skip it when it has ended.',
      format('state_id is %s since %s', v_task.state_id, v_task.last_state_change));
  END IF;
  -- 'system' tells the triggers that a procedure writes this; it is never stored.
  UPDATE long_task.task AS t
  SET
    queued_by = 'system',
    state_id = 'CS',
    error = format('skipped by %s', session_user)
  WHERE t.id = p_task_id
    AND t.state_id <> 'CS';
END
$$;

COMMENT ON FUNCTION long_task.skip_task(p_task_id bigint) IS 'Let those that wait for a task go on as if it had completed.';

CREATE FUNCTION long_task.start_order(p_task long_task.task) RETURNS json
    LANGUAGE sql STABLE
    RETURN CASE WHEN (p_task).has_needs THEN long_task.order_with_results(p_task) ELSE long_task.plain_order(p_task) END;

COMMENT ON FUNCTION long_task.start_order(p_task long_task.task) IS 'What a node has to know to start the attempt that the row is in, with the results of the tasks that it needs.';

CREATE FUNCTION long_task.start_workflow(p_workflow text, p_params jsonb DEFAULT '{}'::jsonb, p_version integer DEFAULT NULL::integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN long_task.add_run(p_workflow, p_params, p_version, NULL, NULL);
END
$$;

COMMENT ON FUNCTION long_task.start_workflow(p_workflow text, p_params jsonb, p_version integer) IS 'Start a workflow with parameters, an object. Returns the id of the run.';

CREATE FUNCTION long_task.step_path(p_workflow text, p_version integer, p_step text, p_needs_step text) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_seen text[] := ARRAY[p_needs_step];
  v_from text[] := ARRAY[p_step];
  v_ring text[] := ARRAY[p_needs_step];
  v_next text[];
  v_by   text[];
  v_path text[] := ARRAY[p_step];
  v_at   text := p_step;
BEGIN
  WHILE p_step <> ALL (v_seen) AND cardinality(v_ring) > 0 LOOP
    SELECT
      COALESCE(array_agg(r.needs_step ORDER BY r.needs_step), ARRAY[]::text[]),
      COALESCE(array_agg(r.step ORDER BY r.needs_step), ARRAY[]::text[])
    INTO v_next, v_by
    FROM (
      SELECT e.needs_step, min(e.step) AS step
      FROM long_task.workflow_edge AS e
      WHERE e.workflow = p_workflow
        AND e.version = p_version
        AND e.step = ANY (v_ring)
        AND e.needs_step <> ALL (v_seen)
      GROUP BY e.needs_step
    ) AS r;
    v_seen := v_seen || v_next;
    v_from := v_from || v_by;
    v_ring := v_next;
  END LOOP;
  LOOP
    v_at := v_from[array_position(v_seen, v_at)];
    v_path := v_at || v_path;
    EXIT WHEN v_at = p_step;
  END LOOP;
  RETURN v_path;
END
$$;

COMMENT ON FUNCTION long_task.step_path(p_workflow text, p_version integer, p_step text, p_needs_step text) IS 'The shortest cycle of steps through an edge of a workflow.';

CREATE FUNCTION long_task.survey_work(p_worker_id integer, p_group_id integer) RETURNS long_task.survey
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET enable_bitmapscan TO 'off'
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

COMMENT ON FUNCTION long_task.survey_work(p_worker_id integer, p_group_id integer) IS 'Whether something is ready for a node, whether something runs on it, and seconds until something else is due, infinity if nothing is; null if there is something to do now.';

CREATE FUNCTION long_task.sweep_runs(p_place bigint, OUT next bigint, OUT gone integer, OUT runs integer) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  v_ids   CONSTANT bigint := 2000;
  v_most  CONSTANT integer := 200;
  v_looks CONSTANT integer := 2000;
  v_now   timestamptz := long_task.clock();
  v_look  integer := 0; -- how many rows were looked at
  v_run   bigint;
  v_kept  record;
  v_clear record;
BEGIN
  gone := 0;
  runs := 0;
  next := p_place + v_ids;
  FOR v_run IN
    SELECT r.id
    FROM long_task.workflow_run AS r
    WHERE r.id > p_place
      AND r.id <= p_place + v_ids
      AND (r.started IS NOT NULL OR r.cancelled IS NOT NULL)
      AND NOT EXISTS (SELECT FROM long_task.run_kept AS k WHERE k.run_id = r.id AND k.kept_until > v_now)
    ORDER BY r.id
  LOOP
    IF v_look >= v_looks OR gone >= v_most THEN
      next := v_run - 1;
      EXIT;
    END IF;
    v_kept := long_task.run_kept_until(v_run);
    v_look := v_look + 10 + v_kept.tasks;
    CONTINUE WHEN v_kept.kept_until IS NULL;
    IF v_kept.kept_until <= v_now THEN
      v_kept.kept_until := NULL;
      BEGIN
        v_clear := long_task.clear_run(v_run);
        gone := gone + v_clear.gone;
        runs := runs + v_clear.done::integer;
        v_look := v_look + 10 * v_clear.gone;
        IF v_clear.gone > 0 AND NOT v_clear.done THEN
          next := v_run - 1; -- the rest of it in the next step
          v_kept.kept_until := '-infinity';
        END IF;
      EXCEPTION
        WHEN OTHERS THEN
          PERFORM long_task.note_maintenance(format('run %s stays: %s', v_run, SQLERRM));
          v_kept.kept_until := v_now + interval '1 hour';
      END;
    END IF;
    IF v_kept.kept_until IS NULL THEN
      DELETE FROM long_task.run_kept AS k
      WHERE k.run_id = v_run;
    ELSE
      INSERT INTO long_task.run_kept AS k (run_id, kept_until)
      VALUES (v_run, LEAST(v_kept.kept_until, v_now + interval '1 day'))
      ON CONFLICT (run_id) DO UPDATE SET kept_until = excluded.kept_until;
    END IF;
    EXIT WHEN next < v_run;
  END LOOP;
  IF next >= (SELECT s.last_value FROM long_task.workflow_run_id_seq AS s) THEN
    next := NULL;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.sweep_runs(p_place bigint, OUT next bigint, OUT gone integer, OUT runs integer) IS 'Clear away those of the next runs of workflows, by id, that no policy keeps. Returns where to go on, and how many tasks and runs have gone.';

CREATE FUNCTION long_task.sweep_tasks(p_place bigint, p_stride bigint, OUT next bigint, OUT stride bigint, OUT gone integer) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  v_most  CONSTANT integer := 200;
  v_least CONSTANT bigint := 500;
  v_far   CONSTANT bigint := 1000000000;
  v_begun timestamptz := clock_timestamp(); -- a duration, not a time
  v_now   timestamptz := long_task.clock();
  v_young interval := (SELECT min(LEAST(r.keep_succeeded, r.keep_failed, r.keep_cancelled)) FROM long_task.retention AS r);
  v_found bigint[];
  v_ids   bigint[];
  v_took  double precision;
BEGIN
  gone := 0;
  stride := p_stride;
  next := p_place + p_stride;
  v_found := ARRAY(
    SELECT k.id
    FROM long_task.task_kept AS k
    -- No join: where statistics say that the table is empty, it would read the whole range for each row.
    CROSS JOIN LATERAL (SELECT w.has_dependents FROM long_task.task AS w WHERE w.id = k.id LIMIT 1) AS t
    WHERE k.id > p_place
      AND k.id <= p_place + p_stride
      AND k.kept_until <= v_now
      AND k.run_id IS NULL
      AND NOT (t.has_dependents AND long_task.is_needed(k.id))
    ORDER BY k.id
    LIMIT v_most
  );
  v_took := extract(epoch FROM clock_timestamp() - v_begun);
  IF v_took > 0.006 THEN
    stride := GREATEST(p_stride / 2, v_least);
  ELSIF v_took < 0.003 AND cardinality(v_found) < v_most THEN
    stride := LEAST(p_stride * 2, v_far);
  END IF;
  IF cardinality(v_found) > 0 THEN
    v_ids := long_task.light_tasks(v_found);
    IF cardinality(v_found) = v_most OR cardinality(v_ids) < cardinality(v_found) THEN
      next := v_ids[cardinality(v_ids)];
    END IF;
    gone := long_task.clear_tasks(v_ids, true);
  END IF;
  IF v_young IS NULL
     OR next >= (SELECT s.last_value FROM long_task.task_id_seq AS s)
     OR (
       SELECT t.created BETWEEN v_now - v_young AND v_now
       FROM long_task.task AS t
       WHERE t.id > p_place
         AND t.id <= next
       ORDER BY t.id DESC
       LIMIT 1
     ) THEN
    next := NULL;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.sweep_tasks(p_place bigint, p_stride bigint, OUT next bigint, OUT stride bigint, OUT gone integer) IS 'Clear away those of the next tasks, by id, that no policy keeps. Returns where to go on, how far to look then, and how many have gone.';

CREATE FUNCTION long_task.sync(p_worker_id integer, p_epoch bigint, p_connection integer, p_reports json, p_free_slots integer, p_running integer, p_lease_seconds double precision DEFAULT NULL::double precision, p_known bigint[] DEFAULT NULL::bigint[], p_watched text[] DEFAULT NULL::text[]) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION long_task.sync(p_worker_id integer, p_epoch bigint, p_connection integer, p_reports json, p_free_slots integer, p_running integer, p_lease_seconds double precision, p_known bigint[], p_watched text[]) IS 'For nodes: hand in reports, renew the lease, claim tasks, learn what to stop and when to call again.';

CREATE FUNCTION long_task.table_option(p_options text[], p_name text) RETURNS double precision
    LANGUAGE sql STABLE
    RETURN (COALESCE((SELECT o.option_value FROM pg_options_to_table(table_option.p_options) o(option_name, option_value) WHERE (o.option_name = table_option.p_name)), current_setting(p_name)))::double precision;

COMMENT ON FUNCTION long_task.table_option(p_options text[], p_name text) IS 'A number that rules autovacuum: the table''s own (reloptions), else that of the server.';

CREATE FUNCTION long_task.take_post(p_group_id integer) RETURNS double precision
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_sentries CONSTANT integer := long_task.sentries();
  v_held     integer := current_setting('long_task.post')::integer;
  v_again    boolean := false;
  v_post     integer := 0;
BEGIN
  IF v_held BETWEEN 0 AND v_sentries - 1 THEN
    RETURN NULL;
  END IF;
  WHILE v_post < CASE WHEN v_held < 0 THEN long_task.posts() ELSE v_sentries END LOOP
    IF pg_try_advisory_lock(hashtext('long_task.post') + v_post, p_group_id) THEN
      IF v_held >= 0 THEN
        PERFORM pg_advisory_unlock(hashtext('long_task.post') + v_held, p_group_id);
      END IF;
      PERFORM set_config('long_task.post', v_post::text, false);
      RETURN 0;
    END IF;
    IF pg_try_advisory_lock_shared(hashtext('long_task.post') + v_post, p_group_id) THEN
      PERFORM pg_advisory_unlock_shared(hashtext('long_task.post') + v_post, p_group_id);
      v_again := true;
    END IF;
    EXIT WHEN v_again AND v_post >= v_sentries - 1;
    v_post := v_post + CASE WHEN v_held = -1 OR v_post < v_sentries - 1 THEN 1 ELSE 1 + floor(random() * 15)::integer END;
  END LOOP;
  IF NOT v_again THEN
    IF v_held = -1 THEN
      PERFORM set_config('long_task.post', '-2', false);
    END IF;
    RETURN NULL;
  ELSIF v_held >= 0 THEN
    RETURN 0.2; -- where it stands, it can be called meanwhile
  END IF;
  PERFORM set_config('long_task.post', GREATEST(v_held - 1, -9)::text, false);
  RETURN 0.001 * 2 ^ (-v_held - 1);
END
$$;

COMMENT ON FUNCTION long_task.take_post(p_group_id integer) IS 'Let the session of an idle node stand at a post of its group. Returns the seconds after which to look again; null: it can sleep.';

CREATE FUNCTION long_task.tell_group() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    PERFORM long_task.announce(OLD.group_id, NULL);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM long_task.announce(NEW.group_id, NULL);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.tell_group() IS 'Trigger: wake the nodes of a group whose limit has been changed.';

CREATE FUNCTION long_task.tell_key() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    PERFORM long_task.leave_key(OLD.concurrency_key, false);
  END IF;
  IF TG_TABLE_NAME = 'concurrency_limit' AND TG_OP <> 'DELETE' THEN
    PERFORM long_task.leave_key(NEW.concurrency_key, false);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.tell_key() IS 'Trigger: have those looked at that wait for a key when there may be room.';

CREATE FUNCTION long_task.tell_workflow() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  PERFORM long_task.leave_workflow(w.workflow, false)
  FROM long_task.workflow_run AS r
  JOIN long_task.workflow_run AS w ON w.workflow = r.workflow
  WHERE r.id = OLD.run_id
    AND w.started IS NULL
    AND w.cancelled IS NULL
  LIMIT 1;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.tell_workflow() IS 'Trigger: have it seen whether a run may begin when a task of another has ended.';

CREATE FUNCTION long_task.time_to_place(p_time timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF isfinite(p_time) THEN
    RETURN LEAST(extract(epoch FROM p_time) * 1000000, 9223372036854775805); -- later than year 294246 is as good
  END IF;
  RETURN CASE WHEN p_time > '2000-01-01 00:00:00+00' THEN 9223372036854775806 ELSE -9223372036854775808 END;
END
$$;

COMMENT ON FUNCTION long_task.time_to_place(p_time timestamp with time zone) IS 'Microseconds since 1970.';

CREATE FUNCTION long_task.waiting_queues(p_state_id text) RETURNS TABLE(group_id integer, worker_id integer, since timestamp with time zone)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE
  v_least CONSTANT bigint := -2147483649; -- less than any id
  v_last  bigint := v_least;
BEGIN
  FOR v_place IN 1 .. 1000 LOOP
    IF p_state_id = 'AW' THEN
      SELECT t.group_id, t.last_state_change INTO group_id, since
      FROM long_task.task AS t
      WHERE t.state_id = 'AW' AND t.running_on IS NULL AND t.worker_id IS NULL AND t.group_id > v_last
      ORDER BY t.group_id, t.priority, t.ready_seq
      LIMIT 1;
    ELSE
      SELECT t.group_id, t.start_after INTO group_id, since
      FROM long_task.task AS t
      WHERE t.state_id = 'AD' AND t.running_on IS NULL AND t.worker_id IS NULL AND t.group_id > v_last
      ORDER BY t.group_id, t.start_after
      LIMIT 1;
    END IF;
    EXIT WHEN group_id IS NULL;
    RETURN NEXT;
    v_last := group_id;
  END LOOP;

  group_id := NULL;
  v_last := v_least;
  FOR v_place IN 1 .. 1000 LOOP
    IF p_state_id = 'AW' THEN
      SELECT t.worker_id, t.last_state_change INTO worker_id, since
      FROM long_task.task AS t
      WHERE t.state_id = 'AW' AND t.running_on IS NULL AND t.worker_id IS NOT NULL AND t.worker_id > v_last
      ORDER BY t.worker_id, t.priority, t.ready_seq
      LIMIT 1;
    ELSE
      SELECT t.worker_id, t.start_after INTO worker_id, since
      FROM long_task.task AS t
      WHERE t.state_id = 'AD' AND t.running_on IS NULL AND t.worker_id IS NOT NULL AND t.worker_id > v_last
      ORDER BY t.worker_id, t.start_after
      LIMIT 1;
    END IF;
    EXIT WHEN worker_id IS NULL;
    RETURN NEXT;
    v_last := worker_id;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.waiting_queues(p_state_id text) IS 'Groups, and workers to whom tasks are pinned, with something ready (AW) or delayed (AD): since when, or until when, the first.';

CREATE FUNCTION long_task.wall_clock_time(p_local timestamp without time zone, p_zone text) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_day     CONSTANT interval := interval '24 hours';
  -- The second of the two, or a time that is as long after the gap as this is after its beginning.
  v_time    timestamptz := p_local AT TIME ZONE p_zone;
  v_offset  interval := ((v_time - v_day) AT TIME ZONE p_zone) - ((v_time - v_day) AT TIME ZONE 'UTC');
  v_earlier timestamptz := (p_local - v_offset) AT TIME ZONE 'UTC';
  v_before  timestamptz;
  v_middle  timestamptz;
BEGIN
  IF v_time AT TIME ZONE p_zone = p_local THEN
    RETURN CASE
      WHEN v_earlier < v_time AND v_earlier AT TIME ZONE p_zone = p_local THEN v_earlier
      ELSE v_time
    END;
  END IF;
  -- Halve the time in which the clock is changed until the second is found.
  v_before := v_time - (v_time AT TIME ZONE p_zone - p_local);
  WHILE v_time - v_before > interval '1 second' LOOP
    v_middle := date_trunc('second', v_before + (v_time - v_before) / 2);
    IF (v_middle AT TIME ZONE p_zone) - (v_middle AT TIME ZONE 'UTC') = v_offset THEN
      v_before := v_middle;
    ELSE
      v_time := v_middle;
    END IF;
  END LOOP;
  RETURN v_time;
END
$$;

COMMENT ON FUNCTION long_task.wall_clock_time(p_local timestamp without time zone, p_zone text) IS 'When the clock of a zone shows a time: the first time if it does twice, the moment of the change if it never does.';

CREATE FUNCTION long_task.why(p_task_id bigint) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_task  long_task.task;
  v_ended timestamptz;
BEGIN
  SELECT t.* INTO v_task
  FROM long_task.task AS t
  WHERE t.id = p_task_id;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', COALESCE(p_task_id::text, 'null')),
      'Its history may still be in long_task.task_run.');
  END IF;

  SELECT l.locked_until INTO v_ended
  FROM long_task.worker_lease AS l
  WHERE l.worker_id = v_task.running_on
    AND (NOT l.active OR l.locked_until <= long_task.clock());

  RETURN CASE
    WHEN v_ended IS NOT NULL THEN
      format('Worker %s, which ran attempt %s, failed: its lease ended at %s. The attempt is written off by the first live node that sees it.',
        v_task.running_on, v_task.attempt, v_ended)
    WHEN v_task.workflow IS NOT NULL THEN
      format('It is a template, which starts workflow %s.', v_task.workflow)
    WHEN v_task.state_id = 'DR' THEN
      'It is a draft: set state_id to AW to queue it.'
    WHEN v_task.state_id IN ('AW', 'AD', 'AB') AND v_task.running_on IS NOT NULL THEN
      format('The process of attempt %s on worker %s has not exited yet.',
        v_task.attempt, v_task.running_on)
    WHEN v_task.state_id = 'AD' AND v_task.start_after <= long_task.clock() THEN
      long_task.why_waiting(v_task)
    WHEN v_task.state_id = 'AD' AND v_task.queued_by = 'retry' THEN
      format('Attempt %s failed (%s); the next one is delayed until %s.',
        v_task.attempt, v_task.error, v_task.start_after)
    WHEN v_task.state_id = 'AD' AND v_task.queued_by = 'schedule' AND v_task.jitter IS NOT NULL THEN
      format('Its start of %s is delayed until %s (jitter).', v_task.scheduled_for, v_task.start_after)
    WHEN v_task.state_id = 'AD' THEN
      format('It is delayed until %s (start_after).', v_task.start_after)
    WHEN v_task.state_id = 'AB' THEN
      long_task.why_blocked(v_task)
    WHEN v_task.state_id = 'AW' THEN
      long_task.why_waiting(v_task)
    WHEN v_task.state_id = 'AE' THEN
      format('It is running: attempt %s on worker %s since %s.',
        v_task.attempt, v_task.running_on, v_task.started)
    WHEN v_task.state_id = 'AS' THEN
      format('It is running and was asked to stop: attempt %s on worker %s, asked at %s.',
        v_task.attempt, v_task.running_on, v_task.last_state_change)
    WHEN v_task.state_id = 'AC' THEN
      format('It is being killed: attempt %s on worker %s, since %s.',
        v_task.attempt, v_task.running_on, v_task.last_state_change)
    WHEN v_task.state_id = 'CS' THEN
      format('It completed at %s.', v_task.finished)
    WHEN v_task.state_id = 'CF' THEN
      format('It failed at %s: %s.', v_task.finished, COALESCE(v_task.error, 'the task itself said so'))
    WHEN v_task.state_id = 'CC' THEN
      format('It was cancelled at %s%s.', v_task.finished, ': ' || v_task.error)
  END || CASE
    WHEN v_task.shed_error IS NOT NULL THEN format(' Its schedule was paused by the system: %s.', v_task.shed_error)
    WHEN v_task.next_start IS NULL OR NOT (v_task.shed_clone OR v_task.state_id LIKE 'C%' OR v_task.state_id = 'DR') THEN ''
    WHEN NOT v_task.shed_enabled THEN ' Its schedule is paused (shed_enabled).'
    WHEN v_task.shed_clone THEN format(' Its schedule starts %s at %s.',
      CASE WHEN v_task.workflow IS NULL THEN 'a copy' ELSE 'it' END, v_task.next_start)
    WHEN v_task.state_id = 'DR' THEN ' Its schedule passes over it for as long (shed_clone is false).'
    ELSE format(' Its schedule starts it at %s.', v_task.next_start)
  END;
END
$$;

COMMENT ON FUNCTION long_task.why(p_task_id bigint) IS 'One sentence: why is this task not running? SELECT long_task.why(7)';

CREATE FUNCTION long_task.why_blocked(p_task long_task.task) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_others integer;
  v_first  text;
  v_max    integer;
BEGIN
  IF p_task.wants_key THEN
    v_max := COALESCE(
      (SELECT c.max_running FROM long_task.concurrency_limit AS c WHERE c.concurrency_key = p_task.concurrency_key), 1
    );
    SELECT count(*) - 1, min(format('task %s', t.id)) INTO v_others, v_first
    FROM (
      SELECT r.id
      FROM long_task.task AS r
      WHERE r.concurrency_key = p_task.concurrency_key
        AND r.running_on IS NOT NULL
      UNION ALL
      SELECT d.task_id
      FROM long_task.deleted_attempt AS d
      WHERE d.concurrency_key = p_task.concurrency_key
    ) AS t;
    RETURN format('It waits for concurrency_key %L, with which at most %s may run at once: %s', p_task.concurrency_key,
      v_max, CASE
        WHEN v_max = 0 THEN 'none (concurrency_limit).'
        WHEN v_others < 0 THEN 'a node is about to look at it.'
        WHEN v_others = 0 THEN v_first || ' does.'
        ELSE format('%s and %s more do.', v_first, v_others)
      END);
  END IF;
  SELECT count(*) OVER () - 1, format('task %s%s, which is %s', p.id, ' (' || p.name || ')', p.state_id)
  INTO v_others, v_first
  FROM long_task.task_dependency AS d
  JOIN long_task.task AS p ON p.id = d.needs_task_id
  WHERE d.task_id = p_task.id
    AND d.met IS NULL
    AND d.enabled
  ORDER BY p.state_id NOT IN ('AE', 'AS', 'AC'), p.id
  LIMIT 1;
  RETURN CASE
    WHEN NOT FOUND THEN COALESCE(
      'It waits (unmet) because it ' || long_task.why_unmet(p_task.id) || '.',
      'What it needs has ended, and a node is about to look at it.'
    )
    WHEN v_others = 0 THEN format('It waits for %s.', v_first)
    WHEN p_task.needs = 'any' THEN format('It waits for any of %s tasks, such as %s.', v_others + 1, v_first)
    ELSE format('It waits for %s tasks, such as %s.', v_others + 1, v_first)
  END;
END
$$;

COMMENT ON FUNCTION long_task.why_blocked(p_task long_task.task) IS 'One sentence: what does this blocked task wait for?';

CREATE FUNCTION long_task.why_unmet(p_task_id bigint) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN (
    SELECT format('needs %s of task %s%s, which %s%s',
      d."on", d.needs_task_id, ' (' || p.name || ')',
      CASE COALESCE(p.state_id, '')
        WHEN 'CS' THEN 'completed'
        WHEN 'CF' THEN 'failed'
        WHEN 'CC' THEN 'was cancelled'
        WHEN '' THEN 'was deleted'
        ELSE 'has ended otherwise'
      END,
      CASE WHEN d.condition IS NOT NULL AND p.state_id IS NOT NULL
        AND long_task.is_met(d."on", NULL, p.state_id, NULL, NULL) THEN ' without ' || d.condition
      END)
    FROM long_task.task_dependency AS d
    LEFT JOIN long_task.task AS p ON p.id = d.needs_task_id
    WHERE d.task_id = p_task_id
      AND d.enabled
      AND NOT d.met
    ORDER BY d.needs_task_id
    LIMIT 1
  );
END
$$;

COMMENT ON FUNCTION long_task.why_unmet(p_task_id bigint) IS 'The first dependency of a task that has not come as it was needed, in words.';

CREATE FUNCTION long_task.why_waiting(p_task long_task.task) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_now     timestamptz := long_task.clock();
  v_whose   text := CASE
    WHEN p_task.worker_id IS NULL THEN 'group ' || p_task.group_id
    ELSE 'worker ' || p_task.worker_id
  END;
  v_live    integer;
  v_willing integer;
  v_slots   integer;
  v_busy    bigint;
  v_stops   text;
  v_ahead   integer;
  v_free    bigint;
  v_max     integer;
BEGIN
  SELECT
    count(*),
    count(*) FILTER (WHERE w.stop = 0),
    COALESCE(sum(w.slots) FILTER (WHERE w.stop = 0), 0),
    COALESCE(sum((SELECT count(*) FROM long_task.task AS t WHERE t.running_on = w.id)) FILTER (WHERE w.stop = 0), 0),
    string_agg(format('worker %s has stop = %s', w.id, w.stop), ', ' ORDER BY w.id) FILTER (WHERE w.stop > 0)
  INTO v_live, v_willing, v_slots, v_busy, v_stops
  FROM long_task.worker AS w
  WHERE w.active
    AND w.locked_until > v_now
    AND CASE
      WHEN p_task.worker_id IS NULL THEN w.group_id = p_task.group_id
      ELSE w.id = p_task.worker_id
    END;

  IF v_live = 0 AND p_task.worker_id IS NULL THEN
    RETURN format('There is no live worker in %s.', v_whose);
  ELSIF v_live = 0 THEN
    RETURN format('The task is for worker %s alone (worker_id), which no live node serves.', p_task.worker_id);
  ELSIF v_willing = 0 AND p_task.worker_id IS NOT NULL THEN
    RETURN format('The task is for worker %s alone (worker_id), and %s.', p_task.worker_id, v_stops);
  ELSIF v_willing = 0 THEN
    RETURN format('No worker of %s starts anything: %s.', v_whose, v_stops);
  ELSIF v_busy >= v_slots THEN
    SELECT count(*) INTO v_ahead
    FROM (
      SELECT
      FROM long_task.task AS t
      WHERE t.state_id = 'AW'
        AND t.running_on IS NULL
        AND t.worker_id IS NOT DISTINCT FROM p_task.worker_id
        AND (t.group_id = p_task.group_id OR p_task.worker_id IS NOT NULL)
        AND (t.priority, t.ready_seq) < (p_task.priority, p_task.ready_seq)
      LIMIT 1001
    ) AS a;
    RETURN format('All %s slots of %s are busy; %s tasks are ahead of it.', v_slots, v_whose,
      CASE WHEN v_ahead > 1000 THEN 'more than 1000' ELSE v_ahead::text END);
  END IF;
  v_free := v_slots - v_busy;
  SELECT
    g.max_running,
    (SELECT count(*) FROM long_task.task AS t WHERE t.running_on IS NOT NULL AND t.group_id = g.group_id)
      + (SELECT count(*) FROM long_task.deleted_attempt AS d WHERE d.group_id = g.group_id)
  INTO v_max, v_busy
  FROM long_task.group_limit AS g
  WHERE g.group_id = p_task.group_id;
  IF v_busy >= v_max THEN
    RETURN format('Group %s runs at most %s tasks at once (group_limit), and runs %s.', p_task.group_id, v_max, v_busy);
  END IF;
  RETURN format('It is about to be started: %s of %s slots of %s are free.', v_free, v_slots, v_whose);
END
$$;

COMMENT ON FUNCTION long_task.why_waiting(p_task long_task.task) IS 'One sentence: what does this ready task wait for?';

CREATE FUNCTION long_task.workflow_graph(p_run_id bigint, p_format text DEFAULT 'mermaid'::text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_dot   boolean := p_format = 'dot';
  v_nodes text;
  v_edges text;
BEGIN
  IF v_dot IS NULL OR p_format NOT IN ('mermaid', 'dot') THEN
    PERFORM long_task.refuse('LT004', format('format %s is not known', COALESCE(quote_literal(p_format), 'null')),
      'Give ''mermaid'' or ''dot''.');
  END IF;
  PERFORM long_task.assert_run(p_run_id);
  SELECT string_agg(
    CASE
      WHEN v_dot THEN format('  s%s [label="%s", fillcolor="%s"];', n.first,
        long_task.quote_label(n.label, p_format), n.color)
      ELSE format(E'  s%s["%s"]\n  style s%s fill:%s', n.first,
        long_task.quote_label(n.label, p_format), n.first, n.color)
    END, E'\n' ORDER BY n.first)
  INTO v_nodes
  FROM (
    SELECT
      min(s.id) AS first,
      s.step || CASE WHEN bool_or(s.item IS NOT NULL) THEN format(' x %s', sum(s.tasks)) ELSE '' END
        || ' ' || string_agg(
          s.state_id || CASE WHEN s.item IS NOT NULL THEN ' ' || s.tasks ELSE '' END, ', ' ORDER BY s.state_id
        ) AS label,
      CASE
        WHEN bool_or(s.state_id = 'CF') THEN '#f4b6b6'
        WHEN bool_or(s.state_id IN ('AE', 'AS', 'AC')) THEN '#fff2b3'
        WHEN bool_or(s.state_id IN ('AW', 'AD', 'AB', 'DR')) THEN '#e8e8e8'
        WHEN bool_or(s.state_id = 'CC') THEN '#d8c8e8'
        ELSE '#c3e6c3'
      END AS color
    FROM (
      SELECT min(t.id) AS id, t.step, t.state_id, max(t.item) AS item, count(*) AS tasks
      FROM long_task.task AS t
      WHERE t.run_id = p_run_id
      GROUP BY t.step, t.state_id
    ) AS s
    GROUP BY s.step
  ) AS n;
  SELECT string_agg(
    CASE
      WHEN v_dot THEN format('  s%s -> s%s [label="%s"%s];', e.needed, e.first,
        long_task.quote_label(e.label, p_format), CASE WHEN e.enabled THEN '' ELSE ', style=dashed' END)
      ELSE format('  s%s %s%s s%s', e.needed, CASE WHEN e.enabled THEN '-->' ELSE '-.->' END,
        CASE WHEN e.label <> '' THEN format('|"%s"|', long_task.quote_label(e.label, p_format)) ELSE '' END, e.first)
    END, E'\n' ORDER BY e.needed, e.first)
  INTO v_edges
  FROM (
    SELECT
      (SELECT min(f.id) FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = p.step) AS needed,
      (SELECT min(f.id) FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = t.step) AS first,
      concat_ws(' ', NULLIF(d."on", 'success'), d.condition::text) AS label,
      d.enabled
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS t ON t.id = d.task_id
    JOIN long_task.task AS p ON p.id = d.needs_task_id AND p.run_id = p_run_id
    WHERE t.run_id = p_run_id
    GROUP BY p.step, t.step, d."on", d.condition::text, d.enabled
  ) AS e;
  IF v_dot THEN
    RETURN concat_ws(E'\n', 'digraph run {', '  rankdir=LR;', '  node [shape=box, style="rounded,filled"];', v_nodes, v_edges, '}');
  END IF;
  RETURN concat_ws(E'\n', 'flowchart LR', v_nodes, v_edges);
END
$$;

COMMENT ON FUNCTION long_task.workflow_graph(p_run_id bigint, p_format text) IS 'A run of a workflow as a graph, in the language of Mermaid (''mermaid'') or of Graphviz (''dot'').';

CREATE FUNCTION long_task.workflow_lock(p_workflow text) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    RETURN hashtextextended(('long_task.workflow '::text || p_workflow), (0)::bigint);

COMMENT ON FUNCTION long_task.workflow_lock(p_workflow text) IS 'Number of the advisory lock of a workflow whose runs come one at a time.';

CREATE FUNCTION long_task.workflow_recovery_point(p_run_id bigint) RETURNS TABLE(what text, step text, item integer, task_id bigint, state_id text, error text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  PERFORM long_task.assert_run(p_run_id);
  RETURN QUERY
  WITH failed AS (
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
      AND (t.state_id = 'CF' OR t.state_id = 'CC' AND long_task.why_unmet(t.id) IS NULL)
  )
  SELECT 'failed', t.step, t.item, t.id, t.state_id, t.error
  FROM failed AS f
  JOIN long_task.task AS t ON t.id = f.id
  UNION ALL
  SELECT DISTINCT 'blocked', t.step, t.item, t.id, t.state_id, t.error
  FROM failed AS f
  JOIN long_task.task_dependency AS d ON d.needs_task_id = f.id AND d.enabled
  JOIN long_task.task AS t ON t.id = d.task_id AND t.run_id = p_run_id AND t.state_id IN ('AB', 'CC')
  WHERE t.id NOT IN (SELECT g.id FROM failed AS g)
  ORDER BY 1 DESC, 4;
END
$$;

COMMENT ON FUNCTION long_task.workflow_recovery_point(p_run_id bigint) IS 'The first failed steps of a run, and the steps that these block.';

CREATE FUNCTION long_task.write_off_attempts(p_worker_id integer, p_reports json DEFAULT '[]'::json) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_spare bigint[] := ARRAY[]::bigint[];
  v_lost  json;
BEGIN
  IF json_array_length(p_reports) > 0 THEN
    v_spare := long_task.finish_attempts(p_worker_id, p_reports);
  END IF;
  BEGIN
    IF current_setting('long_task.hook_cancelled', true) = 'yes' THEN
      RAISE EXCEPTION 'not asked, because it was cancelled a moment ago';
    END IF;
    v_lost := long_task.lost_attempts(p_worker_id, v_spare, true);
  EXCEPTION
    WHEN OTHERS OR assert_failure OR query_canceled THEN
      -- A rule that fails must not keep the tasks from going on.
      IF SQLSTATE = '57014' THEN
        PERFORM set_config('long_task.hook_cancelled', 'yes', true);
      END IF;
      PERFORM long_task.log_event('hook failed', l, 0, 'retry_lost_task: ' || SQLERRM)
      FROM long_task.worker_lease AS l
      WHERE l.worker_id = p_worker_id;
      v_lost := long_task.lost_attempts(p_worker_id, v_spare, false);
  END;
  IF v_lost IS NULL THEN
    RETURN 0;
  END IF;
  RETURN json_array_length(v_lost) - cardinality(long_task.finish_attempts(p_worker_id, v_lost));
END
$$;

COMMENT ON FUNCTION long_task.write_off_attempts(p_worker_id integer, p_reports json) IS 'End the attempts of a worker whose lease has ended, as reported or as lost. Returns how many were lost.';

CREATE TABLE long_task.concurrency_limit (
    concurrency_key text NOT NULL,
    max_running integer NOT NULL,
    CONSTRAINT concurrency_limit_is_a_number CHECK ((max_running >= 0))
);

COMMENT ON TABLE long_task.concurrency_limit IS 'How many tasks with a concurrency_key run at once. A key without a row here: one.';

COMMENT ON COLUMN long_task.concurrency_limit.concurrency_key IS 'Any text.';

COMMENT ON COLUMN long_task.concurrency_limit.max_running IS 'At most so many; 0: none.';

CREATE TABLE long_task.deleted_attempt (
    task_id bigint NOT NULL,
    attempt integer NOT NULL,
    group_id integer NOT NULL,
    worker_id integer NOT NULL,
    started timestamp with time zone,
    started_by text NOT NULL,
    scheduled_for timestamp with time zone,
    concurrency_key text
);

COMMENT ON TABLE long_task.deleted_attempt IS 'Executing tasks whose row was deleted: their processes are to be killed, and their attempts to be kept as history.';

COMMENT ON COLUMN long_task.deleted_attempt.task_id IS 'Id of the deleted row.';

COMMENT ON COLUMN long_task.deleted_attempt.attempt IS 'The attempt that was executing.';

COMMENT ON COLUMN long_task.deleted_attempt.group_id IS 'Group the task was in.';

COMMENT ON COLUMN long_task.deleted_attempt.worker_id IS 'The worker that executes it.';

COMMENT ON COLUMN long_task.deleted_attempt.started IS 'When it was claimed.';

COMMENT ON COLUMN long_task.deleted_attempt.started_by IS 'What had queued the task.';

COMMENT ON COLUMN long_task.deleted_attempt.scheduled_for IS 'As in task.';

COMMENT ON COLUMN long_task.deleted_attempt.concurrency_key IS 'The key that it has until its process is gone.';

CREATE VIEW long_task.failed AS
 SELECT id,
    name,
    group_id,
    worker_id,
    finished,
    (long_task.clock() - finished) AS age,
    (attempt - base_attempt) AS attempts,
    exit_code,
    signal,
    error,
    output,
    command
   FROM long_task.task t
  WHERE (state_id = 'CF'::text)
  ORDER BY finished DESC;

COMMENT ON VIEW long_task.failed IS 'Tasks that ended badly, latest first. UPDATE long_task.task SET state_id = ''AW'' WHERE id = ... queues one again.';

COMMENT ON COLUMN long_task.failed.id IS 'The task.';

COMMENT ON COLUMN long_task.failed.name IS 'Its name.';

COMMENT ON COLUMN long_task.failed.group_id IS 'Its group.';

COMMENT ON COLUMN long_task.failed.worker_id IS 'The worker that ran it last.';

COMMENT ON COLUMN long_task.failed.finished IS 'When it ended.';

COMMENT ON COLUMN long_task.failed.age IS 'How long ago.';

COMMENT ON COLUMN long_task.failed.attempts IS 'Attempts that were made since it was queued.';

COMMENT ON COLUMN long_task.failed.exit_code IS 'Exit code of the last one.';

COMMENT ON COLUMN long_task.failed.signal IS 'Signal that ended the last one.';

COMMENT ON COLUMN long_task.failed.error IS 'Why.';

COMMENT ON COLUMN long_task.failed.output IS 'End of its output.';

COMMENT ON COLUMN long_task.failed.command IS 'What it ran.';

CREATE TABLE long_task.group_limit (
    group_id integer NOT NULL,
    max_running integer NOT NULL,
    CONSTRAINT group_limit_is_a_number CHECK ((max_running >= 0))
);

COMMENT ON TABLE long_task.group_limit IS 'How many tasks of a group run at once, on all its workers. A group without a row here: as many as there are slots.';

COMMENT ON COLUMN long_task.group_limit.group_id IS 'The group.';

COMMENT ON COLUMN long_task.group_limit.max_running IS 'At most so many; 0: none.';

CREATE TABLE long_task.task_run (
    task_id bigint NOT NULL,
    attempt integer NOT NULL,
    group_id integer NOT NULL,
    worker_id integer NOT NULL,
    node_name text,
    pid integer,
    started timestamp with time zone NOT NULL,
    finished timestamp with time zone NOT NULL,
    state_id text NOT NULL,
    exit_code smallint,
    signal smallint,
    error text,
    output text,
    user_seconds real,
    system_seconds real,
    peak_memory bigint,
    started_by text NOT NULL,
    scheduled_for timestamp with time zone,
    part integer CONSTRAINT task_run_0_part_not_null NOT NULL
)
PARTITION BY RANGE (part);

COMMENT ON TABLE long_task.task_run IS 'One row for each attempt that ended or was lost. Stays when its task is deleted, for as long as history_retention says.';

COMMENT ON COLUMN long_task.task_run.task_id IS 'The task; it may have been deleted since.';

COMMENT ON COLUMN long_task.task_run.attempt IS 'Number of the attempt, from 1.';

COMMENT ON COLUMN long_task.task_run.group_id IS 'Group the task was in.';

COMMENT ON COLUMN long_task.task_run.worker_id IS 'The worker that ran it.';

COMMENT ON COLUMN long_task.task_run.node_name IS 'The node that held the worker then.';

COMMENT ON COLUMN long_task.task_run.pid IS 'Process id on that machine; null: it could not be started, or was lost.';

COMMENT ON COLUMN long_task.task_run.started IS 'When the process was started.';

COMMENT ON COLUMN long_task.task_run.finished IS 'When the process ended, also if the database was away then.';

COMMENT ON COLUMN long_task.task_run.state_id IS 'How the attempt ended: CS, CF or CC. A task whose attempt failed may still be retried.';

COMMENT ON COLUMN long_task.task_run.exit_code IS 'Exit code, 0 to 255; null if a signal ended it or it never started.';

COMMENT ON COLUMN long_task.task_run.signal IS 'Signal that ended it; null if it exited.';

COMMENT ON COLUMN long_task.task_run.error IS 'Why it ended badly.';

COMMENT ON COLUMN long_task.task_run.output IS 'End of what it wrote to stdout and stderr.';

COMMENT ON COLUMN long_task.task_run.user_seconds IS 'CPU time in user mode, of the process and the children it waited for.';

COMMENT ON COLUMN long_task.task_run.system_seconds IS 'CPU time in the kernel, of the process and the children it waited for.';

COMMENT ON COLUMN long_task.task_run.peak_memory IS 'Bytes: largest resident set of the process or of a child it waited for.';

COMMENT ON COLUMN long_task.task_run.started_by IS 'What queued the task: person, schedule, dependency or retry.';

COMMENT ON COLUMN long_task.task_run.scheduled_for IS 'Time of the schedule for which the task was queued; null: it was not queued by a schedule.';

COMMENT ON COLUMN long_task.task_run.part IS 'The partition that it is in. System.';

CREATE TABLE long_task.task_run_part (
    part integer NOT NULL,
    began timestamp with time zone NOT NULL,
    ended timestamp with time zone
);

COMMENT ON TABLE long_task.task_run_part IS 'The partitions of task_run. The last one takes what ends now. System.';

COMMENT ON COLUMN long_task.task_run_part.part IS 'Its number.';

COMMENT ON COLUMN long_task.task_run_part.began IS 'Since when rows were written to it.';

COMMENT ON COLUMN long_task.task_run_part.ended IS 'Until when; null: they are now.';

CREATE VIEW long_task.group_status AS
 WITH active AS (
         SELECT t.group_id,
            count(*) FILTER (WHERE (t.state_id = 'AW'::text)) AS ready,
            count(*) FILTER (WHERE (t.state_id = 'AD'::text)) AS delayed,
            count(*) FILTER (WHERE (t.state_id = 'AB'::text)) AS blocked,
            count(*) FILTER (WHERE (t.running_on IS NOT NULL)) AS running,
            min(t.last_state_change) FILTER (WHERE (t.state_id = 'AW'::text)) AS oldest_ready
           FROM long_task.task t
          WHERE ((t.state_id = ANY (ARRAY['AW'::text, 'AD'::text, 'AB'::text])) OR (t.running_on IS NOT NULL))
          GROUP BY t.group_id
        ), ended AS (
         SELECT h.group_id,
            count(*) AS ended,
            count(*) FILTER (WHERE (h.state_id = 'CF'::text)) AS failed
           FROM long_task.task_run h
          WHERE ((h.finished > (long_task.clock() - '00:01:00'::interval)) AND (h.part >= ( SELECT min(p.part) AS min
                   FROM long_task.task_run_part p
                  WHERE COALESCE((p.ended > (long_task.clock() - '00:01:00'::interval)), true))))
          GROUP BY h.group_id
        ), workers AS (
         SELECT l.group_id,
            count(*) AS live_workers,
            sum(l.slots) AS slots
           FROM long_task.worker_lease l
          WHERE (l.active AND (l.locked_until > long_task.clock()))
          GROUP BY l.group_id
        )
 SELECT g.group_id,
    COALESCE(a.ready, (0)::bigint) AS ready,
    COALESCE(a.delayed, (0)::bigint) AS delayed,
    COALESCE(a.blocked, (0)::bigint) AS blocked,
    COALESCE(a.running, (0)::bigint) AS running,
    COALESCE(w.live_workers, (0)::bigint) AS live_workers,
    COALESCE(w.slots, (0)::bigint) AS slots,
    (long_task.clock() - a.oldest_ready) AS oldest_ready_age,
    COALESCE(e.ended, (0)::bigint) AS ended_last_minute,
    COALESCE(e.failed, (0)::bigint) AS failed_last_minute
   FROM (((( SELECT active.group_id
           FROM active
        UNION
         SELECT ended.group_id
           FROM ended
        UNION
         SELECT workers.group_id
           FROM workers) g
     LEFT JOIN active a ON ((a.group_id = g.group_id)))
     LEFT JOIN ended e ON ((e.group_id = g.group_id)))
     LEFT JOIN workers w ON ((w.group_id = g.group_id)))
  ORDER BY g.group_id;

COMMENT ON VIEW long_task.group_status IS 'Groups: what waits, runs, and ended in the last minute, and who is there to run it.';

COMMENT ON COLUMN long_task.group_status.group_id IS 'The group.';

COMMENT ON COLUMN long_task.group_status.ready IS 'Tasks that wait for a slot.';

COMMENT ON COLUMN long_task.group_status.delayed IS 'Tasks that wait for a time.';

COMMENT ON COLUMN long_task.group_status.blocked IS 'Tasks that wait for another task.';

COMMENT ON COLUMN long_task.group_status.running IS 'Tasks that have a process.';

COMMENT ON COLUMN long_task.group_status.live_workers IS 'Workers whose lease holds.';

COMMENT ON COLUMN long_task.group_status.slots IS 'Slots of these workers.';

COMMENT ON COLUMN long_task.group_status.oldest_ready_age IS 'How long the longest waiting ready task has waited.';

COMMENT ON COLUMN long_task.group_status.ended_last_minute IS 'Attempts that ended in the last minute.';

COMMENT ON COLUMN long_task.group_status.failed_last_minute IS 'Those of them that ended badly.';

CREATE TABLE long_task.history_retention (
    only_row boolean DEFAULT true NOT NULL,
    keep interval,
    keep_rows bigint,
    CONSTRAINT history_retention_is_a_number CHECK ((keep_rows > 0)),
    CONSTRAINT history_retention_is_a_time CHECK (((keep >= '00:01:00'::interval) AND (keep <= '1000 years'::interval))),
    CONSTRAINT history_retention_is_one_row CHECK (only_row)
);

COMMENT ON TABLE long_task.history_retention IS 'How long the history of attempts, task_run, is kept: one row; without it, for ever. It goes by whole partitions, of all groups.';

COMMENT ON COLUMN long_task.history_retention.only_row IS 'There is one row.';

COMMENT ON COLUMN long_task.history_retention.keep IS 'So long at least, up to a sixth longer; null: age does not matter.';

COMMENT ON COLUMN long_task.history_retention.keep_rows IS 'About so many rows at least, up to a sixth more; null: their number does not matter.';

CREATE TABLE long_task.maintenance (
    only_row boolean DEFAULT true NOT NULL,
    next_at timestamp with time zone NOT NULL,
    turn bigint DEFAULT 1 NOT NULL,
    phase text DEFAULT 'history'::text NOT NULL,
    place bigint DEFAULT 0 NOT NULL,
    stride bigint DEFAULT 1000 NOT NULL,
    swept timestamp with time zone,
    error text,
    CONSTRAINT maintenance_is_one_row CHECK (only_row),
    CONSTRAINT maintenance_phase_is_known CHECK ((phase = ANY (ARRAY['history'::text, 'task'::text, 'run'::text])))
)
WITH (fillfactor='10');

COMMENT ON TABLE long_task.maintenance IS 'How far the tidying up has come that retention asks for. System.';

COMMENT ON COLUMN long_task.maintenance.only_row IS 'There is one row.';

COMMENT ON COLUMN long_task.maintenance.next_at IS 'When somebody else than whoever is at it may go on.';

COMMENT ON COLUMN long_task.maintenance.turn IS 'Numbers those who were at it.';

COMMENT ON COLUMN long_task.maintenance.phase IS 'What is gone through: history, tasks, or runs of workflows.';

COMMENT ON COLUMN long_task.maintenance.place IS 'The id up to which it has been gone through.';

COMMENT ON COLUMN long_task.maintenance.stride IS 'How many ids are looked at in one step: as many as a few milliseconds allow.';

COMMENT ON COLUMN long_task.maintenance.swept IS 'When everything had been gone through last.';

COMMENT ON COLUMN long_task.maintenance.error IS 'What went wrong last; null: nothing since then.';

CREATE TABLE long_task.retention (
    group_id integer,
    keep_succeeded interval,
    keep_failed interval,
    keep_cancelled interval,
    archive boolean DEFAULT false NOT NULL,
    CONSTRAINT retention_is_a_time CHECK ((((keep_succeeded >= '00:00:00'::interval) AND (keep_succeeded <= '1000 years'::interval)) AND ((keep_failed >= '00:00:00'::interval) AND (keep_failed <= '1000 years'::interval)) AND ((keep_cancelled >= '00:00:00'::interval) AND (keep_cancelled <= '1000 years'::interval))))
);

COMMENT ON TABLE long_task.retention IS 'How long ended tasks are kept. Without a row that is for them, for ever.';

COMMENT ON COLUMN long_task.retention.group_id IS 'The tasks of this group; null: of every group without a row of its own.';

COMMENT ON COLUMN long_task.retention.keep_succeeded IS 'So long after they completed (CS); null: for ever.';

COMMENT ON COLUMN long_task.retention.keep_failed IS 'So long after they failed (CF); null: for ever.';

COMMENT ON COLUMN long_task.retention.keep_cancelled IS 'So long after they were cancelled (CC); null: for ever.';

COMMENT ON COLUMN long_task.retention.archive IS 'Whether they are moved to task_archive then, and not deleted for good.';

CREATE TABLE long_task.run_kept (
    run_id bigint NOT NULL,
    kept_until timestamp with time zone NOT NULL
);

COMMENT ON TABLE long_task.run_kept IS 'Runs of workflows that need not be looked at before a time. System.';

COMMENT ON COLUMN long_task.run_kept.run_id IS 'The run.';

COMMENT ON COLUMN long_task.run_kept.kept_until IS 'That time.';

CREATE VIEW long_task.running AS
 SELECT t.id,
    t.name,
    t.state_id,
    t.attempt,
    t.group_id,
    t.running_on AS worker_id,
    l.node_name,
    l.host,
    t.started,
    (long_task.clock() - t.started) AS age,
    t.timeout,
    t.progress,
    t.priority,
    t.command
   FROM (long_task.task t
     LEFT JOIN long_task.worker_lease l ON ((l.worker_id = t.running_on)))
  WHERE (t.running_on IS NOT NULL)
  ORDER BY t.started;

COMMENT ON VIEW long_task.running IS 'Tasks that have a process, longest running first. A state other than AE, AS, AC means that the task has ended itself and its process has not exited yet.';

COMMENT ON COLUMN long_task.running.id IS 'The task.';

COMMENT ON COLUMN long_task.running.name IS 'Its name.';

COMMENT ON COLUMN long_task.running.state_id IS 'AE executing, AS stopping, AC being killed.';

COMMENT ON COLUMN long_task.running.attempt IS 'Number of the attempt.';

COMMENT ON COLUMN long_task.running.group_id IS 'Its group.';

COMMENT ON COLUMN long_task.running.worker_id IS 'The worker that runs it.';

COMMENT ON COLUMN long_task.running.node_name IS 'The node that holds this worker.';

COMMENT ON COLUMN long_task.running.host IS 'The machine of that node.';

COMMENT ON COLUMN long_task.running.started IS 'When it was claimed.';

COMMENT ON COLUMN long_task.running.age IS 'For how long it has run.';

COMMENT ON COLUMN long_task.running.timeout IS 'How long it may run.';

COMMENT ON COLUMN long_task.running.progress IS 'From 0 to 1, as the task itself says.';

COMMENT ON COLUMN long_task.running.priority IS 'Its priority.';

COMMENT ON COLUMN long_task.running.command IS 'What it runs.';

CREATE VIEW long_task.scheduled AS
 SELECT id,
    name,
    group_id,
    state_id,
        CASE
            WHEN (cron IS NOT NULL) THEN cron
            WHEN (shed_period_id IS NOT NULL) THEN format('every %s %s'::text, COALESCE(shed_period_count, 1), shed_period_id)
            ELSE 'once'::text
        END AS schedule,
    COALESCE(time_zone, 'UTC'::text) AS time_zone,
        CASE
            WHEN (shed_error IS NOT NULL) THEN 'failed'::text
            WHEN (NOT shed_enabled) THEN 'paused'::text
            WHEN ((next_start IS NULL) AND (shed_anchor IS NULL) AND (cron IS NULL)) THEN 'without next_start'::text
            WHEN ((next_start IS NULL) OR (next_start > until)) THEN 'over'::text
            WHEN ((state_id = 'DR'::text) AND (NOT shed_clone)) THEN 'draft'::text
            WHEN shed_waiting THEN 'waiting'::text
            ELSE 'on'::text
        END AS status,
    next_start,
        CASE
            WHEN ((state_id <> 'DR'::text) OR shed_clone) THEN long_task.next_starts(id, next_start)
            ELSE NULL::timestamp with time zone[]
        END AS next_starts,
    scheduled_for AS latest_start,
    shed_clone AS clone,
    COALESCE(overlap,
        CASE
            WHEN shed_clone THEN 'clone'::text
            WHEN (missed = 'run each'::text) THEN 'queue each'::text
            ELSE 'skip'::text
        END) AS overlap,
    COALESCE(missed, 'run once'::text) AS missed,
    missed_after,
    jitter,
    until,
    shed_error AS error
   FROM long_task.task t
  WHERE ((next_start IS NOT NULL) OR (cron IS NOT NULL) OR (shed_period_id IS NOT NULL))
  ORDER BY shed_enabled DESC, next_start, id;

COMMENT ON VIEW long_task.scheduled IS 'Tasks with a schedule, next ones first. long_task.schedule_preview(id) shows more of their starts.';

COMMENT ON COLUMN long_task.scheduled.id IS 'The task.';

COMMENT ON COLUMN long_task.scheduled.name IS 'Its name.';

COMMENT ON COLUMN long_task.scheduled.group_id IS 'Group whose workers run it.';

COMMENT ON COLUMN long_task.scheduled.state_id IS 'State of the task; of a template it says nothing about its copies.';

COMMENT ON COLUMN long_task.scheduled.schedule IS 'Its cron line, its interval, or once.';

COMMENT ON COLUMN long_task.scheduled.time_zone IS 'Whose clock on the wall it keeps.';

COMMENT ON COLUMN long_task.scheduled.status IS 'on; waiting: next_start has come, and waits for the task to end; draft: starts are passed over; paused; failed: paused by the system, see error; over; without next_start.';

COMMENT ON COLUMN long_task.scheduled.next_start IS 'The next start; null: there are no more.';

COMMENT ON COLUMN long_task.scheduled.next_starts IS 'The next three, before jitter; null: the task is a draft, or they cannot be found.';

COMMENT ON COLUMN long_task.scheduled.latest_start IS 'Time of the schedule for which the task itself was queued last.';

COMMENT ON COLUMN long_task.scheduled.clone IS 'True: each start is a copy of the task.';

COMMENT ON COLUMN long_task.scheduled.overlap IS 'What becomes of a start at which it is active: skip, clone, queue one, or, if each is run, queue each.';

COMMENT ON COLUMN long_task.scheduled.missed IS 'What becomes of starts that were missed.';

COMMENT ON COLUMN long_task.scheduled.missed_after IS 'A start that is later than this is given up.';

COMMENT ON COLUMN long_task.scheduled.jitter IS 'Each start is delayed by a random time of up to so much.';

COMMENT ON COLUMN long_task.scheduled.until IS 'No start after this time.';

COMMENT ON COLUMN long_task.scheduled.error IS 'Why the system has paused it.';

CREATE TABLE long_task.task_archive (
    task_id bigint NOT NULL,
    archived timestamp with time zone NOT NULL,
    task jsonb NOT NULL
);

COMMENT ON TABLE long_task.task_archive IS 'Tasks that a policy of retention has moved here. Nothing reads it but people, who may delete what they like.';

COMMENT ON COLUMN long_task.task_archive.task_id IS 'The task.';

COMMENT ON COLUMN long_task.task_archive.archived IS 'When it was moved.';

COMMENT ON COLUMN long_task.task_archive.task IS 'Its row, without the columns that were null.';

CREATE TABLE long_task.task_dependency (
    task_id bigint NOT NULL,
    needs_task_id bigint NOT NULL,
    "on" text DEFAULT 'success'::text NOT NULL,
    condition jsonpath,
    enabled boolean DEFAULT true NOT NULL,
    pass text,
    name text,
    gather boolean DEFAULT false NOT NULL,
    met boolean,
    run_id bigint
);

COMMENT ON TABLE long_task.task_dependency IS 'A row lets a task wait for the end of another. Any task that waits may be given one, until it is started.';

COMMENT ON COLUMN long_task.task_dependency.task_id IS 'The task that waits.';

COMMENT ON COLUMN long_task.task_dependency.needs_task_id IS 'The task whose end it waits for.';

COMMENT ON COLUMN long_task.task_dependency."on" IS 'Which end is needed: success, failure, cancel, or end, which is any of them.';

COMMENT ON COLUMN long_task.task_dependency.condition IS 'Predicate over the result, such as $.rows > 0, that has to hold too.';

COMMENT ON COLUMN long_task.task_dependency.enabled IS 'False: as if the row were not there.';

COMMENT ON COLUMN long_task.task_dependency.pass IS 'How the result, or without one the output, reaches the task: params, env, stdin; null: not by itself.';

COMMENT ON COLUMN long_task.task_dependency.name IS 'Under what name it is passed; null: the name of the task that is needed, or its id.';

COMMENT ON COLUMN long_task.task_dependency.gather IS 'Several results that are passed under one name are an array; true: one alone, too.';

COMMENT ON COLUMN long_task.task_dependency.met IS 'Whether that end has come; null: it is still open. System.';

COMMENT ON COLUMN long_task.task_dependency.run_id IS 'Run of the workflow that it was made for; null: written by a person. System.';

ALTER TABLE long_task.task ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME long_task.task_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW long_task.task_kept AS
 SELECT t.id,
    t.run_id,
    t.group_id,
    t.state_id,
        CASE
            WHEN ((t.state_id <> ALL (ARRAY['CS'::text, 'CF'::text, 'CC'::text])) OR (t.running_on IS NOT NULL) OR (t.next_start IS NOT NULL) OR (t.cron IS NOT NULL) OR (t.shed_period_id IS NOT NULL) OR t.shed_clone OR (t.workflow IS NOT NULL)) THEN 'infinity'::timestamp with time zone
            ELSE COALESCE((t.last_state_change +
            CASE t.state_id
                WHEN 'CS'::text THEN
                CASE
                    WHEN (o.group_id IS NULL) THEN e.keep_succeeded
                    ELSE o.keep_succeeded
                END
                WHEN 'CF'::text THEN
                CASE
                    WHEN (o.group_id IS NULL) THEN e.keep_failed
                    ELSE o.keep_failed
                END
                ELSE
                CASE
                    WHEN (o.group_id IS NULL) THEN e.keep_cancelled
                    ELSE o.keep_cancelled
                END
            END), 'infinity'::timestamp with time zone)
        END AS kept_until,
    COALESCE(
        CASE
            WHEN (o.group_id IS NULL) THEN e.archive
            ELSE o.archive
        END, false) AS archive
   FROM ((long_task.task t
     LEFT JOIN long_task.retention o ON ((o.group_id = t.group_id)))
     LEFT JOIN long_task.retention e ON ((e.group_id IS NULL)));

COMMENT ON VIEW long_task.task_kept IS 'Until when each task is kept, by the policies in retention.';

COMMENT ON COLUMN long_task.task_kept.id IS 'The task.';

COMMENT ON COLUMN long_task.task_kept.run_id IS 'Run of a workflow that it is a part of: kept as a whole, for as long as any task of it.';

COMMENT ON COLUMN long_task.task_kept.group_id IS 'Its group.';

COMMENT ON COLUMN long_task.task_kept.state_id IS 'Its state.';

COMMENT ON COLUMN long_task.task_kept.kept_until IS 'It may go after this time, unless a task that has not ended needs it; infinity: it has not ended, has a schedule, is a template, or no policy says when.';

COMMENT ON COLUMN long_task.task_kept.archive IS 'Whether it is moved to task_archive then.';

CREATE TABLE long_task.task_run_0 (
    task_id bigint CONSTRAINT task_run_task_id_not_null NOT NULL,
    attempt integer CONSTRAINT task_run_attempt_not_null NOT NULL,
    group_id integer CONSTRAINT task_run_group_id_not_null NOT NULL,
    worker_id integer CONSTRAINT task_run_worker_id_not_null NOT NULL,
    node_name text,
    pid integer,
    started timestamp with time zone CONSTRAINT task_run_started_not_null NOT NULL,
    finished timestamp with time zone CONSTRAINT task_run_finished_not_null NOT NULL,
    state_id text CONSTRAINT task_run_state_id_not_null NOT NULL,
    exit_code smallint,
    signal smallint,
    error text,
    output text,
    user_seconds real,
    system_seconds real,
    peak_memory bigint,
    started_by text CONSTRAINT task_run_started_by_not_null NOT NULL,
    scheduled_for timestamp with time zone,
    part integer NOT NULL
);

COMMENT ON TABLE long_task.task_run_0 IS 'A partition of task_run.';

COMMENT ON COLUMN long_task.task_run_0.task_id IS 'The task; it may have been deleted since.';

COMMENT ON COLUMN long_task.task_run_0.attempt IS 'Number of the attempt, from 1.';

COMMENT ON COLUMN long_task.task_run_0.group_id IS 'Group the task was in.';

COMMENT ON COLUMN long_task.task_run_0.worker_id IS 'The worker that ran it.';

COMMENT ON COLUMN long_task.task_run_0.node_name IS 'The node that held the worker then.';

COMMENT ON COLUMN long_task.task_run_0.pid IS 'Process id on that machine; null: it could not be started, or was lost.';

COMMENT ON COLUMN long_task.task_run_0.started IS 'When the process was started.';

COMMENT ON COLUMN long_task.task_run_0.finished IS 'When the process ended, also if the database was away then.';

COMMENT ON COLUMN long_task.task_run_0.state_id IS 'How the attempt ended: CS, CF or CC. A task whose attempt failed may still be retried.';

COMMENT ON COLUMN long_task.task_run_0.exit_code IS 'Exit code, 0 to 255; null if a signal ended it or it never started.';

COMMENT ON COLUMN long_task.task_run_0.signal IS 'Signal that ended it; null if it exited.';

COMMENT ON COLUMN long_task.task_run_0.error IS 'Why it ended badly.';

COMMENT ON COLUMN long_task.task_run_0.output IS 'End of what it wrote to stdout and stderr.';

COMMENT ON COLUMN long_task.task_run_0.user_seconds IS 'CPU time in user mode, of the process and the children it waited for.';

COMMENT ON COLUMN long_task.task_run_0.system_seconds IS 'CPU time in the kernel, of the process and the children it waited for.';

COMMENT ON COLUMN long_task.task_run_0.peak_memory IS 'Bytes: largest resident set of the process or of a child it waited for.';

COMMENT ON COLUMN long_task.task_run_0.started_by IS 'What queued the task: person, schedule, dependency or retry.';

COMMENT ON COLUMN long_task.task_run_0.scheduled_for IS 'Time of the schedule for which the task was queued; null: it was not queued by a schedule.';

COMMENT ON COLUMN long_task.task_run_0.part IS 'The partition that it is in. System.';

CREATE TABLE long_task.task_state (
    id text NOT NULL,
    name text NOT NULL,
    set_by text NOT NULL,
    description text NOT NULL
);

COMMENT ON TABLE long_task.task_state IS 'The states of a task. LIKE ''A%'' asks for the active ones, LIKE ''C%'' for the ended ones.';

COMMENT ON COLUMN long_task.task_state.id IS 'What task.state_id holds.';

COMMENT ON COLUMN long_task.task_state.name IS 'One word for people.';

COMMENT ON COLUMN long_task.task_state.set_by IS 'Who brings a task into this state.';

COMMENT ON COLUMN long_task.task_state.description IS 'What the state means.';

CREATE TABLE long_task.unsettled_key (
    id bigint NOT NULL,
    concurrency_key text NOT NULL,
    not_before timestamp with time zone NOT NULL
);

COMMENT ON TABLE long_task.unsettled_key IS 'Keys whose waiting tasks are to be looked at once more. System.';

COMMENT ON COLUMN long_task.unsettled_key.id IS 'Order of arrival.';

COMMENT ON COLUMN long_task.unsettled_key.concurrency_key IS 'The key.';

COMMENT ON COLUMN long_task.unsettled_key.not_before IS 'When to look: a little later, if somebody held a row that is needed.';

ALTER TABLE long_task.unsettled_key ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME long_task.unsettled_key_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE long_task.unsettled_task (
    id bigint NOT NULL,
    task_id bigint NOT NULL,
    not_before timestamp with time zone NOT NULL,
    refresh boolean NOT NULL
);

COMMENT ON TABLE long_task.unsettled_task IS 'Tasks to be looked at once more, with those that wait for them. System.';

COMMENT ON COLUMN long_task.unsettled_task.id IS 'Order of arrival.';

COMMENT ON COLUMN long_task.unsettled_task.task_id IS 'The task.';

COMMENT ON COLUMN long_task.unsettled_task.not_before IS 'When to look: a little later, if somebody held a row that is needed.';

COMMENT ON COLUMN long_task.unsettled_task.refresh IS 'Whether what is known of its needs may be out of date.';

ALTER TABLE long_task.unsettled_task ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME long_task.unsettled_task_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE long_task.unsettled_workflow (
    id bigint NOT NULL,
    workflow text NOT NULL,
    not_before timestamp with time zone NOT NULL
);

COMMENT ON TABLE long_task.unsettled_workflow IS 'Workflows of which a run may go on that waited for another. System.';

COMMENT ON COLUMN long_task.unsettled_workflow.id IS 'Order of arrival.';

COMMENT ON COLUMN long_task.unsettled_workflow.workflow IS 'The workflow.';

COMMENT ON COLUMN long_task.unsettled_workflow.not_before IS 'When to look: a little later, if somebody held a row that is needed.';

ALTER TABLE long_task.unsettled_workflow ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME long_task.unsettled_workflow_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW long_task.waiting AS
 SELECT id,
    name,
    state_id,
    group_id,
    worker_id,
    priority,
    start_after,
    last_state_change AS since,
    (long_task.clock() - last_state_change) AS age,
    (attempt - base_attempt) AS failures,
    max_attempts,
    command,
    ready_seq
   FROM long_task.task t
  WHERE (state_id = ANY (ARRAY['AW'::text, 'AD'::text, 'AB'::text]))
  ORDER BY group_id, (state_id = 'AW'::text) DESC, priority, ready_seq;

COMMENT ON VIEW long_task.waiting IS 'Tasks that wait, ready ones first, in the order of the queue. long_task.why(id) says for what.';

COMMENT ON COLUMN long_task.waiting.id IS 'The task.';

COMMENT ON COLUMN long_task.waiting.name IS 'Its name.';

COMMENT ON COLUMN long_task.waiting.state_id IS 'AW ready, AD delayed, AB blocked.';

COMMENT ON COLUMN long_task.waiting.group_id IS 'Group whose workers may run it.';

COMMENT ON COLUMN long_task.waiting.worker_id IS 'The only worker that may run it; null: any of the group.';

COMMENT ON COLUMN long_task.waiting.priority IS 'Smaller is sooner.';

COMMENT ON COLUMN long_task.waiting.start_after IS 'Not before this time.';

COMMENT ON COLUMN long_task.waiting.since IS 'When it began to wait.';

COMMENT ON COLUMN long_task.waiting.age IS 'For how long it has waited.';

COMMENT ON COLUMN long_task.waiting.failures IS 'Attempts that failed since it was queued.';

COMMENT ON COLUMN long_task.waiting.max_attempts IS 'Attempts it has.';

COMMENT ON COLUMN long_task.waiting.command IS 'What it will run.';

COMMENT ON COLUMN long_task.waiting.ready_seq IS 'Place in the queue among equals.';

CREATE TABLE long_task.worker_stop (
    worker_id integer NOT NULL,
    stop smallint DEFAULT 0 NOT NULL,
    CONSTRAINT worker_stop_is_known CHECK (((stop >= 0) AND (stop <= 3)))
);

COMMENT ON TABLE long_task.worker_stop IS 'What people ask of a worker; written through the view long_task.worker.';

COMMENT ON COLUMN long_task.worker_stop.worker_id IS 'The worker.';

COMMENT ON COLUMN long_task.worker_stop.stop IS '0 run; 1 start nothing new; 2 start nothing new, leave when idle; 3 cancel all, then leave.';

CREATE VIEW long_task.worker AS
 SELECT COALESCE(l.worker_id, s.worker_id) AS id,
    l.group_id,
    COALESCE(l.active, false) AS active,
    l.locked_until,
    COALESCE(l.task_count, 0) AS task_count,
    COALESCE(s.stop, (0)::smallint) AS stop,
    l.node_name,
    l.slots,
    l.host,
    l.pid,
    l.version,
    l.since,
    COALESCE(l.epoch, (0)::bigint) AS epoch
   FROM (long_task.worker_lease l
     FULL JOIN long_task.worker_stop s ON ((s.worker_id = l.worker_id)));

COMMENT ON VIEW long_task.worker IS 'The workers. UPDATE long_task.worker SET stop = 2 WHERE id = 1 drains one.';

COMMENT ON COLUMN long_task.worker.id IS 'The worker, as given to node.py.';

COMMENT ON COLUMN long_task.worker.group_id IS 'Group whose tasks it runs.';

COMMENT ON COLUMN long_task.worker.active IS 'Whether a node holds it, as far as is known.';

COMMENT ON COLUMN long_task.worker.locked_until IS 'End of its node''s lease by the database''s clock.';

COMMENT ON COLUMN long_task.worker.task_count IS 'Processes at the latest renewal; worker_status counts them afresh.';

COMMENT ON COLUMN long_task.worker.stop IS '0 run; 1 start nothing new; 2 start nothing new, leave when idle; 3 cancel all, then leave.';

COMMENT ON COLUMN long_task.worker.node_name IS 'Name of the node that holds it, or held it last.';

COMMENT ON COLUMN long_task.worker.slots IS 'Largest number of processes at once.';

COMMENT ON COLUMN long_task.worker.host IS 'Host name of that node.';

COMMENT ON COLUMN long_task.worker.pid IS 'Process id of that node.';

COMMENT ON COLUMN long_task.worker.version IS 'Release of pg_tasks on that node.';

COMMENT ON COLUMN long_task.worker.since IS 'When that node took the lease.';

COMMENT ON COLUMN long_task.worker.epoch IS 'Grows with each new holder of the lease.';

CREATE SEQUENCE long_task.worker_epoch
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

COMMENT ON SEQUENCE long_task.worker_epoch IS 'Numbers the holders of leases.';

CREATE TABLE long_task.worker_event (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT long_task.clock() NOT NULL,
    kind text NOT NULL,
    worker_id integer NOT NULL,
    epoch bigint NOT NULL,
    node_name text,
    task_count integer DEFAULT 0 NOT NULL,
    detail text,
    CONSTRAINT worker_event_kind_is_known CHECK ((kind = ANY (ARRAY['taken'::text, 'taken over'::text, 'recovered'::text, 'left'::text, 'hook failed'::text])))
);

COMMENT ON TABLE long_task.worker_event IS 'What happened to the leases of workers. Append-only; nothing reads it but people, who may delete what is old.';

COMMENT ON COLUMN long_task.worker_event.id IS 'In the order of happening.';

COMMENT ON COLUMN long_task.worker_event.at IS 'When it happened.';

COMMENT ON COLUMN long_task.worker_event.kind IS 'taken (nobody held it), taken over (its node had failed), recovered (its node had failed; another worker''s node, or a person, gave its tasks back), left (its node gave it back), hook failed (the default rule was used).';

COMMENT ON COLUMN long_task.worker_event.worker_id IS 'The worker.';

COMMENT ON COLUMN long_task.worker_event.epoch IS 'The epoch that began, or that ended.';

COMMENT ON COLUMN long_task.worker_event.node_name IS 'The node that took it, or that had it.';

COMMENT ON COLUMN long_task.worker_event.task_count IS 'Attempts that were lost with the node.';

COMMENT ON COLUMN long_task.worker_event.detail IS 'One line for people.';

ALTER TABLE long_task.worker_event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME long_task.worker_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE long_task.worker_standby (
    worker_id integer NOT NULL,
    process text NOT NULL,
    group_id integer NOT NULL,
    slots integer NOT NULL,
    node_name text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    since timestamp with time zone NOT NULL,
    seen timestamp with time zone NOT NULL,
    seen_until timestamp with time zone NOT NULL
);

COMMENT ON TABLE long_task.worker_standby IS 'Nodes that wait for a worker which another node holds. Written by the nodes'' procedures only.';

COMMENT ON COLUMN long_task.worker_standby.worker_id IS 'The worker they wait for.';

COMMENT ON COLUMN long_task.worker_standby.process IS 'Boot id, host, account, pid namespace, pid and start of the node.';

COMMENT ON COLUMN long_task.worker_standby.group_id IS 'Group it would serve.';

COMMENT ON COLUMN long_task.worker_standby.slots IS 'Largest number of processes at once that it would run.';

COMMENT ON COLUMN long_task.worker_standby.node_name IS 'Name of the node.';

COMMENT ON COLUMN long_task.worker_standby.host IS 'Host name of the node.';

COMMENT ON COLUMN long_task.worker_standby.pid IS 'Process id of the node.';

COMMENT ON COLUMN long_task.worker_standby.version IS 'Release of pg_tasks on the node.';

COMMENT ON COLUMN long_task.worker_standby.since IS 'When it began to wait.';

COMMENT ON COLUMN long_task.worker_standby.seen IS 'When it last asked for the worker.';

COMMENT ON COLUMN long_task.worker_standby.seen_until IS 'A node that has not asked again by then is gone.';

CREATE VIEW long_task.worker_status AS
 SELECT w.worker_id AS id,
    w.group_id,
        CASE
            WHEN (NOT w.active) THEN 'left'::text
            WHEN (w.locked_until <= c.now) THEN 'failed'::text
            WHEN ((w.locked_until - c.now) < (w.lease_duration * (0.4)::double precision)) THEN 'failing'::text
            WHEN (w.stop = ANY (ARRAY[2, 3])) THEN 'draining'::text
            WHEN (w.stop = 1) THEN 'held'::text
            ELSE 'live'::text
        END AS status,
    w.stop,
    w.slots,
    r.running,
    e.ended AS ended_last_minute,
    e.failed AS failed_last_minute,
        CASE
            WHEN w.active THEN (c.now - (w.locked_until - w.lease_duration))
            ELSE NULL::interval
        END AS lease_age,
        CASE
            WHEN w.active THEN (w.locked_until - c.now)
            ELSE NULL::interval
        END AS lease_left,
    w.node_name,
    w.host,
    w.pid,
    w.version,
    (c.now - w.since) AS age
   FROM (((( SELECT COALESCE(l.worker_id, s.worker_id) AS worker_id,
            l.group_id,
            COALESCE(l.active, false) AS active,
            l.locked_until,
            l.lease_duration,
            COALESCE(s.stop, (0)::smallint) AS stop,
            l.slots,
            l.node_name,
            l.host,
            l.pid,
            l.version,
            l.since
           FROM (long_task.worker_lease l
             FULL JOIN long_task.worker_stop s ON ((s.worker_id = l.worker_id)))) w
     CROSS JOIN ( SELECT long_task.clock() AS now
         OFFSET 0) c)
     CROSS JOIN LATERAL ( SELECT count(*) AS running
           FROM long_task.task t
          WHERE (t.running_on = w.worker_id)) r)
     LEFT JOIN ( SELECT h.worker_id,
            count(*) AS ended,
            count(*) FILTER (WHERE (h.state_id = 'CF'::text)) AS failed
           FROM long_task.task_run h
          WHERE ((h.finished > (long_task.clock() - '00:01:00'::interval)) AND (h.part >= ( SELECT min(p.part) AS min
                   FROM long_task.task_run_part p
                  WHERE COALESCE((p.ended > (long_task.clock() - '00:01:00'::interval)), true))))
          GROUP BY h.worker_id) e ON ((e.worker_id = w.worker_id)))
UNION ALL
 SELECT b.worker_id AS id,
    b.group_id,
    'standby'::text AS status,
    COALESCE(s.stop, (0)::smallint) AS stop,
    b.slots,
    0 AS running,
    NULL::bigint AS ended_last_minute,
    NULL::bigint AS failed_last_minute,
    NULL::interval AS lease_age,
    NULL::interval AS lease_left,
    b.node_name,
    b.host,
    b.pid,
    b.version,
    (long_task.clock() - b.since) AS age
   FROM (long_task.worker_standby b
     LEFT JOIN long_task.worker_stop s ON ((s.worker_id = b.worker_id)))
  WHERE (b.seen_until > long_task.clock())
  ORDER BY 1, 15 DESC;

COMMENT ON VIEW long_task.worker_status IS 'Workers: live, held (stop = 1), draining (stop = 2 or 3), failing (late with its renewal), failed (its lease ran out) or left; and the nodes that stand by.';

COMMENT ON COLUMN long_task.worker_status.id IS 'The worker.';

COMMENT ON COLUMN long_task.worker_status.group_id IS 'Group whose tasks it runs.';

COMMENT ON COLUMN long_task.worker_status.status IS 'live, held, draining, failing, failed or left; standby: this row is a node that waits for the worker.';

COMMENT ON COLUMN long_task.worker_status.stop IS 'Its stop code.';

COMMENT ON COLUMN long_task.worker_status.slots IS 'Largest number of processes at once.';

COMMENT ON COLUMN long_task.worker_status.running IS 'Tasks that have a process now.';

COMMENT ON COLUMN long_task.worker_status.ended_last_minute IS 'Attempts that ended in the last minute; null: none.';

COMMENT ON COLUMN long_task.worker_status.failed_last_minute IS 'Those of them that ended badly.';

COMMENT ON COLUMN long_task.worker_status.lease_age IS 'Since the lease was taken or renewed; null: nobody holds it.';

COMMENT ON COLUMN long_task.worker_status.lease_left IS 'Until its lease ends if its node does not renew it; null: nobody holds it.';

COMMENT ON COLUMN long_task.worker_status.node_name IS 'The node that holds it, held it last, or waits for it.';

COMMENT ON COLUMN long_task.worker_status.host IS 'The machine of that node.';

COMMENT ON COLUMN long_task.worker_status.pid IS 'The process of that node.';

COMMENT ON COLUMN long_task.worker_status.version IS 'Release of pg_tasks on that node.';

COMMENT ON COLUMN long_task.worker_status.age IS 'How long that node has held it, or waited.';

CREATE TABLE long_task.workflow (
    name text NOT NULL,
    version integer NOT NULL,
    description text,
    enabled boolean DEFAULT true NOT NULL,
    one_at_a_time boolean DEFAULT false NOT NULL,
    max_running integer,
    owner text DEFAULT SESSION_USER NOT NULL,
    created timestamp with time zone DEFAULT long_task.clock() NOT NULL,
    CONSTRAINT workflow_has_a_name CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 500))),
    CONSTRAINT workflow_limit_is_a_number CHECK ((max_running >= 0))
);

COMMENT ON TABLE long_task.workflow IS 'A graph of steps that start_workflow copies into tasks. The latest enabled version is started.';

COMMENT ON COLUMN long_task.workflow.name IS 'Its name, the same for all versions.';

COMMENT ON COLUMN long_task.workflow.version IS 'From 1. One that has been started is not changed any more: new_workflow_version copies it.';

COMMENT ON COLUMN long_task.workflow.description IS 'For people.';

COMMENT ON COLUMN long_task.workflow.enabled IS 'False: this version is not started unless it is asked for by number.';

COMMENT ON COLUMN long_task.workflow.one_at_a_time IS 'Whether a run waits for the end of the run before it.';

COMMENT ON COLUMN long_task.workflow.max_running IS 'At most so many tasks of all runs of the workflow run at once; null: no limit.';

COMMENT ON COLUMN long_task.workflow.owner IS 'Database user that inserted the row.';

COMMENT ON COLUMN long_task.workflow.created IS 'When the row was inserted.';

CREATE TABLE long_task.workflow_edge (
    workflow text NOT NULL,
    version integer NOT NULL,
    step text NOT NULL,
    needs_step text NOT NULL,
    "on" text DEFAULT 'success'::text NOT NULL,
    condition jsonpath,
    enabled boolean DEFAULT true NOT NULL,
    pass text,
    each boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE long_task.workflow_edge IS 'A step that needs another. The columns are those of task_dependency.';

COMMENT ON COLUMN long_task.workflow_edge.workflow IS 'The workflow.';

COMMENT ON COLUMN long_task.workflow_edge.version IS 'Its version; left out of an INSERT: the latest.';

COMMENT ON COLUMN long_task.workflow_edge.step IS 'The step that waits.';

COMMENT ON COLUMN long_task.workflow_edge.needs_step IS 'The step that it waits for: all of its tasks, if it is fanned out.';

COMMENT ON COLUMN long_task.workflow_edge."on" IS 'As in task_dependency: success, failure, cancel, end.';

COMMENT ON COLUMN long_task.workflow_edge.condition IS 'As in task_dependency.';

COMMENT ON COLUMN long_task.workflow_edge.enabled IS 'As in task_dependency.';

COMMENT ON COLUMN long_task.workflow_edge.pass IS 'As in task_dependency; the results of a step that is fanned out are an array.';

COMMENT ON COLUMN long_task.workflow_edge.each IS 'Both steps are fanned out, and each item waits for the same item only.';

ALTER TABLE long_task.workflow_run ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME long_task.workflow_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW long_task.workflow_status AS
 SELECT r.id AS run_id,
    r.workflow,
    r.version,
        CASE
            WHEN (r.error IS NOT NULL) THEN 'failed'::text
            WHEN ((r.cancelled IS NOT NULL) AND (c.active = 0)) THEN 'cancelled'::text
            WHEN (r.started IS NULL) THEN 'waiting'::text
            WHEN (c.active > 0) THEN 'running'::text
            WHEN (c.failed > 0) THEN 'failed'::text
            WHEN (c.cancelled_alone > 0) THEN 'cancelled'::text
            ELSE 'completed'::text
        END AS status,
    c.tasks,
    c.waiting,
    c.running,
    c.completed,
    c.failed,
    c.cancelled,
    r.created,
    r.started,
        CASE
            WHEN (c.active = 0) THEN c.finished
            ELSE NULL::timestamp with time zone
        END AS finished,
    r.started_by,
    r.scheduled_for,
    r.params,
    r.error
   FROM (long_task.workflow_run r
     CROSS JOIN LATERAL ( SELECT count(*) AS tasks,
            count(*) FILTER (WHERE ((t.state_id = ANY (ARRAY['AW'::text, 'AD'::text, 'AB'::text, 'AE'::text, 'AS'::text, 'AC'::text])) OR (t.running_on IS NOT NULL))) AS active,
            count(*) FILTER (WHERE (t.state_id = ANY (ARRAY['DR'::text, 'AW'::text, 'AD'::text, 'AB'::text]))) AS waiting,
            count(*) FILTER (WHERE (t.state_id = ANY (ARRAY['AE'::text, 'AS'::text, 'AC'::text]))) AS running,
            count(*) FILTER (WHERE (t.state_id = 'CS'::text)) AS completed,
            count(*) FILTER (WHERE (t.state_id = 'CF'::text)) AS failed,
            count(*) FILTER (WHERE (t.state_id = 'CC'::text)) AS cancelled,
            count(*) FILTER (WHERE ((t.state_id = 'CC'::text) AND (NOT (EXISTS ( SELECT
                   FROM long_task.task_dependency d
                  WHERE ((d.task_id = t.id) AND (d.met IS NOT NULL) AND d.enabled AND (NOT d.met))))))) AS cancelled_alone,
            max(t.finished) AS finished
           FROM long_task.task t
          WHERE (t.run_id = r.id)) c);

COMMENT ON VIEW long_task.workflow_status IS 'Runs of workflows: waiting (for the run before), running, completed, failed, cancelled.';

COMMENT ON COLUMN long_task.workflow_status.run_id IS 'The run.';

COMMENT ON COLUMN long_task.workflow_status.workflow IS 'What was started.';

COMMENT ON COLUMN long_task.workflow_status.version IS 'Its version.';

COMMENT ON COLUMN long_task.workflow_status.status IS 'waiting, running, completed, failed (a step failed), cancelled (by a person).';

COMMENT ON COLUMN long_task.workflow_status.tasks IS 'How many tasks it has.';

COMMENT ON COLUMN long_task.workflow_status.waiting IS 'Those that have not been started.';

COMMENT ON COLUMN long_task.workflow_status.running IS 'Those that run.';

COMMENT ON COLUMN long_task.workflow_status.completed IS 'Those that completed, or were skipped.';

COMMENT ON COLUMN long_task.workflow_status.failed IS 'Those that failed.';

COMMENT ON COLUMN long_task.workflow_status.cancelled IS 'Those that were cancelled, by a person or because of what they need.';

COMMENT ON COLUMN long_task.workflow_status.created IS 'When it was asked for.';

COMMENT ON COLUMN long_task.workflow_status.started IS 'When its tasks were made.';

COMMENT ON COLUMN long_task.workflow_status.finished IS 'When its last task ended; null: it has not.';

COMMENT ON COLUMN long_task.workflow_status.started_by IS 'person or schedule.';

COMMENT ON COLUMN long_task.workflow_status.scheduled_for IS 'Time of the schedule for which it was started.';

COMMENT ON COLUMN long_task.workflow_status.params IS 'What it was given.';

COMMENT ON COLUMN long_task.workflow_status.error IS 'Why it could not be begun.';

CREATE TABLE long_task.workflow_step (
    workflow text NOT NULL,
    version integer NOT NULL,
    name text NOT NULL,
    command text[] NOT NULL,
    params jsonb,
    env jsonb,
    stdin text,
    cwd text,
    group_id integer DEFAULT 0 NOT NULL,
    worker_id integer,
    priority integer DEFAULT 0 NOT NULL,
    timeout interval,
    kill_grace interval,
    max_attempts integer DEFAULT 1 NOT NULL,
    retry_delay interval DEFAULT '00:00:10'::interval NOT NULL,
    concurrency_key text,
    needs text,
    unmet text,
    fan_out jsonpath,
    CONSTRAINT workflow_step_has_a_name CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 500))),
    CONSTRAINT workflow_step_params_are_an_object CHECK ((jsonb_typeof(params) = 'object'::text))
);

COMMENT ON TABLE long_task.workflow_step IS 'A step: one task of each run, or one for each item if it is fanned out. The columns are those of task.';

COMMENT ON COLUMN long_task.workflow_step.workflow IS 'The workflow.';

COMMENT ON COLUMN long_task.workflow_step.version IS 'Its version; left out of an INSERT: the latest.';

COMMENT ON COLUMN long_task.workflow_step.name IS 'Name of the step, and of its tasks.';

COMMENT ON COLUMN long_task.workflow_step.command IS 'Program and arguments. %PARAM:name% becomes a parameter of the run, %PARAM:item% the item, %RESULT:step.path% a result.';

COMMENT ON COLUMN long_task.workflow_step.params IS 'An object; what the run is given is added to it, and comes before it.';

COMMENT ON COLUMN long_task.workflow_step.env IS 'As in task.';

COMMENT ON COLUMN long_task.workflow_step.stdin IS 'As in task.';

COMMENT ON COLUMN long_task.workflow_step.cwd IS 'As in task.';

COMMENT ON COLUMN long_task.workflow_step.group_id IS 'As in task.';

COMMENT ON COLUMN long_task.workflow_step.worker_id IS 'As in task.';

COMMENT ON COLUMN long_task.workflow_step.priority IS 'As in task.';

COMMENT ON COLUMN long_task.workflow_step.timeout IS 'As in task.';

COMMENT ON COLUMN long_task.workflow_step.kill_grace IS 'As in task.';

COMMENT ON COLUMN long_task.workflow_step.max_attempts IS 'As in task.';

COMMENT ON COLUMN long_task.workflow_step.retry_delay IS 'As in task.';

COMMENT ON COLUMN long_task.workflow_step.concurrency_key IS 'As in task; excluded by max_running of the workflow.';

COMMENT ON COLUMN long_task.workflow_step.needs IS 'As in task: all (null), any.';

COMMENT ON COLUMN long_task.workflow_step.unmet IS 'As in task: cancel (null), start, wait.';

COMMENT ON COLUMN long_task.workflow_step.fan_out IS 'Path to an array in the parameters of the run: the step is one task for each of its items.';

CREATE VIEW long_task.workflow_step_status AS
 SELECT t.run_id,
    r.workflow,
    t.step,
    t.item,
    t.id AS task_id,
    t.state_id,
    t.priority,
    t.attempt,
    t.started,
    t.finished,
        CASE
            WHEN (t.state_id = ANY (ARRAY['AE'::text, 'AS'::text, 'AC'::text])) THEN (long_task.clock() - t.started)
            ELSE (t.finished - t.started)
        END AS duration,
    w.waits_for,
    t.error
   FROM ((long_task.task t
     JOIN long_task.workflow_run r ON ((r.id = t.run_id)))
     LEFT JOIN LATERAL ( SELECT array_agg(DISTINCT COALESCE(p.name, (p.id)::text) ORDER BY COALESCE(p.name, (p.id)::text)) AS waits_for
           FROM (long_task.task_dependency d
             JOIN long_task.task p ON ((p.id = d.needs_task_id)))
          WHERE ((t.state_id = 'AB'::text) AND (d.task_id = t.id) AND (d.met IS NULL) AND d.enabled)) w ON (true))
  WHERE (t.run_id IS NOT NULL)
  ORDER BY t.run_id, t.id;

COMMENT ON VIEW long_task.workflow_step_status IS 'Tasks of runs of workflows, each after those that it needs.';

COMMENT ON COLUMN long_task.workflow_step_status.run_id IS 'The run.';

COMMENT ON COLUMN long_task.workflow_step_status.workflow IS 'The workflow.';

COMMENT ON COLUMN long_task.workflow_step_status.step IS 'The step.';

COMMENT ON COLUMN long_task.workflow_step_status.item IS 'Place of the item, from 0; null: the step is not fanned out.';

COMMENT ON COLUMN long_task.workflow_step_status.task_id IS 'The task.';

COMMENT ON COLUMN long_task.workflow_step_status.state_id IS 'Its state.';

COMMENT ON COLUMN long_task.workflow_step_status.priority IS 'Smaller is sooner.';

COMMENT ON COLUMN long_task.workflow_step_status.attempt IS 'Number of its latest attempt.';

COMMENT ON COLUMN long_task.workflow_step_status.started IS 'When that was started.';

COMMENT ON COLUMN long_task.workflow_step_status.finished IS 'When it ended.';

COMMENT ON COLUMN long_task.workflow_step_status.duration IS 'How long it has run.';

COMMENT ON COLUMN long_task.workflow_step_status.waits_for IS 'Names of the tasks it waits for, each once.';

COMMENT ON COLUMN long_task.workflow_step_status.error IS 'Why it ended badly, or was not started.';

ALTER TABLE ONLY long_task.task_run ATTACH PARTITION long_task.task_run_0 FOR VALUES FROM (0) TO (1);

ALTER TABLE ONLY long_task.concurrency_limit
    ADD CONSTRAINT concurrency_limit_pkey PRIMARY KEY (concurrency_key);

ALTER TABLE ONLY long_task.deleted_attempt
    ADD CONSTRAINT deleted_attempt_pkey PRIMARY KEY (worker_id, task_id);

ALTER TABLE ONLY long_task.group_limit
    ADD CONSTRAINT group_limit_pkey PRIMARY KEY (group_id);

ALTER TABLE ONLY long_task.history_retention
    ADD CONSTRAINT history_retention_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY long_task.maintenance
    ADD CONSTRAINT maintenance_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY long_task.retention
    ADD CONSTRAINT retention_group UNIQUE NULLS NOT DISTINCT (group_id);

ALTER TABLE ONLY long_task.run_kept
    ADD CONSTRAINT run_kept_pkey PRIMARY KEY (run_id);

ALTER TABLE ONLY long_task.task_archive
    ADD CONSTRAINT task_archive_pkey PRIMARY KEY (task_id);

ALTER TABLE ONLY long_task.task_dependency
    ADD CONSTRAINT task_dependency_pkey PRIMARY KEY (task_id, needs_task_id);

ALTER TABLE ONLY long_task.task
    ADD CONSTRAINT task_pkey PRIMARY KEY (id);

ALTER TABLE ONLY long_task.task_run_0
    ADD CONSTRAINT task_run_0_pkey PRIMARY KEY (task_id, attempt);

ALTER TABLE ONLY long_task.task_run_part
    ADD CONSTRAINT task_run_part_pkey PRIMARY KEY (part);

ALTER TABLE ONLY long_task.task_state
    ADD CONSTRAINT task_state_pkey PRIMARY KEY (id);

ALTER TABLE ONLY long_task.unsettled_key
    ADD CONSTRAINT unsettled_key_pkey PRIMARY KEY (id);

ALTER TABLE ONLY long_task.unsettled_task
    ADD CONSTRAINT unsettled_task_pkey PRIMARY KEY (id);

ALTER TABLE ONLY long_task.unsettled_workflow
    ADD CONSTRAINT unsettled_workflow_pkey PRIMARY KEY (id);

ALTER TABLE ONLY long_task.worker_event
    ADD CONSTRAINT worker_event_pkey PRIMARY KEY (id);

ALTER TABLE ONLY long_task.worker_lease
    ADD CONSTRAINT worker_lease_pkey PRIMARY KEY (worker_id);

ALTER TABLE ONLY long_task.worker_standby
    ADD CONSTRAINT worker_standby_pkey PRIMARY KEY (worker_id, process);

ALTER TABLE ONLY long_task.worker_stop
    ADD CONSTRAINT worker_stop_pkey PRIMARY KEY (worker_id);

ALTER TABLE ONLY long_task.workflow_edge
    ADD CONSTRAINT workflow_edge_pkey PRIMARY KEY (workflow, version, step, needs_step);

ALTER TABLE ONLY long_task.workflow
    ADD CONSTRAINT workflow_pkey PRIMARY KEY (name, version);

ALTER TABLE ONLY long_task.workflow_run
    ADD CONSTRAINT workflow_run_pkey PRIMARY KEY (id);

ALTER TABLE ONLY long_task.workflow_step
    ADD CONSTRAINT workflow_step_pkey PRIMARY KEY (workflow, version, name);

CREATE INDEX deleted_attempt_task ON long_task.deleted_attempt USING btree (task_id);

CREATE INDEX task_active_clones ON long_task.task USING btree (shed_parent_id) WHERE ((shed_parent_id IS NOT NULL) AND (state_id = ANY (ARRAY['AW'::text, 'AD'::text, 'AB'::text, 'AE'::text, 'AS'::text, 'AC'::text])));

CREATE INDEX task_active_in_run ON long_task.task USING btree (run_id) WHERE ((run_id IS NOT NULL) AND ((state_id = ANY (ARRAY['AW'::text, 'AD'::text, 'AB'::text, 'AE'::text, 'AS'::text, 'AC'::text])) OR (running_on IS NOT NULL)));

CREATE INDEX task_attention ON long_task.task USING btree (running_on, id) WHERE ((running_on IS NOT NULL) AND (state_id <> 'AE'::text));

CREATE INDEX task_delayed ON long_task.task USING btree (group_id, start_after) WHERE ((state_id = 'AD'::text) AND (running_on IS NULL) AND (worker_id IS NULL));

CREATE INDEX task_delayed_pinned ON long_task.task USING btree (worker_id, start_after) WHERE ((state_id = 'AD'::text) AND (running_on IS NULL) AND (worker_id IS NOT NULL));

CREATE INDEX task_dependency_decided ON long_task.task_dependency USING btree (task_id, met) WHERE ((met IS NOT NULL) AND enabled);

CREATE INDEX task_dependency_needs ON long_task.task_dependency USING btree (needs_task_id);

CREATE INDEX task_dependency_open ON long_task.task_dependency USING btree (task_id, needs_task_id) WHERE ((met IS NULL) AND enabled);

CREATE INDEX task_dependency_upward ON long_task.task_dependency USING btree (needs_task_id) WHERE (task_id < needs_task_id);

CREATE INDEX task_failed ON long_task.task USING btree (finished) WHERE (state_id = 'CF'::text);

CREATE INDEX task_key_held ON long_task.task USING btree (concurrency_key) WHERE ((concurrency_key IS NOT NULL) AND (running_on IS NOT NULL));

CREATE INDEX task_key_wanted ON long_task.task USING btree (concurrency_key, group_id, priority, ready_seq) WHERE (wants_key AND (worker_id IS NULL));

CREATE INDEX task_key_wanted_pinned ON long_task.task USING btree (concurrency_key, worker_id, priority, ready_seq) WHERE (wants_key AND (worker_id IS NOT NULL));

CREATE INDEX task_of_run ON long_task.task USING btree (run_id, step, item) WHERE (run_id IS NOT NULL);

CREATE INDEX task_ready ON long_task.task USING btree (group_id, priority, ready_seq) WHERE ((state_id = 'AW'::text) AND (running_on IS NULL) AND (worker_id IS NULL));

CREATE INDEX task_ready_pinned ON long_task.task USING btree (worker_id, priority, ready_seq) WHERE ((state_id = 'AW'::text) AND (running_on IS NULL) AND (worker_id IS NOT NULL));

CREATE INDEX task_run_finished ON ONLY long_task.task_run USING brin (finished) WITH (pages_per_range='32', autosummarize='on');

CREATE INDEX task_run_0_finished ON long_task.task_run_0 USING brin (finished) WITH (pages_per_range='32', autosummarize='on');

CREATE INDEX task_running ON long_task.task USING btree (running_on) WHERE (running_on IS NOT NULL);

CREATE INDEX task_scheduled ON long_task.task USING btree (next_start) WHERE ((next_start IS NOT NULL) AND shed_enabled AND ((shed_waiting IS NULL) OR (state_id = ANY (ARRAY['CS'::text, 'CF'::text, 'CC'::text]))));

CREATE INDEX worker_lease_watch ON long_task.worker_lease USING btree (hashint4(worker_id)) WHERE active;

CREATE INDEX workflow_edge_needs ON long_task.workflow_edge USING btree (workflow, version, needs_step);

CREATE INDEX workflow_run_of_workflow ON long_task.workflow_run USING btree (workflow, version, id);

CREATE INDEX workflow_run_waiting ON long_task.workflow_run USING btree (workflow, id) WHERE ((started IS NULL) AND (cancelled IS NULL));

ALTER INDEX long_task.task_run_finished ATTACH PARTITION long_task.task_run_0_finished;

CREATE CONSTRAINT TRIGGER announce_changed_schedule AFTER UPDATE OF next_start, cron, time_zone, shed_period_id, shed_period_count, shed_clone, shed_enabled, missed, overlap, until ON long_task.task DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.next_start IS NOT NULL) AND new.shed_enabled AND (new.shed_waiting IS NULL) AND ((old.next_start IS NULL) OR (new.next_start < old.next_start) OR (NOT old.shed_enabled) OR (old.shed_waiting AND (NOT (new.scheduled_for IS DISTINCT FROM old.scheduled_for)))))) EXECUTE FUNCTION long_task.announce_schedule();

CREATE CONSTRAINT TRIGGER announce_schedule AFTER INSERT ON long_task.task DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.next_start IS NOT NULL) AND new.shed_enabled)) EXECUTE FUNCTION long_task.announce_schedule();

CREATE TRIGGER announce_tasks AFTER INSERT ON long_task.task REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION long_task.announce_tasks();

CREATE TRIGGER change_history_retention AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON long_task.history_retention FOR EACH STATEMENT EXECUTE FUNCTION long_task.change_retention();

CREATE TRIGGER change_retention AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON long_task.retention FOR EACH STATEMENT EXECUTE FUNCTION long_task.change_retention();

CREATE TRIGGER change_worker INSTEAD OF INSERT OR DELETE OR UPDATE ON long_task.worker FOR EACH ROW EXECUTE FUNCTION long_task.change_worker();

CREATE TRIGGER check_changed_task BEFORE UPDATE OF timeout, kill_grace, retry_delay, max_attempts, progress, concurrency_key, attempt, base_attempt, pinned, queued_by, ready_seq, created, shed_anchor, shed_waiting, shed_error, cron_fields, scheduled_for, run_queued_by, run_scheduled_for, wants_key ON long_task.task FOR EACH ROW WHEN (((NOT (new.running_on IS DISTINCT FROM old.running_on)) AND (new.queued_by <> 'system'::text))) EXECUTE FUNCTION long_task.check_task();

CREATE TRIGGER check_changed_task_input BEFORE UPDATE OF state_id, command, params, env, stdin, cwd, shed_clone, next_start, cron ON long_task.task FOR EACH ROW WHEN (((NOT (new.running_on IS DISTINCT FROM old.running_on)) AND (new.queued_by <> 'system'::text))) EXECUTE FUNCTION long_task.check_task_input();

CREATE TRIGGER check_changed_task_policy BEFORE UPDATE OF missed, missed_after, overlap, jitter, shed_clone, needs, unmet ON long_task.task FOR EACH ROW WHEN (((NOT (new.running_on IS DISTINCT FROM old.running_on)) AND (new.queued_by <> 'system'::text))) EXECUTE FUNCTION long_task.check_task_policy();

CREATE TRIGGER check_changed_task_schedule BEFORE UPDATE OF next_start, shed_period_id, shed_period_count, time_zone, cron ON long_task.task FOR EACH ROW WHEN (((NOT (new.running_on IS DISTINCT FROM old.running_on)) AND (new.queued_by <> 'system'::text))) EXECUTE FUNCTION long_task.check_task_schedule();

CREATE TRIGGER check_changed_task_workflow BEFORE UPDATE OF workflow, state_id, shed_clone, jitter ON long_task.task FOR EACH ROW WHEN ((new.workflow IS NOT NULL)) EXECUTE FUNCTION long_task.check_task_workflow();

CREATE TRIGGER check_dependency BEFORE INSERT OR UPDATE OF task_id, needs_task_id, "on", condition, pass ON long_task.task_dependency FOR EACH ROW EXECUTE FUNCTION long_task.check_dependency();

CREATE TRIGGER check_task BEFORE INSERT ON long_task.task FOR EACH ROW WHEN (((new.timeout IS NOT NULL) OR (new.kill_grace IS NOT NULL) OR ((new.retry_delay)::text <> '00:00:10'::text) OR (new.max_attempts <> 1) OR (new.progress IS NOT NULL) OR (new.concurrency_key IS NOT NULL))) EXECUTE FUNCTION long_task.check_task();

CREATE TRIGGER check_task_input BEFORE INSERT ON long_task.task FOR EACH ROW WHEN (((new.env IS NOT NULL) OR (new.params IS NOT NULL) OR (new.stdin IS NOT NULL) OR (new.cwd IS NOT NULL) OR (pg_column_size(new.command) > 1000) OR ((new.command[1] <> ''::text) IS NOT TRUE) OR (array_lower(new.command, 1) <> 1) OR (array_position(new.command, NULL::text) IS NOT NULL))) EXECUTE FUNCTION long_task.check_task_input();

CREATE TRIGGER check_task_policy BEFORE INSERT ON long_task.task FOR EACH ROW WHEN (((new.missed IS NOT NULL) OR (new.missed_after IS NOT NULL) OR (new.overlap IS NOT NULL) OR (new.jitter IS NOT NULL) OR (new.needs IS NOT NULL) OR (new.unmet IS NOT NULL))) EXECUTE FUNCTION long_task.check_task_policy();

CREATE TRIGGER check_task_schedule BEFORE INSERT ON long_task.task FOR EACH ROW WHEN (((new.next_start IS NOT NULL) OR (new.shed_period_id IS NOT NULL) OR (new.shed_period_count IS NOT NULL) OR (new.time_zone IS NOT NULL) OR (new.cron IS NOT NULL))) EXECUTE FUNCTION long_task.check_task_schedule();

CREATE TRIGGER check_task_workflow BEFORE INSERT ON long_task.task FOR EACH ROW WHEN ((new.workflow IS NOT NULL)) EXECUTE FUNCTION long_task.check_task_workflow();

CREATE TRIGGER check_workflow_cycle AFTER INSERT OR UPDATE ON long_task.workflow_edge FOR EACH ROW EXECUTE FUNCTION long_task.check_workflow_edge();

CREATE TRIGGER check_workflow_edge BEFORE INSERT OR UPDATE ON long_task.workflow_edge FOR EACH ROW EXECUTE FUNCTION long_task.check_workflow_edge();

CREATE TRIGGER check_workflow_part BEFORE INSERT OR DELETE OR UPDATE ON long_task.workflow_edge FOR EACH ROW EXECUTE FUNCTION long_task.check_workflow_part();

CREATE TRIGGER check_workflow_part BEFORE INSERT OR DELETE OR UPDATE ON long_task.workflow_step FOR EACH ROW EXECUTE FUNCTION long_task.check_workflow_part();

CREATE TRIGGER check_workflow_step BEFORE INSERT OR UPDATE ON long_task.workflow_step FOR EACH ROW EXECUTE FUNCTION long_task.check_workflow_step();

CREATE TRIGGER enter_task BEFORE INSERT ON long_task.task FOR EACH ROW WHEN (((new.state_id <> ALL (ARRAY['DR'::text, 'AW'::text])) OR (new.start_after IS NOT NULL) OR (new.running_on IS NOT NULL) OR (new.attempt <> 0) OR (new.base_attempt <> 0))) EXECUTE FUNCTION long_task.enter_task();

CREATE TRIGGER find_first_start BEFORE INSERT ON long_task.task FOR EACH ROW WHEN (((new.next_start IS NOT NULL) OR (new.cron IS NOT NULL))) EXECUTE FUNCTION long_task.find_next_start();

CREATE TRIGGER find_next_start BEFORE UPDATE OF next_start, cron, time_zone, shed_period_id, shed_period_count, shed_clone, shed_enabled, missed, missed_after, overlap, until ON long_task.task FOR EACH ROW WHEN (((NOT (new.running_on IS DISTINCT FROM old.running_on)) AND (new.queued_by <> 'system'::text))) EXECUTE FUNCTION long_task.find_next_start();

CREATE TRIGGER keep_deleted_attempt AFTER DELETE ON long_task.task FOR EACH ROW WHEN ((old.running_on IS NOT NULL)) EXECUTE FUNCTION long_task.keep_deleted_attempt();

CREATE TRIGGER keep_ids_unique AFTER TRUNCATE ON long_task.task FOR EACH STATEMENT EXECUTE FUNCTION long_task.keep_ids_unique();

CREATE TRIGGER keep_truncated_attempts BEFORE TRUNCATE ON long_task.task FOR EACH STATEMENT EXECUTE FUNCTION long_task.keep_deleted_attempt();

CREATE TRIGGER link_tasks AFTER INSERT ON long_task.task_dependency REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION long_task.link_tasks();

CREATE TRIGGER move_task BEFORE UPDATE ON long_task.task FOR EACH ROW WHEN (((NOT (new.running_on IS DISTINCT FROM old.running_on)) AND ((new.id <> old.id) OR (new.state_id <> old.state_id) OR (new.queued_by <> old.queued_by) OR (new.start_after IS DISTINCT FROM old.start_after) OR (new.group_id <> old.group_id) OR (new.worker_id IS DISTINCT FROM old.worker_id) OR (new.concurrency_key IS DISTINCT FROM old.concurrency_key)))) EXECUTE FUNCTION long_task.move_task();

CREATE TRIGGER number_workflow BEFORE INSERT ON long_task.workflow FOR EACH ROW WHEN ((new.version IS NULL)) EXECUTE FUNCTION long_task.number_workflow();

CREATE TRIGGER relink_task AFTER UPDATE OF "on", condition, enabled ON long_task.task_dependency FOR EACH ROW EXECUTE FUNCTION long_task.relink_task();

CREATE TRIGGER settle_changed_task AFTER UPDATE ON long_task.task FOR EACH ROW WHEN ((new.has_dependents AND (NOT (new.running_on IS DISTINCT FROM old.running_on)) AND (new.state_id <> old.state_id) AND ((new.state_id = ANY (ARRAY['CS'::text, 'CF'::text, 'CC'::text])) OR (old.state_id = ANY (ARRAY['CS'::text, 'CF'::text, 'CC'::text]))) AND ((new.queued_by <> 'dependency'::text) OR (old.queued_by = 'dependency'::text)))) EXECUTE FUNCTION long_task.settle_changed_task();

CREATE TRIGGER settle_deleted_task AFTER DELETE ON long_task.task FOR EACH ROW WHEN ((old.has_needs OR old.has_dependents)) EXECUTE FUNCTION long_task.settle_changed_task();

CREATE TRIGGER settle_entering_task AFTER UPDATE ON long_task.task FOR EACH ROW WHEN ((new.has_needs AND (new.state_id = 'AB'::text) AND (NOT new.wants_key) AND (old.state_id = ANY (ARRAY['DR'::text, 'CS'::text, 'CF'::text, 'CC'::text])))) EXECUTE FUNCTION long_task.settle_entering_task();

CREATE TRIGGER settle_task_of_other_needs AFTER UPDATE OF needs, unmet ON long_task.task FOR EACH ROW WHEN (new.has_needs) EXECUTE FUNCTION long_task.settle_changed_task();

CREATE TRIGGER settle_task_of_other_result AFTER UPDATE OF result ON long_task.task FOR EACH ROW WHEN ((new.has_dependents AND (new.running_on IS NULL) AND (old.running_on IS NULL) AND (new.state_id = old.state_id) AND (new.state_id = ANY (ARRAY['CS'::text, 'CF'::text, 'CC'::text])) AND (new.result IS DISTINCT FROM old.result))) EXECUTE FUNCTION long_task.settle_changed_task();

CREATE TRIGGER settle_truncated_tasks BEFORE TRUNCATE ON long_task.task FOR EACH STATEMENT EXECUTE FUNCTION long_task.settle_changed_task();

CREATE TRIGGER tell_group AFTER INSERT OR DELETE OR UPDATE ON long_task.group_limit FOR EACH ROW EXECUTE FUNCTION long_task.tell_group();

CREATE TRIGGER tell_key AFTER INSERT OR DELETE OR UPDATE ON long_task.concurrency_limit FOR EACH ROW EXECUTE FUNCTION long_task.tell_key();

CREATE TRIGGER tell_key AFTER UPDATE ON long_task.task FOR EACH ROW WHEN (((old.concurrency_key IS NOT NULL) AND (old.state_id = 'AW'::text) AND (old.running_on IS NULL) AND (new.running_on IS NULL) AND (NOT new.wants_key) AND ((new.state_id <> 'AW'::text) OR (new.concurrency_key IS DISTINCT FROM old.concurrency_key) OR (new.group_id <> old.group_id) OR (new.worker_id IS DISTINCT FROM old.worker_id)))) EXECUTE FUNCTION long_task.tell_key();

CREATE TRIGGER tell_key_of_deleted_task AFTER DELETE ON long_task.task FOR EACH ROW WHEN (((old.concurrency_key IS NOT NULL) AND (old.state_id = 'AW'::text) AND (old.running_on IS NULL))) EXECUTE FUNCTION long_task.tell_key();

CREATE TRIGGER tell_workflow AFTER UPDATE ON long_task.task FOR EACH ROW WHEN (((new.run_id IS NOT NULL) AND (new.state_id = ANY (ARRAY['CS'::text, 'CF'::text, 'CC'::text])) AND (new.running_on IS NULL) AND ((old.running_on IS NOT NULL) OR (old.state_id <> ALL (ARRAY['CS'::text, 'CF'::text, 'CC'::text]))))) EXECUTE FUNCTION long_task.tell_workflow();

CREATE TRIGGER tell_workflow_of_deleted_task AFTER DELETE ON long_task.task FOR EACH ROW WHEN (((old.run_id IS NOT NULL) AND ((old.state_id <> ALL (ARRAY['CS'::text, 'CF'::text, 'CC'::text])) OR (old.running_on IS NOT NULL)))) EXECUTE FUNCTION long_task.tell_workflow();

CREATE TRIGGER unlink_task AFTER DELETE ON long_task.task_dependency FOR EACH ROW EXECUTE FUNCTION long_task.relink_task();

ALTER TABLE ONLY long_task.workflow_edge
    ADD CONSTRAINT workflow_edge_of_needed_step FOREIGN KEY (workflow, version, needs_step) REFERENCES long_task.workflow_step(workflow, version, name) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY long_task.workflow_edge
    ADD CONSTRAINT workflow_edge_of_step FOREIGN KEY (workflow, version, step) REFERENCES long_task.workflow_step(workflow, version, name) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY long_task.workflow_run
    ADD CONSTRAINT workflow_run_of_workflow FOREIGN KEY (workflow, version) REFERENCES long_task.workflow(name, version) ON UPDATE CASCADE;

ALTER TABLE ONLY long_task.workflow_step
    ADD CONSTRAINT workflow_step_of_workflow FOREIGN KEY (workflow, version) REFERENCES long_task.workflow(name, version) ON UPDATE CASCADE ON DELETE CASCADE;

GRANT USAGE ON SCHEMA long_task TO long_task_reader;
GRANT USAGE ON SCHEMA long_task TO long_task_user;
GRANT USAGE ON SCHEMA long_task TO long_task_node;

REVOKE ALL ON FUNCTION long_task.add_run(p_workflow text, p_params jsonb, p_version integer, p_task_id bigint, p_scheduled_for timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.announce(p_group_id integer, p_worker_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.announce(p_group_id integer, p_worker_id integer) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.announce_ready(p_group_id integer, p_count bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.announce_ready(p_group_id integer, p_count bigint) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.announce_schedule() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.announce_tasks() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.assert_attempt(p_task_id bigint, p_attempt integer) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.assert_attempt(p_task_id bigint, p_attempt integer) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.assert_run(p_run_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.assert_run(p_run_id bigint) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.assert_run(p_run_id bigint) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.attend_attempts(p_worker_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.begin_next_run(p_workflow text, p_patience interval, p_again boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.begin_run(p_run_id bigint, p_patience interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.cancel_worker_tasks(p_worker_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.cancel_workflow(p_run_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.cancel_workflow(p_run_id bigint) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.catch_up(p_worker_id integer, p_group_id integer, OUT stop smallint, OUT wake_in double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.change_retention() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.change_worker() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.check_dependency() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.check_edge(p_on text, p_condition jsonpath, p_pass text) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.check_edge(p_on text, p_condition jsonpath, p_pass text) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.check_edge(p_on text, p_condition jsonpath, p_pass text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.check_task() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.check_task_input() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.check_task_policy() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.check_task_schedule() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.check_task_workflow() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.check_workflow_edge() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.check_workflow_part() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.check_workflow_step() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.claim_tasks(p_worker_id integer, p_group_id integer, p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.clear_run(p_run_id bigint, OUT gone integer, OUT done boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.clear_tasks(p_ids bigint[], p_each_by_itself boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.clock() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.clock() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.clock() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.counted(p_rows bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.counted(p_rows bigint) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.counted(p_rows bigint) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.cron_days(p_fields long_task.cron_fields, p_month date) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.cron_days(p_fields long_task.cron_fields, p_month date) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.cron_days(p_fields long_task.cron_fields, p_month date) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.cron_local_after(p_fields long_task.cron_fields, p_after timestamp without time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.cron_local_after(p_fields long_task.cron_fields, p_after timestamp without time zone) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.cron_local_after(p_fields long_task.cron_fields, p_after timestamp without time zone) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.cron_time_after(p_fields long_task.cron_fields, p_time_zone text, p_after timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.cron_time_after(p_fields long_task.cron_fields, p_time_zone text, p_after timestamp with time zone) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.cron_time_after(p_fields long_task.cron_fields, p_time_zone text, p_after timestamp with time zone) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.cycle_path(p_task_id bigint, p_needs_task_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.describe_end(p_reason text, p_error text, p_exit_code smallint, p_signal smallint, p_core_dumped boolean, p_timeout double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.doctor() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_blocked() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_blocked() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_blocked() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_indexes() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_indexes() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_indexes() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_notifications() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_notifications() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_notifications() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_overdue() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_overdue() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_overdue() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_processes() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_processes() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_processes() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_queues() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_queues() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_queues() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_retention() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_retention() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_retention() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_server() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_server() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_server() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_sessions() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_sessions() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_sessions() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_settings() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_settings() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_settings() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_snapshots() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_snapshots() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_snapshots() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_vacuum() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_vacuum() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_vacuum() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.doctor_workers() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.doctor_workers() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.doctor_workers() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.drop_history(OUT dropped boolean, OUT held boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.due_starts(p_schedule long_task.schedule, p_now timestamp with time zone, OUT queue_for timestamp with time zone, OUT copies timestamp with time zone[], OUT next_start timestamp with time zone, OUT waiting boolean) FROM PUBLIC;

GRANT SELECT ON TABLE long_task.worker_lease TO long_task_reader;
GRANT SELECT ON TABLE long_task.worker_lease TO long_task_user;

REVOKE ALL ON FUNCTION long_task.end_lease(p_lease long_task.worker_lease, p_reports json) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.enter_task() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.entries_read(p_queue text) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.fill_in(p_command text[], p_word text, p_values jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.find_next_start() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.finish_attempts(p_worker_id integer, p_reports json) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.finish_deleted_attempts(p_worker_id integer, p_node_name text, p_reports json, p_part integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.fire_schedules(p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.fire_tasks(p_ids bigint[], p_now timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.first_at_post(p_group_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.first_at_post(p_group_id integer) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.free_keys(p_keys text[], p_again boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.front_base() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.front_place() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.group_room(p_group_id integer, p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.has_active_run(p_workflow text, p_but bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.heeded_call() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.history_label(p_table name) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.history_label(p_table name) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.history_label(p_table name) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.history_rows(p_part integer) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.history_rows(p_part integer) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.history_rows(p_part integer) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.hold_lease(p_worker_id integer, p_epoch bigint, p_connection integer, p_lease_seconds double precision, p_running integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.insert_clones(p_ids bigint[], p_starts timestamp with time zone[], p_queued_by text) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.is_met(p_on text, p_condition jsonpath, p_state_id text, p_running_on integer, p_result jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.is_met(p_on text, p_condition jsonpath, p_state_id text, p_running_on integer, p_result jsonb) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.is_met(p_on text, p_condition jsonpath, p_state_id text, p_running_on integer, p_result jsonb) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.is_needed(p_task_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.is_time_zone(p_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.is_time_zone(p_name text) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.is_time_zone(p_name text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.is_told_of_room(p_worker_id integer, p_group_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.items_of_step(p_fan_out jsonpath, p_params jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.keep_deleted_attempt() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.keep_ids_unique() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.keep_queue_gaps(p_queue text, p_key integer, p_gaps long_task.queue_gaps) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.key_room(p_key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.known_spans(p_queue text, p_key integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.latest_start(p_schedule long_task.schedule, p_start timestamp with time zone, p_end timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.lease_over_at(p_lease long_task.worker_lease) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.lease_over_at(p_lease long_task.worker_lease) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.lease_over_at(p_lease long_task.worker_lease) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.lease_state(p_lease long_task.worker_lease) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.leave_key(p_key text, p_held boolean, p_again boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.leave_post(p_group_id integer, p_own integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.leave_unsettled(p_ids bigint[], p_held boolean, p_refresh boolean, p_again boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.leave_worker(p_worker_id integer, p_epoch bigint, p_connection integer) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.leave_worker(p_worker_id integer, p_epoch bigint, p_connection integer) TO long_task_node;

REVOKE ALL ON FUNCTION long_task.leave_workflow(p_workflow text, p_held boolean, p_again boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.light_tasks(p_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.limit_workflow(p_workflow text, p_version integer, p_max_running integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.link_tasks() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.live_places(p_queue text, p_key integer, p_spans long_task.queue_span[], p_limit integer) FROM PUBLIC;

GRANT SELECT ON TABLE long_task.workflow_run TO long_task_reader;
GRANT SELECT ON TABLE long_task.workflow_run TO long_task_user;

REVOKE ALL ON FUNCTION long_task.lock_run(p_run_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.lock_worker(p_worker_id integer, p_group_id integer, p_slots integer, p_node_name text, p_host text, p_pid integer, p_process text, p_connection integer, p_version text, p_lease_duration double precision, p_recovery_delay double precision, p_reports json, p_dead_process text, p_watched text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.lock_worker(p_worker_id integer, p_group_id integer, p_slots integer, p_node_name text, p_host text, p_pid integer, p_process text, p_connection integer, p_version text, p_lease_duration double precision, p_recovery_delay double precision, p_reports json, p_dead_process text, p_watched text[]) TO long_task_node;

REVOKE ALL ON FUNCTION long_task.log_event(p_kind text, p_lease long_task.worker_lease, p_task_count integer, p_detail text) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.look_into_gaps(p_queue text, p_key integer, p_entries integer, p_round boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.lost_attempts(p_worker_id integer, p_spare bigint[], p_ask_hook boolean) FROM PUBLIC;

REVOKE ALL ON PROCEDURE long_task.maintain(INOUT tasks bigint, INOUT runs bigint, INOUT made bigint, INOUT dropped bigint, INOUT error text) FROM PUBLIC;
GRANT ALL ON PROCEDURE long_task.maintain(INOUT tasks bigint, INOUT runs bigint, INOUT made bigint, INOUT dropped bigint, INOUT error text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.maintain_phase(INOUT phase text, INOUT place bigint, INOUT stride bigint, OUT tasks integer, OUT runs integer, OUT made integer, OUT dropped integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.maintain_step(p_turn bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.maintain_step(p_turn bigint) TO long_task_user;
GRANT ALL ON FUNCTION long_task.maintain_step(p_turn bigint) TO long_task_node;

REVOKE ALL ON FUNCTION long_task.move_task() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.name_holder(p_lease long_task.worker_lease) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.needs_verdict(p_task_id bigint, p_needs text, p_unmet text) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.needs_verdict(p_task_id bigint, p_needs text, p_unmet text) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.needs_verdict(p_task_id bigint, p_needs text, p_unmet text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.new_workflow_version(p_workflow text) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.new_workflow_version(p_workflow text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.next_round(p_now timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.next_start_after(p_schedule long_task.schedule, p_after timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.next_start_after(p_schedule long_task.schedule, p_after timestamp with time zone) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.next_start_after(p_schedule long_task.schedule, p_after timestamp with time zone) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.next_starts(p_task_id bigint, p_next_start timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.next_starts(p_task_id bigint, p_next_start timestamp with time zone) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.next_starts(p_task_id bigint, p_next_start timestamp with time zone) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.note_gaps(p_queue text, p_key integer, p_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.note_maintenance(p_error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.number_workflow() FROM PUBLIC;

GRANT USAGE ON SEQUENCE long_task.ready_seq TO long_task_user;

GRANT SELECT ON TABLE long_task.task TO long_task_reader;
GRANT SELECT,DELETE ON TABLE long_task.task TO long_task_user;

GRANT INSERT(name),UPDATE(name) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(state_id),UPDATE(state_id) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(priority),UPDATE(priority) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(group_id),UPDATE(group_id) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(worker_id),UPDATE(worker_id) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(command),UPDATE(command) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(params),UPDATE(params) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(env),UPDATE(env) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(stdin),UPDATE(stdin) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(cwd),UPDATE(cwd) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(start_after),UPDATE(start_after) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(timeout),UPDATE(timeout) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(kill_grace),UPDATE(kill_grace) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(max_attempts),UPDATE(max_attempts) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(retry_delay),UPDATE(retry_delay) ON TABLE long_task.task TO long_task_user;

GRANT UPDATE(progress) ON TABLE long_task.task TO long_task_user;

GRANT UPDATE(result) ON TABLE long_task.task TO long_task_user;

GRANT UPDATE(error) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(next_start),UPDATE(next_start) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(shed_period_id),UPDATE(shed_period_id) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(shed_period_count),UPDATE(shed_period_count) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(shed_clone),UPDATE(shed_clone) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(shed_parent_id),UPDATE(shed_parent_id) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(shed_enabled),UPDATE(shed_enabled) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(cron),UPDATE(cron) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(time_zone),UPDATE(time_zone) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(concurrency_key),UPDATE(concurrency_key) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(missed),UPDATE(missed) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(missed_after),UPDATE(missed_after) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(overlap),UPDATE(overlap) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(jitter),UPDATE(jitter) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(until),UPDATE(until) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(needs),UPDATE(needs) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(unmet),UPDATE(unmet) ON TABLE long_task.task TO long_task_user;

GRANT INSERT(workflow),UPDATE(workflow) ON TABLE long_task.task TO long_task_user;

REVOKE ALL ON FUNCTION long_task.order_with_results(p_task long_task.task) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.parse_cron(p_line text) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.parse_cron(p_line text) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.parse_cron(p_line text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.parse_cron_field(p_line text, p_field text, p_items text[], p_low integer, p_high integer) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.parse_cron_field(p_line text, p_field text, p_items text[], p_low integer, p_high integer) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.parse_cron_field(p_line text, p_field text, p_items text[], p_low integer, p_high integer) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.parse_result(p_text text) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.passed_bytes(p_task_id bigint, p_command text) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.pause_schedule(p_task_id bigint, p_reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.pick_tasks(p_worker_id integer, p_group_id integer, p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.pinned_worker(p_task long_task.task) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.place_to_time(p_place bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.plain_order(p_task long_task.task) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.plain_text(p_value jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.posts() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.preview_from(p_from timestamp with time zone, p_count integer) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.preview_from(p_from timestamp with time zone, p_count integer) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.preview_from(p_from timestamp with time zone, p_count integer) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.queue_gaps_of(p_queue text, p_key integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.queue_spans(p_queue text, p_key integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.quote_label(p_text text, p_format text) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.quote_label(p_text text, p_format text) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.quote_label(p_text text, p_format text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.reconcile_attempts(p_worker_id integer, p_known bigint[], p_reports json) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.recover_failed_workers(p_worker_id integer, p_watched text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.recover_watched(p_worker_id integer, p_watched text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.recover_worker_tasks(p_worker_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.refresh_needs(p_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.refuse(p_code text, p_message text, p_hint text, p_detail text) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.refuse(p_code text, p_message text, p_hint text, p_detail text) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.refuse(p_code text, p_message text, p_hint text, p_detail text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.refuse_cycle(p_lowest bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.release_delayed_tasks(p_worker_id integer, p_group_id integer, p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.relink_task() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.renew_lease(p_worker_id integer, p_epoch bigint, p_connection integer, p_lease_seconds double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.renew_lease(p_worker_id integer, p_epoch bigint, p_connection integer, p_lease_seconds double precision) TO long_task_node;

REVOKE ALL ON FUNCTION long_task.results_of_needs(p_task_id bigint, p_command text) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.resume_workflow(p_run_id bigint, p_mode text, p_step text) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.resume_workflow(p_run_id bigint, p_mode text, p_step text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.retry_delay_after(p_failures integer, p_delay interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.retry_lost_task(p_task long_task.task) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.roll_history() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.run_kept_until(p_run_id bigint, OUT kept_until timestamp with time zone, OUT tasks bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.run_now(p_task_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.run_now(p_task_id bigint) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.schedule_of(p_task long_task.task) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.schedule_of(p_task long_task.task) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.schedule_of(p_task long_task.task) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.schedule_preview(p_task_id bigint, p_count integer, p_from timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.schedule_preview(p_task_id bigint, p_count integer, p_from timestamp with time zone) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.schedule_preview(p_task_id bigint, p_count integer, p_from timestamp with time zone) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.schedule_preview(p_cron text, p_time_zone text, p_from timestamp with time zone, p_count integer) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.schedule_preview(p_cron text, p_time_zone text, p_from timestamp with time zone, p_count integer) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.schedule_preview(p_cron text, p_time_zone text, p_from timestamp with time zone, p_count integer) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.schedule_time_after(p_anchor timestamp with time zone, p_period_id text, p_count integer, p_time_zone text, p_after timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.schedule_time_after(p_anchor timestamp with time zone, p_period_id text, p_count integer, p_time_zone text, p_after timestamp with time zone) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.schedule_time_after(p_anchor timestamp with time zone, p_period_id text, p_count integer, p_time_zone text, p_after timestamp with time zone) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.schema_version() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.schema_version() TO long_task_reader;
GRANT ALL ON FUNCTION long_task.schema_version() TO long_task_user;
GRANT ALL ON FUNCTION long_task.schema_version() TO long_task_node;

REVOKE ALL ON FUNCTION long_task.seconds_to_next_due(p_worker_id integer, p_group_id integer, p_claimed boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.sentries() FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.sentries() TO long_task_user;

REVOKE ALL ON FUNCTION long_task.settle_changed_task() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.settle_entering_task() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.settle_keys(p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.settle_left(p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.settle_tasks(p_ids bigint[], p_again boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.settle_workflows() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.skip_task(p_task_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.skip_task(p_task_id bigint) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.start_order(p_task long_task.task) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.start_workflow(p_workflow text, p_params jsonb, p_version integer) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.start_workflow(p_workflow text, p_params jsonb, p_version integer) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.step_path(p_workflow text, p_version integer, p_step text, p_needs_step text) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.survey_work(p_worker_id integer, p_group_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.sweep_runs(p_place bigint, OUT next bigint, OUT gone integer, OUT runs integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.sweep_tasks(p_place bigint, p_stride bigint, OUT next bigint, OUT stride bigint, OUT gone integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.sync(p_worker_id integer, p_epoch bigint, p_connection integer, p_reports json, p_free_slots integer, p_running integer, p_lease_seconds double precision, p_known bigint[], p_watched text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.sync(p_worker_id integer, p_epoch bigint, p_connection integer, p_reports json, p_free_slots integer, p_running integer, p_lease_seconds double precision, p_known bigint[], p_watched text[]) TO long_task_node;

REVOKE ALL ON FUNCTION long_task.table_option(p_options text[], p_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.table_option(p_options text[], p_name text) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.table_option(p_options text[], p_name text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.take_post(p_group_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.tell_group() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.tell_key() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.tell_workflow() FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.time_to_place(p_time timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.waiting_queues(p_state_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.waiting_queues(p_state_id text) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.waiting_queues(p_state_id text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.wall_clock_time(p_local timestamp without time zone, p_zone text) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.wall_clock_time(p_local timestamp without time zone, p_zone text) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.wall_clock_time(p_local timestamp without time zone, p_zone text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.why(p_task_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.why(p_task_id bigint) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.why(p_task_id bigint) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.why_blocked(p_task long_task.task) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.why_blocked(p_task long_task.task) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.why_blocked(p_task long_task.task) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.why_unmet(p_task_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.why_unmet(p_task_id bigint) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.why_unmet(p_task_id bigint) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.why_waiting(p_task long_task.task) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.why_waiting(p_task long_task.task) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.why_waiting(p_task long_task.task) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.workflow_graph(p_run_id bigint, p_format text) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.workflow_graph(p_run_id bigint, p_format text) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.workflow_graph(p_run_id bigint, p_format text) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.workflow_lock(p_workflow text) FROM PUBLIC;

REVOKE ALL ON FUNCTION long_task.workflow_recovery_point(p_run_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION long_task.workflow_recovery_point(p_run_id bigint) TO long_task_reader;
GRANT ALL ON FUNCTION long_task.workflow_recovery_point(p_run_id bigint) TO long_task_user;

REVOKE ALL ON FUNCTION long_task.write_off_attempts(p_worker_id integer, p_reports json) FROM PUBLIC;

GRANT SELECT ON TABLE long_task.concurrency_limit TO long_task_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE long_task.concurrency_limit TO long_task_user;

GRANT SELECT(task_id) ON TABLE long_task.deleted_attempt TO long_task_reader;
GRANT SELECT(task_id) ON TABLE long_task.deleted_attempt TO long_task_user;

GRANT SELECT(group_id) ON TABLE long_task.deleted_attempt TO long_task_reader;
GRANT SELECT(group_id) ON TABLE long_task.deleted_attempt TO long_task_user;

GRANT SELECT(concurrency_key) ON TABLE long_task.deleted_attempt TO long_task_reader;
GRANT SELECT(concurrency_key) ON TABLE long_task.deleted_attempt TO long_task_user;

GRANT SELECT ON TABLE long_task.failed TO long_task_reader;
GRANT SELECT ON TABLE long_task.failed TO long_task_user;

GRANT SELECT ON TABLE long_task.group_limit TO long_task_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE long_task.group_limit TO long_task_user;

GRANT SELECT ON TABLE long_task.task_run TO long_task_reader;
GRANT SELECT ON TABLE long_task.task_run TO long_task_user;

GRANT SELECT ON TABLE long_task.task_run_part TO long_task_reader;
GRANT SELECT ON TABLE long_task.task_run_part TO long_task_user;

GRANT SELECT ON TABLE long_task.group_status TO long_task_reader;
GRANT SELECT ON TABLE long_task.group_status TO long_task_user;

GRANT SELECT ON TABLE long_task.history_retention TO long_task_reader;
GRANT SELECT ON TABLE long_task.history_retention TO long_task_user;

GRANT SELECT ON TABLE long_task.maintenance TO long_task_reader;
GRANT SELECT ON TABLE long_task.maintenance TO long_task_user;

GRANT SELECT ON TABLE long_task.retention TO long_task_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE long_task.retention TO long_task_user;

GRANT SELECT ON TABLE long_task.running TO long_task_reader;
GRANT SELECT ON TABLE long_task.running TO long_task_user;

GRANT SELECT ON TABLE long_task.scheduled TO long_task_reader;
GRANT SELECT ON TABLE long_task.scheduled TO long_task_user;

GRANT SELECT ON TABLE long_task.task_archive TO long_task_reader;
GRANT SELECT ON TABLE long_task.task_archive TO long_task_user;

GRANT SELECT ON TABLE long_task.task_dependency TO long_task_reader;
GRANT SELECT,DELETE ON TABLE long_task.task_dependency TO long_task_user;

GRANT INSERT(task_id) ON TABLE long_task.task_dependency TO long_task_user;

GRANT INSERT(needs_task_id) ON TABLE long_task.task_dependency TO long_task_user;

GRANT INSERT("on"),UPDATE("on") ON TABLE long_task.task_dependency TO long_task_user;

GRANT INSERT(condition),UPDATE(condition) ON TABLE long_task.task_dependency TO long_task_user;

GRANT INSERT(enabled),UPDATE(enabled) ON TABLE long_task.task_dependency TO long_task_user;

GRANT INSERT(pass),UPDATE(pass) ON TABLE long_task.task_dependency TO long_task_user;

GRANT INSERT(name),UPDATE(name) ON TABLE long_task.task_dependency TO long_task_user;

GRANT INSERT(gather),UPDATE(gather) ON TABLE long_task.task_dependency TO long_task_user;

GRANT SELECT ON TABLE long_task.task_kept TO long_task_reader;
GRANT SELECT ON TABLE long_task.task_kept TO long_task_user;

GRANT SELECT ON TABLE long_task.task_state TO long_task_reader;
GRANT SELECT ON TABLE long_task.task_state TO long_task_user;

GRANT SELECT ON TABLE long_task.unsettled_key TO long_task_reader;
GRANT SELECT ON TABLE long_task.unsettled_key TO long_task_user;

GRANT SELECT ON TABLE long_task.unsettled_task TO long_task_reader;
GRANT SELECT ON TABLE long_task.unsettled_task TO long_task_user;

GRANT SELECT ON TABLE long_task.unsettled_workflow TO long_task_reader;
GRANT SELECT ON TABLE long_task.unsettled_workflow TO long_task_user;

GRANT SELECT ON TABLE long_task.waiting TO long_task_reader;
GRANT SELECT ON TABLE long_task.waiting TO long_task_user;

GRANT SELECT ON TABLE long_task.worker_stop TO long_task_reader;
GRANT SELECT ON TABLE long_task.worker_stop TO long_task_user;

GRANT SELECT ON TABLE long_task.worker TO long_task_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE long_task.worker TO long_task_user;

GRANT SELECT ON TABLE long_task.worker_event TO long_task_reader;
GRANT SELECT ON TABLE long_task.worker_event TO long_task_user;

GRANT SELECT ON TABLE long_task.worker_standby TO long_task_reader;
GRANT SELECT ON TABLE long_task.worker_standby TO long_task_user;

GRANT SELECT ON TABLE long_task.worker_status TO long_task_reader;
GRANT SELECT ON TABLE long_task.worker_status TO long_task_user;

GRANT SELECT ON TABLE long_task.workflow TO long_task_reader;
GRANT SELECT,DELETE ON TABLE long_task.workflow TO long_task_user;

GRANT INSERT(name) ON TABLE long_task.workflow TO long_task_user;

GRANT INSERT(version) ON TABLE long_task.workflow TO long_task_user;

GRANT INSERT(description),UPDATE(description) ON TABLE long_task.workflow TO long_task_user;

GRANT INSERT(enabled),UPDATE(enabled) ON TABLE long_task.workflow TO long_task_user;

GRANT INSERT(one_at_a_time),UPDATE(one_at_a_time) ON TABLE long_task.workflow TO long_task_user;

GRANT INSERT(max_running),UPDATE(max_running) ON TABLE long_task.workflow TO long_task_user;

GRANT SELECT ON TABLE long_task.workflow_edge TO long_task_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE long_task.workflow_edge TO long_task_user;

GRANT SELECT ON TABLE long_task.workflow_status TO long_task_reader;
GRANT SELECT ON TABLE long_task.workflow_status TO long_task_user;

GRANT SELECT ON TABLE long_task.workflow_step TO long_task_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE long_task.workflow_step TO long_task_user;

GRANT SELECT ON TABLE long_task.workflow_step_status TO long_task_reader;
GRANT SELECT ON TABLE long_task.workflow_step_status TO long_task_user;
