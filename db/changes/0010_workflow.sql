-- Workflows: graphs of tasks that are defined once and started many times.
--
-- A definition is rows; a version of it that has been started is not changed any more, so that a run's definition can
-- always be looked up. A run is tasks and dependencies like any others, copied from the definition.

CREATE TABLE long_task.workflow (
  name          text        NOT NULL,
  version       integer     NOT NULL,
  description   text,
  enabled       boolean     NOT NULL DEFAULT true,
  one_at_a_time boolean     NOT NULL DEFAULT false,
  max_running   integer,
  owner         text        NOT NULL DEFAULT session_user,
  created       timestamptz NOT NULL DEFAULT long_task.clock(),
  CONSTRAINT workflow_pkey PRIMARY KEY (name, version),
  CONSTRAINT workflow_has_a_name CHECK (octet_length(name) BETWEEN 1 AND 500),
  CONSTRAINT workflow_limit_is_a_number CHECK (max_running >= 0)
);

CREATE TABLE long_task.workflow_step (
  workflow        text     NOT NULL,
  version         integer  NOT NULL,
  name            text     NOT NULL,
  command         text[]   NOT NULL,
  params          jsonb,
  env             jsonb,
  stdin           text,
  cwd             text,
  group_id        integer  NOT NULL DEFAULT 0,
  worker_id       integer,
  priority        integer  NOT NULL DEFAULT 0,
  timeout         interval,
  kill_grace      interval,
  max_attempts    integer  NOT NULL DEFAULT 1,
  retry_delay     interval NOT NULL DEFAULT interval '10 seconds',
  concurrency_key text,
  needs           text,
  unmet           text,
  fan_out         jsonpath,
  CONSTRAINT workflow_step_pkey PRIMARY KEY (workflow, version, name),
  CONSTRAINT workflow_step_of_workflow FOREIGN KEY (workflow, version)
    REFERENCES long_task.workflow (name, version) ON UPDATE CASCADE ON DELETE CASCADE,
  CONSTRAINT workflow_step_has_a_name CHECK (octet_length(name) BETWEEN 1 AND 500),
  CONSTRAINT workflow_step_params_are_an_object CHECK (jsonb_typeof(params) = 'object')
);

