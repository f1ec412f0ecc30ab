-- Who may do what: the whole of the rights on one screen.
--
--   long_task_reader  looks: tables, views, why
--   long_task_user    a reader who writes tasks. Whoever may insert a task runs programs on the nodes.
--   long_task_node    serves a worker, and can do nothing else
--
-- The roles cannot log in; GRANT one to a login role. They belong to the whole cluster, so that a
-- second database of the same cluster finds them there.
DO $$
DECLARE
  v_role text;
BEGIN
  FOREACH v_role IN ARRAY ARRAY['long_task_reader', 'long_task_user', 'long_task_node'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = v_role) THEN
      BEGIN
        EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', v_role);
      EXCEPTION
        WHEN duplicate_object OR unique_violation THEN
          NULL; -- another database of the cluster is being installed at the same moment
        WHEN insufficient_privilege THEN
          RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = pg_catalog.format('role %I does not exist and %I may not create it', v_role, current_user),
            HINT = pg_catalog.format('Have a role with CREATEROLE do CREATE ROLE %I NOLOGIN, then try again.', v_role);
      END;
    END IF;
  END LOOP;
END
$$;

REVOKE ALL ON SCHEMA long_task FROM PUBLIC;
GRANT USAGE ON SCHEMA long_task TO long_task_reader, long_task_user, long_task_node;

-- Functions are open to PUBLIC unless that is taken away. What triggers and defaults call stays open to
-- those who write tasks; the rest is called by SECURITY DEFINER procedures under their owner.
REVOKE ALL ON ALL ROUTINES IN SCHEMA long_task FROM PUBLIC;

GRANT SELECT ON
  long_task.task,
  long_task.task_state,
  long_task.task_run,
  long_task.task_run_part,
  long_task.task_archive,
  long_task.task_kept,
  long_task.retention,
  long_task.history_retention,
  long_task.maintenance,
  long_task.task_dependency,
  long_task.concurrency_limit,
  long_task.group_limit,
  long_task.workflow,
  long_task.workflow_step,
  long_task.workflow_edge,
  long_task.workflow_run,
  long_task.workflow_status,
  long_task.workflow_step_status,
  long_task.worker_lease,
  long_task.worker_stop,
  long_task.worker_standby,
  long_task.worker_event,
  long_task.unsettled_task,
  long_task.unsettled_key,
  long_task.unsettled_workflow,
  long_task.worker,
  long_task.worker_status,
  long_task.group_status,
  long_task.waiting,
  long_task.running,
  long_task.scheduled,
  long_task.failed
TO long_task_reader, long_task_user;
-- What why() counts among those that run.
GRANT SELECT (task_id, group_id, concurrency_key) ON long_task.deleted_attempt TO long_task_reader, long_task_user;
GRANT EXECUTE ON FUNCTION
  long_task.clock(),
  long_task.schema_version(),
  long_task.why(bigint),
  long_task.why_waiting(long_task.task),
  long_task.why_blocked(long_task.task),
  long_task.refuse(text, text, text, text),
  long_task.is_met(text, jsonpath, text, integer, jsonb),
  long_task.needs_verdict(bigint, text, text),
  long_task.why_unmet(bigint),
  long_task.check_edge(text, jsonpath, text),
  long_task.assert_run(bigint),
  long_task.workflow_recovery_point(bigint),
  long_task.workflow_graph(bigint, text),
  long_task.quote_label(text, text),
  long_task.schedule_preview(text, text, timestamptz, integer),
  long_task.schedule_preview(bigint, integer, timestamptz),
  long_task.schedule_time_after(timestamptz, text, integer, text, timestamptz),
  long_task.schedule_of(long_task.task),
  long_task.next_starts(bigint, timestamptz),
  long_task.preview_from(timestamptz, integer),
  long_task.next_start_after(long_task.schedule, timestamptz),
  long_task.cron_time_after(long_task.cron_fields, text, timestamptz),
  long_task.cron_local_after(long_task.cron_fields, timestamp),
  long_task.cron_days(long_task.cron_fields, date),
  long_task.parse_cron(text),
  long_task.parse_cron_field(text, text, text[], integer, integer),
  long_task.wall_clock_time(timestamp, text),
  long_task.is_time_zone(text),
  long_task.doctor(),
  long_task.doctor_blocked(),
  long_task.doctor_indexes(),
  long_task.doctor_notifications(),
  long_task.doctor_overdue(),
  long_task.doctor_processes(),
  long_task.doctor_queues(),
  long_task.doctor_retention(),
  long_task.doctor_server(),
  long_task.doctor_sessions(),
  long_task.doctor_settings(),
  long_task.doctor_snapshots(),
  long_task.doctor_vacuum(),
  long_task.doctor_workers(),
  long_task.waiting_queues(text),
  long_task.counted(bigint),
  long_task.history_label(name),
  long_task.history_rows(integer),
  long_task.table_option(text[], text),
  long_task.lease_over_at(long_task.worker_lease)
