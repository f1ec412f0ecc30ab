-- Limits of concurrency: how many tasks with a key, or of a group, run at once.
--
-- What counts is running_on and nothing else: a limit cannot leak, whatever dies. A task whose key has no room is
-- put aside (wants_key) by the claim that finds it, so that no later claim has to pass it by, and comes back to the
-- queue when there is room.

CREATE TABLE long_task.concurrency_limit (
  concurrency_key text    NOT NULL,
  max_running     integer NOT NULL,
  CONSTRAINT concurrency_limit_pkey PRIMARY KEY (concurrency_key),
  CONSTRAINT concurrency_limit_is_a_number CHECK (max_running >= 0)
);
CREATE TABLE long_task.group_limit (
  group_id    integer NOT NULL,
  max_running integer NOT NULL,
  CONSTRAINT group_limit_pkey PRIMARY KEY (group_id),
  CONSTRAINT group_limit_is_a_number CHECK (max_running >= 0)
);

-- Keys whose waiting tasks were not seen to: somebody held a row, or another node was about to.
CREATE TABLE long_task.unsettled_key (
  id              bigint  GENERATED ALWAYS AS IDENTITY,
  concurrency_key text    NOT NULL,
  not_before timestamptz NOT NULL,
  CONSTRAINT unsettled_key_pkey PRIMARY KEY (id)
);

ALTER TABLE long_task.task
  ADD COLUMN wants_key boolean NOT NULL DEFAULT false;
ALTER TABLE long_task.deleted_attempt
  ADD COLUMN concurrency_key text;

-- Who has a key; who waits for it, by those who may run it.
CREATE INDEX task_key_held
  ON long_task.task (concurrency_key)
  WHERE concurrency_key IS NOT NULL AND running_on IS NOT NULL;
CREATE INDEX task_key_wanted
  ON long_task.task (concurrency_key, group_id, priority, ready_seq)
  WHERE wants_key AND worker_id IS NULL;
CREATE INDEX task_key_wanted_pinned
  ON long_task.task (concurrency_key, worker_id, priority, ready_seq)
  WHERE wants_key AND worker_id IS NOT NULL;

COMMENT ON TABLE long_task.concurrency_limit IS
  'How many tasks with a concurrency_key run at once. A key without a row here: one.';
COMMENT ON COLUMN long_task.concurrency_limit.concurrency_key IS 'Any text.';
COMMENT ON COLUMN long_task.concurrency_limit.max_running IS 'At most so many; 0: none.';
COMMENT ON TABLE long_task.group_limit IS
  'How many tasks of a group run at once, on all its workers. A group without a row here: as many as there are slots.';
COMMENT ON COLUMN long_task.group_limit.group_id IS 'The group.';
COMMENT ON COLUMN long_task.group_limit.max_running IS 'At most so many; 0: none.';
COMMENT ON TABLE long_task.unsettled_key IS
  'Keys whose waiting tasks are to be looked at once more. System.';
COMMENT ON COLUMN long_task.unsettled_key.id IS 'Order of arrival.';
COMMENT ON COLUMN long_task.unsettled_key.concurrency_key IS 'The key.';
COMMENT ON COLUMN long_task.unsettled_key.not_before IS 'When to look: a little later, if somebody held a row that is needed.';
COMMENT ON COLUMN long_task.task.concurrency_key IS 'At most so many tasks with this key run at once as concurrency_limit says, or one; null: no limit.';
COMMENT ON COLUMN long_task.task.wants_key IS 'Whether it waits for others with its concurrency_key to end. System.';
COMMENT ON COLUMN long_task.deleted_attempt.concurrency_key IS 'The key that it has until its process is gone.';
