-- first_at_post: at which of the first posts of a group somebody stands.
--
-- Called by  announce_ready
-- Locks      the posts before it (advisory locks, shared, until the end of the transaction), at which nobody does; without
--            waiting
-- Raises     nothing
--
-- More than the sentries' posts, because the sentries may have died together: then one of those behind them is called.
--
-- Returns its number; null: nobody is there, and nobody can come before the transaction ends.
CREATE OR REPLACE FUNCTION long_task.first_at_post(p_group_id integer)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_behind CONSTANT integer := 6;
BEGIN
  FOR v_post IN 0 .. long_task.sentries() + v_behind - 1 LOOP
    IF NOT pg_try_advisory_xact_lock_shared(hashtext('long_task.post') + v_post, p_group_id) THEN
      RETURN v_post;
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.first_at_post(integer) IS
  'At which of the first posts of a group a node stands, for as long as nobody can take those before it; null: at none.';
