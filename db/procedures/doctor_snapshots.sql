-- doctor_snapshots: what holds back the clearing of dead rows, and is no session of this database.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- Of standbys and slots nobody knows since when: they count from so many transactions on.
CREATE OR REPLACE FUNCTION long_task.doctor_snapshots()
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
    CASE WHEN p.prepared < v_now - v_too_long THEN 'problem' ELSE 'warning' END,
    'transaction_prepared',
    format('prepared transaction %s', p.gid),
    format('It was prepared by %s at %s and holds its locks and its snapshot, %s transactions old, until somebody ends it.',
      p.owner, p.prepared, age(p.transaction)),
    format('COMMIT PREPARED %L, or ROLLBACK PREPARED %L.', p.gid, p.gid)
  FROM pg_prepared_xacts AS p
  WHERE p.database = current_database()
    AND p.prepared < v_now - v_long;

  RETURN QUERY
  SELECT
    CASE WHEN s.active THEN 'warning' ELSE 'problem' END,
    'slot_holds_snapshot',
    format('replication slot %s', s.slot_name),
    format('It is %s and holds back the clearing of dead rows by %s transactions.',
      CASE WHEN s.active THEN 'in use' ELSE 'used by nobody' END, age(s.xmin)),
    CASE
      WHEN s.active THEN 'End long queries on the standby, or set hot_standby_feedback = off there.'
      ELSE format('If its standby does not come back: SELECT pg_drop_replication_slot(%L)', s.slot_name)
    END
  FROM pg_replication_slots AS s
  WHERE age(s.xmin) > v_many;

  RETURN QUERY
  SELECT
    'warning',
    'standby_holds_snapshot',
    format('standby %s', COALESCE(NULLIF(r.application_name, ''), r.pid::text)),
    format('By hot_standby_feedback it holds back the clearing of dead rows by %s transactions.', age(r.backend_xmin)),
    'End long queries on the standby, or set hot_standby_feedback = off there.'
  FROM pg_stat_replication AS r
  WHERE age(r.backend_xmin) > v_many;
END
$$;

COMMENT ON FUNCTION long_task.doctor_snapshots() IS
  'Findings about prepared transactions, replication slots and standbys that hold back the clearing of dead rows.';
