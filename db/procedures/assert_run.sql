-- assert_run: refuse a run of a workflow that there is not.
--
-- Called by  lock_run, workflow_recovery_point, workflow_graph
-- Locks      nothing
-- Raises     LT006 no such run
CREATE OR REPLACE FUNCTION long_task.assert_run(p_run_id bigint)
RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM long_task.workflow_run AS r WHERE r.id = p_run_id) THEN
    PERFORM long_task.refuse('LT006', format('there is no run %s', COALESCE(p_run_id::text, 'null')),
      'The view long_task.workflow_status has all of them.');
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.assert_run(bigint) IS
  'Refuse a run of a workflow that there is not.';
