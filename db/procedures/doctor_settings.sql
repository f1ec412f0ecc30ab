-- doctor_settings: settings of the server, of this database and of roles that break a promise.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- reset_val is what a session of this role begins with, whatever this one has set for itself.
CREATE OR REPLACE FUNCTION long_task.doctor_settings()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lost_claim CONSTANT text := 'a crash takes commits back: a task that was inserted is lost, one that was started is started again beside its first process';
BEGIN
  RETURN QUERY
  SELECT r.severity, r.code, 'server'::text, format('%s is %s: %s.', s.name, s.reset_val, r.why), r.advice
  FROM (
    VALUES
      ('fsync', 'off', 'problem', 'not_durable', 'a crash of the machine can destroy the whole database',
        'ALTER SYSTEM RESET fsync; SELECT pg_reload_conf()'),
      ('full_page_writes', 'off', 'problem', 'not_durable', 'a crash of the machine can leave pages half written',
        'ALTER SYSTEM RESET full_page_writes; SELECT pg_reload_conf()'),
      ('synchronous_commit', 'off', 'problem', 'not_durable', v_lost_claim,
        'ALTER SYSTEM RESET synchronous_commit; SELECT pg_reload_conf(). Or ALTER DATABASE, ALTER ROLE, if it is set there.')
  ) AS r(name, bad, severity, code, why, advice)
  JOIN pg_settings AS s ON s.name = r.name AND s.reset_val = r.bad;

  RETURN QUERY
  SELECT 'warning', 'isolation_level', 'server',
    format('default_transaction_isolation is %s: people''s transactions do not see what they have to, and dependencies are refused in them; so are nodes, through a pooler.',
      s.reset_val),
    format('ALTER DATABASE %I SET default_transaction_isolation = ''read committed''', current_database())
  FROM pg_settings AS s
  WHERE s.name = 'default_transaction_isolation'
    AND s.reset_val IN ('repeatable read', 'serializable');

  RETURN QUERY
  SELECT 'problem', 'not_durable', format('role %s', o.rolname),
    format('synchronous_commit is off in its sessions: %s.', v_lost_claim),
    format('ALTER ROLE %I%s RESET synchronous_commit', o.rolname, ' IN DATABASE ' || quote_ident(d.datname))
  FROM pg_db_role_setting AS s
  JOIN pg_roles AS o ON o.oid = s.setrole
  LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
  WHERE (s.setdatabase = 0 OR d.datname = current_database())
    AND s.setconfig && ARRAY['synchronous_commit=off', 'synchronous_commit=false', 'synchronous_commit=0', 'synchronous_commit=no']
    AND o.rolname <> session_user;
END
$$;

COMMENT ON FUNCTION long_task.doctor_settings() IS
  'Findings about settings by which tasks may be lost or run twice, or people be refused.';
