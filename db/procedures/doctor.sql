-- doctor: what is wrong with this installation, and what to do about it.
--
-- Called by  people, pg-tasks doctor.
-- Locks      nothing
-- Raises     nothing
--
-- Each family of findings is a function of its own, doctor_*; one more is one more line here. They read statistics,
-- small tables, and a bounded number of index entries, so that they can be asked at any time.
-- Not SECURITY DEFINER: who asks sees what he may see, and is told what he could not.
CREATE OR REPLACE FUNCTION long_task.doctor()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
  SELECT d.*
  FROM (
    SELECT f.* FROM long_task.doctor_blocked() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_indexes() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_notifications() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_overdue() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_processes() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_queues() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_retention() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_server() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_sessions() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_settings() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_snapshots() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_vacuum() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_workers() AS f
  ) AS d
  ORDER BY array_position(ARRAY['problem', 'warning', 'note'], d.severity), d.code, d.subject;
END
$$;

COMMENT ON FUNCTION long_task.doctor() IS
  'What is wrong, and what to do: SELECT * FROM long_task.doctor(). No row: nothing was found.';
