-- change_worker: carry out what people write into the view long_task.worker.
--
-- Called by  trigger change_worker, instead of INSERT, UPDATE and DELETE on the view.
-- Locks      the row of worker_stop; to delete a worker that is not served, its lease row, which is made if
--            there is none, and then task rows by end_lease. Never a lease row that a node needs.
-- Raises     LT001 worker is being served, LT004 bad value; to delete, a transaction with an old snapshot
--
-- SECURITY DEFINER: whoever may write the view may change a stop code, and nothing else of a worker.
CREATE OR REPLACE FUNCTION long_task.change_worker()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lease long_task.worker_lease;
  v_lost  integer;
BEGIN
  IF TG_OP = 'DELETE' THEN
    -- As recover_worker_tasks, which says why.
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
      RAISE EXCEPTION USING
        ERRCODE = 'LT004',
        MESSAGE = format('worker %s cannot be recovered in a transaction that is %s',
          OLD.id, current_setting('transaction_isolation')),
        HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED';
    END IF;
    -- As lock_worker does: what is deleted at the end is the row that is locked here, and no node can
    -- take the worker in between. Again, if somebody else deleted it while its row was waited for.
    LOOP
      INSERT INTO long_task.worker_lease (worker_id, group_id)
      VALUES (OLD.id, COALESCE(OLD.group_id, 0))
      ON CONFLICT DO NOTHING;
      SELECT l.* INTO v_lease
      FROM long_task.worker_lease AS l
      WHERE l.worker_id = OLD.id
      FOR UPDATE;
      EXIT WHEN FOUND;
    END LOOP;
    IF v_lease.active AND long_task.lease_over_at(v_lease) > long_task.clock() THEN
      RAISE EXCEPTION USING
        ERRCODE = 'LT001',
        MESSAGE = format('worker %s is served by %s', OLD.id, long_task.name_holder(v_lease)),
        HINT = 'Set stop = 3 to have its node cancel everything and leave.';
    END IF;
    -- Wait for rows that somebody holds, because end_lease passes over them.
    PERFORM t.id
    FROM long_task.task AS t
    WHERE t.running_on = OLD.id
    ORDER BY t.id
    FOR NO KEY UPDATE;
    v_lost := long_task.end_lease(v_lease);
    IF v_lease.active THEN
      PERFORM long_task.log_event('recovered', v_lease, v_lost,
        format('%s failed, and %s deleted the worker', long_task.name_holder(v_lease), session_user));
    END IF;
    DELETE FROM long_task.worker_stop AS s WHERE s.worker_id = OLD.id;
    DELETE FROM long_task.worker_standby AS s WHERE s.worker_id = OLD.id;
    DELETE FROM long_task.worker_lease AS l WHERE l.worker_id = OLD.id;
    RETURN OLD;
  END IF;
  IF NEW.id IS NULL OR COALESCE(NEW.stop NOT BETWEEN 0 AND 3, TG_OP = 'UPDATE') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('worker %s cannot have stop = %s',
        COALESCE(NEW.id::text, 'null'), COALESCE(NEW.stop::text, 'null')),
      HINT = '0 run; 1 start nothing new; 2 start nothing new, leave when idle; 3 cancel all, then leave.';
  END IF;
  IF (CASE TG_OP
    WHEN 'UPDATE' THEN to_jsonb(NEW) - 'stop' <> to_jsonb(OLD) - 'stop'
    ELSE jsonb_strip_nulls(to_jsonb(NEW) - 'stop' - 'id') <> '{}'
  END) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('of worker %s only stop can be written', NEW.id),
      HINT = 'The other columns are written by its node.';
  END IF;
  INSERT INTO long_task.worker_stop AS s (worker_id, stop)
  VALUES (NEW.id, COALESCE(NEW.stop, 0))
  ON CONFLICT (worker_id) DO UPDATE
  SET stop = COALESCE(NEW.stop, s.stop)
  RETURNING s.stop INTO NEW.stop;
  PERFORM long_task.announce(NULL, NEW.id);
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.change_worker() IS
  'Trigger: carry out what people write into the view long_task.worker.';

REVOKE ALL ON FUNCTION long_task.change_worker() FROM PUBLIC;

CREATE OR REPLACE TRIGGER change_worker
INSTEAD OF INSERT OR UPDATE OR DELETE ON long_task.worker
FOR EACH ROW
EXECUTE FUNCTION long_task.change_worker();
