-- Each file (here: of Python's standard library) is hashed by one task and compressed by another.
INSERT INTO long_task.task (name, state_id, command, cwd)
SELECT 'hash ' || file, 'AW', ARRAY['sha256sum', '--', file], :'source'
FROM jsonb_array_elements_text(:'files') AS file;

INSERT INTO long_task.task (name, state_id, command, cwd)
SELECT 'compress ' || file, 'AW', ARRAY[:'python', :'compress', file, :'target'], :'source'
FROM jsonb_array_elements_text(:'files') AS file;

-- One that fails.
INSERT INTO long_task.task (name, state_id, command, cwd)
VALUES ('fails', 'AW', '{sha256sum,there-is-no-such-file}', :'source');

-- One that runs into its timeout. A smaller priority is sooner.
INSERT INTO long_task.task (name, state_id, priority, command, timeout)
VALUES ('too long', 'AW', -1, '{sleep,600}', '2 seconds');

-- One that is refused at first and tries again a second later.
INSERT INTO long_task.task (name, state_id, priority, command, max_attempts, retry_delay)
VALUES ('succeeds later', 'AW', -1,
  ARRAY['sh', '-c', 'test "$PG_TASKS_ATTEMPT" -ge 2 || { echo not yet; exit 75; }'],
  3, '1 second');

-- One that will be cancelled while it runs, together with what it has started.
INSERT INTO long_task.task (name, state_id, priority, command)
VALUES ('cancelled running', 'AW', -1, ARRAY['sh', '-c', 'sleep 600 & sleep 600; wait']);

-- One for worker 2, which nobody serves: it waits.
INSERT INTO long_task.task (name, state_id, worker_id, command)
VALUES ('cancelled waiting', 'AW', 2, '{echo,never}');
