-- maintain: do all that the policies of retention ask for, now.
--
-- Called by  people and their cron: CALL long_task.maintain();
-- Locks      as maintain_step, for one step at a time: it commits after each
-- Raises     2D000 inside a transaction block
--
-- Nodes do the same by themselves, more slowly. Whoever is at it when this is called leaves it to this.
-- A procedure that commits can have no settings and no rights of its own.
--
-- Returns what was done: how many tasks and runs of workflows have gone, how many partitions of history were made and dropped,
-- and what went wrong last (null: nothing).
CREATE OR REPLACE PROCEDURE long_task.maintain(
  INOUT tasks   bigint DEFAULT NULL,
  INOUT runs    bigint DEFAULT NULL,
  INOUT made    bigint DEFAULT NULL,
  INOUT dropped bigint DEFAULT NULL,
  INOUT error   text DEFAULT NULL
)
LANGUAGE plpgsql
AS $$
DECLARE
  v_turn bigint := 0;
  v_step json;
BEGIN
  tasks := 0;
  runs := 0;
  made := 0;
  dropped := 0;
  LOOP
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    SET LOCAL search_path = pg_catalog, pg_temp;
    v_step := long_task.maintain_step(v_turn);
    IF (v_step ->> 'busy')::boolean THEN
      EXIT WHEN v_turn <> 0; -- somebody else has begun a round
      PERFORM pg_catalog.pg_sleep(0.02);
      CONTINUE;
    END IF;
    v_turn := (v_step ->> 'turn')::bigint;
    tasks := tasks + (v_step ->> 'tasks')::bigint;
    runs := runs + (v_step ->> 'runs')::bigint;
    made := made + (v_step ->> 'made')::bigint;
    dropped := dropped + (v_step ->> 'dropped')::bigint;
    error := v_step ->> 'error';
    EXIT WHEN v_step ->> 'again_in' IS NULL;
  END LOOP;
  COMMIT;
END
$$;

COMMENT ON PROCEDURE long_task.maintain(bigint, bigint, bigint, bigint, text) IS
  'Do all that the policies of retention ask for, now, in small steps that are committed one by one. Returns what was done, and what went wrong last.';

REVOKE ALL ON PROCEDURE long_task.maintain(bigint, bigint, bigint, bigint, text) FROM PUBLIC;