TO long_task_reader, long_task_user;

GRANT INSERT (
  name, state_id, priority, group_id, worker_id, command, params, env, stdin, cwd, start_after, timeout,
  kill_grace, max_attempts, retry_delay, next_start, shed_period_id, shed_period_count, shed_clone,
  shed_parent_id, shed_enabled, cron, time_zone, missed, missed_after, overlap, jitter, until, concurrency_key, needs,
  unmet, workflow
), UPDATE (
  name, state_id, priority, group_id, worker_id, command, params, env, stdin, cwd, start_after, timeout,
  kill_grace, max_attempts, retry_delay, next_start, shed_period_id, shed_period_count, shed_clone,
  shed_parent_id, shed_enabled, cron, time_zone, missed, missed_after, overlap, jitter, until, concurrency_key, needs,
  unmet, workflow,
  progress, result, error
), DELETE ON long_task.task TO long_task_user;
GRANT INSERT (task_id, needs_task_id, "on", condition, enabled, pass, name, gather),
  UPDATE ("on", condition, enabled, pass, name, gather), DELETE ON long_task.task_dependency TO long_task_user;
GRANT INSERT, UPDATE, DELETE ON long_task.concurrency_limit, long_task.group_limit TO long_task_user;
GRANT INSERT, UPDATE, DELETE ON long_task.workflow_step, long_task.workflow_edge TO long_task_user;
GRANT INSERT (name, version, description, enabled, one_at_a_time, max_running),
  UPDATE (description, enabled, one_at_a_time, max_running), DELETE ON long_task.workflow TO long_task_user;
GRANT INSERT, UPDATE, DELETE ON long_task.worker TO long_task_user;
GRANT INSERT, UPDATE, DELETE ON long_task.retention TO long_task_user;
GRANT USAGE ON SEQUENCE long_task.ready_seq TO long_task_user;
GRANT EXECUTE ON FUNCTION
  long_task.announce(integer, integer),
  long_task.announce_ready(integer, bigint),
  long_task.first_at_post(integer),
  long_task.sentries(),
  long_task.assert_attempt(bigint, integer),
  long_task.run_now(bigint),
  long_task.new_workflow_version(text),
  long_task.start_workflow(text, jsonb, integer),
  long_task.resume_workflow(bigint, text, text),
  long_task.cancel_workflow(bigint),
  long_task.skip_task(bigint),
  long_task.maintain_step(bigint)
TO long_task_user;
GRANT EXECUTE ON PROCEDURE long_task.maintain(bigint, bigint, bigint, bigint, text) TO long_task_user;

GRANT EXECUTE ON FUNCTION
  long_task.schema_version(),
  long_task.lock_worker(integer, integer, integer, text, text, integer, text, integer, text, double precision, double precision, json, text, text[]),
  long_task.renew_lease(integer, bigint, integer, double precision),
  long_task.sync(integer, bigint, integer, json, integer, integer, double precision, bigint[], text[]),
  long_task.leave_worker(integer, bigint, integer),
  long_task.maintain_step(bigint)
TO long_task_node;
