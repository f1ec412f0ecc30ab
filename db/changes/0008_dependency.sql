-- Dependencies: tasks that wait for tasks.
--
-- met is what is known of the predecessor's present state. It is stored, and not asked of the predecessor each time,
-- so that a task that needs ten thousand others finds an open one, or that there is none, by one look into an index.

CREATE TABLE long_task.task_dependency (
  task_id       bigint   NOT NULL,
  needs_task_id bigint   NOT NULL,
  "on"          text     NOT NULL DEFAULT 'success',
  condition     jsonpath,
  enabled       boolean  NOT NULL DEFAULT true,
  pass          text,
  name          text,
  gather        boolean  NOT NULL DEFAULT false,
  met           boolean,
  run_id        bigint,
  CONSTRAINT task_dependency_pkey PRIMARY KEY (task_id, needs_task_id)
);

-- Who waits for a task; what a task still waits for; what is decided.
CREATE INDEX task_dependency_needs
  ON long_task.task_dependency (needs_task_id);
CREATE INDEX task_dependency_open
  ON long_task.task_dependency (task_id, needs_task_id)
  WHERE met IS NULL AND enabled;
CREATE INDEX task_dependency_decided
  ON long_task.task_dependency (task_id, met)
  WHERE met IS NOT NULL AND enabled;
-- Without dependencies on a task that came later there is no cycle. They are few: see refuse_cycle.
CREATE INDEX task_dependency_upward
  ON long_task.task_dependency (needs_task_id)
  WHERE task_id < needs_task_id;

-- Whether the process of a deleted task is gone.
CREATE INDEX deleted_attempt_task
  ON long_task.deleted_attempt (task_id);

-- Tasks whose end, or whose start, was not seen to by whoever should have: somebody held a row, or it was too much at
-- once. Each sync works some of them off.
CREATE TABLE long_task.unsettled_task (
  id      bigint  GENERATED ALWAYS AS IDENTITY,
  task_id bigint  NOT NULL,
  not_before timestamptz NOT NULL,
  refresh boolean NOT NULL,
  CONSTRAINT unsettled_task_pkey PRIMARY KEY (id)
);

ALTER TABLE long_task.task
  ADD COLUMN needs          text,
  ADD COLUMN unmet          text,
  ADD COLUMN has_needs      boolean NOT NULL DEFAULT false,
  ADD COLUMN has_dependents boolean NOT NULL DEFAULT false;

COMMENT ON TABLE long_task.task_dependency IS
  'A row lets a task wait for the end of another. Any task that waits may be given one, until it is started.';
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
COMMENT ON TABLE long_task.unsettled_task IS
  'Tasks to be looked at once more, with those that wait for them. System.';
COMMENT ON COLUMN long_task.unsettled_task.id IS 'Order of arrival.';
COMMENT ON COLUMN long_task.unsettled_task.task_id IS 'The task.';
COMMENT ON COLUMN long_task.unsettled_task.not_before IS 'When to look: a little later, if somebody held a row that is needed.';
COMMENT ON COLUMN long_task.unsettled_task.refresh IS 'Whether what is known of its needs may be out of date.';
COMMENT ON COLUMN long_task.task.needs IS 'Whether all of what it needs must have come (null) or any one is enough: all, any.';
COMMENT ON COLUMN long_task.task.unmet IS 'When what it needs can no longer come: cancel it (null), start it anyway, let it wait: cancel, start, wait.';
COMMENT ON COLUMN long_task.task.has_needs IS 'Whether it has rows in task_dependency. System.';
COMMENT ON COLUMN long_task.task.has_dependents IS 'Whether others have rows there that name it. System.';
