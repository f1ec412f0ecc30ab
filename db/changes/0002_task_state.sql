-- The states a task can be in, for people to read and for tools to join.
--
-- task.state_id does not reference this table by a foreign key: each check would lock a row of it,
-- and ten rows locked by every write of every session are a queue. A named CHECK does the same work.

CREATE TABLE long_task.task_state (
  id          text    NOT NULL,
  name        text    NOT NULL,
  set_by      text    NOT NULL,
  description text    NOT NULL,
  CONSTRAINT task_state_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE long_task.task_state IS
  'The states of a task. LIKE ''A%'' asks for the active ones, LIKE ''C%'' for the ended ones.';
COMMENT ON COLUMN long_task.task_state.id IS 'What task.state_id holds.';
COMMENT ON COLUMN long_task.task_state.name IS 'One word for people.';
COMMENT ON COLUMN long_task.task_state.set_by IS 'Who brings a task into this state.';
COMMENT ON COLUMN long_task.task_state.description IS 'What the state means.';

INSERT INTO long_task.task_state (id, name, set_by, description)
VALUES
  ('DR', 'draft',      'person',                    'being prepared, never started'),
  ('AW', 'waiting',    'person, schedule, system',  'ready: will be started as soon as a slot is free'),
  ('AD', 'delayed',    'system',                    'waits for a time: start_after, or the delay of a retry'),
  ('AB', 'blocked',    'system',                    'waits for another task'),
  ('AE', 'executing',  'node',                      'a process is running'),
  ('AS', 'stopping',   'person',                    'executing, asked by SIGTERM to end by itself'),
  ('AC', 'cancelling', 'person',                    'executing, being killed with everything it started'),
  ('CS', 'completed',  'node, or the task itself',  'ended well'),
  ('CF', 'failed',     'node, or the task itself',  'ended badly; error says how'),
  ('CC', 'cancelled',  'system',                    'cancelled');
