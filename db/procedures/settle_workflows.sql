-- settle_workflows: begin runs that waited for the end of another.
--
-- Called by  sync, if there is something, before it takes reports in: the ends of two last tasks of a run, reported at the same moment by two
--            nodes, do not see each other, but whoever comes after both sees both.
-- Locks      rows of unsettled_workflow FOR UPDATE SKIP LOCKED, then as begin_next_run
-- Raises     nothing: a run that cannot be begun is cancelled
--
-- Returns the seconds until there is something to see to again; null: nothing is left.
CREATE OR REPLACE FUNCTION long_task.settle_workflows()
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_pause    CONSTANT double precision := 0.2;
  v_last     bigint := (SELECT max(u.id) FROM long_task.unsettled_workflow AS u);
  v_workflow text;
BEGIN
  FOR v_workflow IN
    WITH taken AS (
      DELETE FROM long_task.unsettled_workflow AS u
      USING (
        SELECT f.id
        FROM long_task.unsettled_workflow AS f
        WHERE f.id <= v_last
        ORDER BY f.id
        LIMIT 100
        FOR UPDATE SKIP LOCKED
      ) AS first
      WHERE u.id = first.id
      RETURNING u.workflow
    )
    SELECT DISTINCT t.workflow
    FROM taken AS t
    ORDER BY t.workflow
  LOOP
    BEGIN
      PERFORM long_task.begin_next_run(v_workflow, interval '2 seconds');
    EXCEPTION
      WHEN SQLSTATE 'LT004' OR SQLSTATE 'LT005' OR SQLSTATE 'LT012' OR SQLSTATE 'LT013' OR SQLSTATE 'LT014' THEN
        -- It was accepted while another one ran, and nobody is there any more to be told.
        UPDATE long_task.workflow_run AS r
        SET
          cancelled = long_task.clock(),
          error = SQLERRM
        WHERE r.id = (
          SELECT min(w.id)
          FROM long_task.workflow_run AS w
          WHERE w.workflow = v_workflow AND w.started IS NULL AND w.cancelled IS NULL
        );
        PERFORM long_task.leave_workflow(v_workflow, false);
    END;
  END LOOP;
  RETURN (
    SELECT CASE WHEN bool_or(u.id <= v_last OR NOT u.held) THEN 0 ELSE v_pause END
    FROM long_task.unsettled_workflow AS u
    HAVING count(*) > 0
  );
END
$$;

COMMENT ON FUNCTION long_task.settle_workflows() IS
  'Begin runs that waited for another. Returns the seconds until there is more to see to; null: there is not.';
