-- settle_workflows: begin runs that waited for the end of another.
--
-- Called by  sync, if there is something, before it takes reports in: the ends of two last tasks of a run, reported at the same moment by two
--            nodes, do not see each other, but whoever comes after both sees both.
-- Locks      rows of unsettled_workflow FOR UPDATE SKIP LOCKED, then as begin_next_run
-- Raises     nothing: a run that cannot be begun fails, and after an error that is not its own it is tried again
--
-- Returns the seconds until there is something to see to again; null: nothing is left.
CREATE OR REPLACE FUNCTION long_task.settle_workflows()
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_patience CONSTANT interval := interval '2 seconds';
  -- Errors that are the run's own: data, constraints, exceptions that were raised, names, those of this schema.
  v_own      CONSTANT text[] := ARRAY['22', '23', 'P0', '42', 'LT'];
  v_now      timestamptz := long_task.clock();
  v_workflow text;
  v_error    text;
BEGIN
  FOR v_workflow IN
    WITH taken AS (
      DELETE FROM long_task.unsettled_workflow AS u
      USING (
        SELECT f.id
        FROM long_task.unsettled_workflow AS f
        WHERE f.not_before <= v_now
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
      PERFORM long_task.begin_next_run(v_workflow, v_patience, true);
    EXCEPTION
      WHEN OTHERS THEN
        v_error := SQLERRM;
        IF left(SQLSTATE, 2) = ANY (v_own) THEN
          -- It was accepted while another one ran, and nobody is there any more to be told.
          UPDATE long_task.workflow_run AS r
          SET
            cancelled = v_now,
            error = v_error
          WHERE r.id = (
            SELECT w.id
            FROM long_task.workflow_run AS w
            WHERE w.id = (
              SELECT min(o.id)
              FROM long_task.workflow_run AS o
              WHERE o.workflow = v_workflow AND o.started IS NULL AND o.cancelled IS NULL
            )
            FOR UPDATE SKIP LOCKED
          );
        END IF;
        PERFORM long_task.leave_workflow(v_workflow, true, true);
    END;
  END LOOP;
  RETURN (SELECT GREATEST(0, extract(epoch FROM min(u.not_before) - v_now)) FROM long_task.unsettled_workflow AS u);
END
$$;

COMMENT ON FUNCTION long_task.settle_workflows() IS
  'Begin runs that waited for another. Returns the seconds until there is more to see to; null: there is not.';
