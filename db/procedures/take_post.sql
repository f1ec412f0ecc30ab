-- take_post: let the session of an idle node stand at a post of its group, as far to the front as it can.
--
-- Called by  sync, of a node that has claimed what there was and has slots left, or is about to look whether there is anything
-- Locks      the post (an advisory lock of the session), if nobody has it
-- Raises     nothing
--
-- Posts say who is idle, and are locks, because those are seen at once, leave no versions of rows behind, and end with
-- the node's connection. At the first ones stand the sentries, who are told of all that is ready (announce_ready).
-- Those behind them are called one by one, by number, when a sentry is idle no more (leave_post). Who finds no post at
-- all finds its work at the next renewal.
--
-- A post may be held for the moment by those who have found nobody there and are about to commit. Then the node
-- looks again after a millisecond, and each time it has waited in vain twice as long.
--
-- A session that has found all of them taken looks at the sentries' and at one in eight of the others from then on, chosen
-- at random: in a large fleet nearly all nodes are without a post, and look at each renewal.
--
-- The setting long_task.post is the session's memory: the number of its post, negative: it has none, and has looked so
-- often in vain less one; not set: it cannot stand, because it is not the node's own. It needs no other place, because
-- it ends when the lock does.
--
-- Returns the seconds after which to look again: 0: it stands there now, and what has come before has to be looked for;
-- null: it can sleep.
CREATE OR REPLACE FUNCTION long_task.take_post(p_group_id integer)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_sentries CONSTANT integer := long_task.sentries();
  v_held     integer := current_setting('long_task.post')::integer;
  v_again    boolean := false;
  v_post     integer := 0;
BEGIN
  IF v_held BETWEEN 0 AND v_sentries - 1 THEN
    RETURN NULL;
  END IF;
  WHILE v_post < CASE WHEN v_held < 0 THEN long_task.posts() ELSE v_sentries END LOOP
    IF pg_try_advisory_lock(hashtext('long_task.post') + v_post, p_group_id) THEN
      IF v_held >= 0 THEN
        PERFORM pg_advisory_unlock(hashtext('long_task.post') + v_held, p_group_id);
      END IF;
      PERFORM set_config('long_task.post', v_post::text, false);
      RETURN 0;
    END IF;
    IF pg_try_advisory_lock_shared(hashtext('long_task.post') + v_post, p_group_id) THEN
      PERFORM pg_advisory_unlock_shared(hashtext('long_task.post') + v_post, p_group_id);
      v_again := true;
    END IF;
    EXIT WHEN v_again AND v_post >= v_sentries - 1;
    v_post := v_post + CASE WHEN v_held = -1 OR v_post < v_sentries - 1 THEN 1 ELSE 1 + floor(random() * 15)::integer END;
  END LOOP;
  IF NOT v_again THEN
    IF v_held = -1 THEN
      PERFORM set_config('long_task.post', '-2', false);
    END IF;
    RETURN NULL;
  ELSIF v_held >= 0 THEN
    RETURN 0.2; -- where it stands, it can be called meanwhile
  END IF;
  PERFORM set_config('long_task.post', GREATEST(v_held - 1, -9)::text, false);
  RETURN 0.001 * 2 ^ (-v_held - 1);
END
$$;

COMMENT ON FUNCTION long_task.take_post(integer) IS
  'Let the session of an idle node stand at a post of its group. Returns the seconds after which to look again; null: it can sleep.';
