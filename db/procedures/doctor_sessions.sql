-- doctor_sessions: who keeps a transaction open for long.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- Of sessions of others PostgreSQL shows the snapshot to everybody, but when the transaction began only to members of
-- pg_read_all_stats: of a hidden one the age in transactions is all there is to judge by. VACUUM holds nothing back.
CREATE OR REPLACE FUNCTION long_task.doctor_sessions()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
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

COMMENT ON FUNCTION long_task.doctor_sessions() IS
  'Findings about sessions whose transaction has been open for long.';
