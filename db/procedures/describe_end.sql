-- describe_end: say in one line why an attempt ended badly.
--
-- Called by  finish_attempts
-- Locks      nothing
-- Raises     nothing
--
-- A body that is parsed here, not at each call: it needs no search_path, and its expression becomes a part
-- of the calling statement.
--
-- p_timeout: the limit in seconds under which the attempt ran. That of its row may have been changed or
-- taken away since. A reason is never described by null, which says that the attempt ended well.
--
-- Numbers of signals are those of Linux (man 7 signal; the same on x86 and ARM).
CREATE OR REPLACE FUNCTION long_task.describe_end(
  p_reason      text,
  p_error       text,
  p_exit_code   smallint,
  p_signal      smallint,
  p_core_dumped boolean,
  p_timeout     double precision
)
RETURNS text
LANGUAGE sql
STABLE
RETURN CASE
  WHEN p_reason = 'timeout' THEN 'timeout' || COALESCE(' after ' || justify_hours(make_interval(secs => p_timeout)), '')
  WHEN p_reason IS NOT NULL THEN p_reason
  WHEN p_signal IS NOT NULL THEN
    'signal ' || p_signal
    || COALESCE(' (SIG' || (ARRAY[
      'HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE',
      'ALRM', 'TERM', 'STKFLT', 'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'XCPU', 'XFSZ',
      'VTALRM', 'PROF', 'WINCH', 'IO', 'PWR', 'SYS'
    ])[p_signal] || ')', '')
    || CASE WHEN p_core_dumped THEN ', core dumped' ELSE '' END
  WHEN p_exit_code <> 0 THEN 'exit code ' || p_exit_code || COALESCE('; ' || p_error, '')
  ELSE p_error
END;

COMMENT ON FUNCTION long_task.describe_end(text, text, smallint, smallint, boolean, double precision) IS
  'One line that says why an attempt ended badly; null if it ended well.';
