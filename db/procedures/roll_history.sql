-- roll_history: close the last partition of task_run and make the next, if it is time for that.
--
-- Called by  maintain_step
-- Locks      task_run in SHARE UPDATE EXCLUSIVE mode, which holds up neither reading nor writing. Is it held in such a
--            mode by somebody else, nothing is done.
-- Raises     nothing that is not a trouble of the database's own
--
-- A twelfth of what is to be kept makes a partition; thirty days, if everything is. There are never more
-- than thirty: then the last one goes on growing. Whoever reads the number of the last one before
-- this is committed writes into the one that was closed, which is as good.
--
-- Returns whether there is one more.
CREATE OR REPLACE FUNCTION long_task.roll_history()
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '20ms'
AS $$
DECLARE
  v_most   CONSTANT integer := 30;
  v_shares CONSTANT integer := 12;
  v_now    timestamptz := long_task.clock();
  v_last   long_task.task_run_part;
  v_policy long_task.history_retention;
  v_span   interval;
  v_next   text;
BEGIN
  SELECT p.* INTO v_last
  FROM long_task.task_run_part AS p
  ORDER BY p.part DESC
  LIMIT 1;
  SELECT h.* INTO v_policy
  FROM long_task.history_retention AS h;
  v_span := CASE
    WHEN v_policy.keep IS NOT NULL THEN v_policy.keep / v_shares
    WHEN v_policy.keep_rows IS NULL THEN interval '30 days'
  END;
  IF (v_last.began + v_span <= v_now OR long_task.history_rows(v_last.part) >= v_policy.keep_rows / v_shares) IS NOT TRUE
     OR NOT EXISTS (SELECT FROM long_task.task_run AS r WHERE r.part = v_last.part)
     OR (SELECT count(*) FROM long_task.task_run_part AS p) >= v_most THEN
    RETURN false;
  END IF;
  v_next := format('task_run_%s', v_last.part + 1);
  EXECUTE format('CREATE TABLE long_task.%I (LIKE long_task.task_run INCLUDING ALL)', v_next);
  EXECUTE format('ALTER TABLE long_task.%I ADD CONSTRAINT %I PRIMARY KEY (task_id, attempt)', v_next, v_next || '_pkey');
  EXECUTE format('COMMENT ON TABLE long_task.%I IS ''A partition of task_run.''', v_next);
  EXECUTE format('ALTER TABLE long_task.task_run ATTACH PARTITION long_task.%I FOR VALUES FROM (%s) TO (%s)', v_next,
    v_last.part + 1, v_last.part + 2);
  UPDATE long_task.task_run_part AS p
  SET ended = v_now
  WHERE p.part = v_last.part;
  INSERT INTO long_task.task_run_part (part, began)
  VALUES (v_last.part + 1, v_now);
  RETURN true;
EXCEPTION
  WHEN lock_not_available THEN
    RETURN false;
END
$$;

COMMENT ON FUNCTION long_task.roll_history() IS
  'Make the next partition of task_run, if it is time for that. Returns whether it was.';