CREATE TABLE long_task.workflow_edge (
  workflow   text     NOT NULL,
  version    integer  NOT NULL,
  step       text     NOT NULL,
  needs_step text     NOT NULL,
  "on"       text     NOT NULL DEFAULT 'success',
  condition  jsonpath,
  enabled    boolean  NOT NULL DEFAULT true,
  pass       text,
  each       boolean  NOT NULL DEFAULT false,
  CONSTRAINT workflow_edge_pkey PRIMARY KEY (workflow, version, step, needs_step),
  CONSTRAINT workflow_edge_of_step FOREIGN KEY (workflow, version, step)
    REFERENCES long_task.workflow_step (workflow, version, name) ON UPDATE CASCADE ON DELETE CASCADE,
  CONSTRAINT workflow_edge_of_needed_step FOREIGN KEY (workflow, version, needs_step)
    REFERENCES long_task.workflow_step (workflow, version, name) ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX workflow_edge_needs
  ON long_task.workflow_edge (workflow, version, needs_step);

CREATE TABLE long_task.workflow_run (
  id            bigint      GENERATED ALWAYS AS IDENTITY,
  workflow      text        NOT NULL,
  version       integer     NOT NULL,
  params        jsonb       NOT NULL DEFAULT '{}',
  created       timestamptz NOT NULL DEFAULT long_task.clock(),
  started       timestamptz,
  cancelled     timestamptz,
  error         text,
  started_by    text        NOT NULL DEFAULT 'person',
  scheduled_for timestamptz,
  task_id       bigint,
  owner         text        NOT NULL DEFAULT session_user,
  CONSTRAINT workflow_run_pkey PRIMARY KEY (id),
  CONSTRAINT workflow_run_of_workflow FOREIGN KEY (workflow, version)
    REFERENCES long_task.workflow (name, version) ON UPDATE CASCADE
);
CREATE INDEX workflow_run_of_workflow
  ON long_task.workflow_run (workflow, version, id);
CREATE INDEX workflow_run_waiting
  ON long_task.workflow_run (workflow, id)
  WHERE started IS NULL AND cancelled IS NULL;

-- Workflows of which a run has ended while another waits for that.
CREATE TABLE long_task.unsettled_workflow (
  id       bigint  GENERATED ALWAYS AS IDENTITY,
  workflow text    NOT NULL,
  not_before timestamptz NOT NULL,
  CONSTRAINT unsettled_workflow_pkey PRIMARY KEY (id)
);

ALTER TABLE long_task.task
  ADD COLUMN workflow text,
  ADD COLUMN run_id   bigint,
  ADD COLUMN step     text,
  ADD COLUMN item     integer;
CREATE INDEX task_of_run
  ON long_task.task (run_id, step, item)
  WHERE run_id IS NOT NULL;
CREATE INDEX task_active_in_run
  ON long_task.task (run_id)
  WHERE run_id IS NOT NULL
    AND (state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC') OR running_on IS NOT NULL);

COMMENT ON TABLE long_task.workflow IS
  'A graph of steps that start_workflow copies into tasks. The latest enabled version is started.';
COMMENT ON COLUMN long_task.workflow.name IS 'Its name, the same for all versions.';
COMMENT ON COLUMN long_task.workflow.version IS 'From 1. One that has been started is not changed any more: new_workflow_version copies it.';
COMMENT ON COLUMN long_task.workflow.description IS 'For people.';
COMMENT ON COLUMN long_task.workflow.enabled IS 'False: this version is not started unless it is asked for by number.';
COMMENT ON COLUMN long_task.workflow.one_at_a_time IS 'Whether a run waits for the end of the run before it.';
COMMENT ON COLUMN long_task.workflow.max_running IS 'At most so many tasks of all runs of the workflow run at once; null: no limit.';
COMMENT ON COLUMN long_task.workflow.owner IS 'Database user that inserted the row.';
COMMENT ON COLUMN long_task.workflow.created IS 'When the row was inserted.';
COMMENT ON TABLE long_task.workflow_step IS
  'A step: one task of each run, or one for each item if it is fanned out. The columns are those of task.';
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
COMMENT ON TABLE long_task.workflow_edge IS
  'A step that needs another. The columns are those of task_dependency.';
COMMENT ON COLUMN long_task.workflow_edge.workflow IS 'The workflow.';
COMMENT ON COLUMN long_task.workflow_edge.version IS 'Its version; left out of an INSERT: the latest.';
COMMENT ON COLUMN long_task.workflow_edge.step IS 'The step that waits.';
COMMENT ON COLUMN long_task.workflow_edge.needs_step IS 'The step that it waits for: all of its tasks, if it is fanned out.';
COMMENT ON COLUMN long_task.workflow_edge."on" IS 'As in task_dependency: success, failure, cancel, end.';
COMMENT ON COLUMN long_task.workflow_edge.condition IS 'As in task_dependency.';
COMMENT ON COLUMN long_task.workflow_edge.enabled IS 'As in task_dependency.';
COMMENT ON COLUMN long_task.workflow_edge.pass IS 'As in task_dependency; the results of a step that is fanned out are an array.';
COMMENT ON COLUMN long_task.workflow_edge.each IS 'Both steps are fanned out, and each item waits for the same item only.';
COMMENT ON TABLE long_task.workflow_run IS
  'A workflow that was started. Its tasks name it in run_id; workflow_status says how it stands.';
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
COMMENT ON TABLE long_task.unsettled_workflow IS
  'Workflows of which a run may go on that waited for another. System.';
COMMENT ON COLUMN long_task.unsettled_workflow.id IS 'Order of arrival.';
COMMENT ON COLUMN long_task.unsettled_workflow.workflow IS 'The workflow.';
COMMENT ON COLUMN long_task.unsettled_workflow.not_before IS 'When to look: a little later, if somebody held a row that is needed.';
COMMENT ON COLUMN long_task.task.workflow IS 'What the starts of this template (shed_clone) start, instead of a copy of it.';
COMMENT ON COLUMN long_task.task.run_id IS 'Run of a workflow that it is a part of. System.';
COMMENT ON COLUMN long_task.task.step IS 'Its step in that workflow. System.';
COMMENT ON COLUMN long_task.task.item IS 'Its place in the array that the step is fanned out over, from 0. System.';
