-- Counts the words of many files, shows what was counted, and publishes it once somebody has agreed.
--
--   count (a task for each file) ──▶ join ──▶ report ──▶ publish
--                                      └───▶ approve ───▶┘
--
-- Its parameters: programs and texts (directories), files (names), marker and target (files).
BEGIN;

INSERT INTO long_task.workflow (name, description)
VALUES ('wordcount', 'Count the words of files.');

INSERT INTO long_task.workflow_step (workflow, name, command, fan_out)
VALUES ('wordcount', 'count', '{python3,%PARAM:programs%/count.py,%PARAM:texts%/%PARAM:item%}', '$.files');

INSERT INTO long_task.workflow_step (workflow, name, command)
VALUES
  ('wordcount', 'join', '{python3,%PARAM:programs%/join.py}'),
  ('wordcount', 'report', '{python3,%PARAM:programs%/report.py}'),
  ('wordcount', 'approve', '{ls,--,%PARAM:marker%}'),
  ('wordcount', 'publish', '{tee,--,%PARAM:target%}');

-- The counts of all words are more than parameters can hold (128 KiB), and less than stdin (16 MiB).
INSERT INTO long_task.workflow_edge (workflow, step, needs_step, pass)
VALUES
  ('wordcount', 'join', 'count', 'stdin'),
  ('wordcount', 'report', 'join', 'params'),
  ('wordcount', 'approve', 'join', NULL),
  ('wordcount', 'publish', 'report', 'stdin'),
  ('wordcount', 'publish', 'approve', NULL);

COMMIT;
