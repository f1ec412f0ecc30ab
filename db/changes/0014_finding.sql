-- What long_task.doctor() finds.
CREATE TYPE long_task.finding AS (
  severity text,
  code     text,
  subject  text,
  found    text,
  advice   text
);

COMMENT ON TYPE long_task.finding IS 'Something that is wrong, or will be: a row of long_task.doctor().';
COMMENT ON COLUMN long_task.finding.severity IS
  'problem: something does not run, or may be lost; warning: it costs, or will be a problem; note: what could not be seen.';
COMMENT ON COLUMN long_task.finding.code IS 'Name of the finding, as in docs/operating.md.';
COMMENT ON COLUMN long_task.finding.subject IS 'What it is about.';
COMMENT ON COLUMN long_task.finding.found IS 'What was found.';
COMMENT ON COLUMN long_task.finding.advice IS 'What to do.';
