-- leave_post: let the session of a node that is idle no more leave its post, and call others in its place.
--
-- Called by  sync, of a node whose slots are full or that starts nothing; lock_worker and leave_worker
-- Locks      nothing
-- Raises     nothing
--
-- One is called if a sentry is missing, and one if more is ready than this node could take: that one does the same.
-- The post is left first, and looked at the queue afterwards, so that of two that leave at the same time, and
-- call each other, the later one sees what there is to be done. Nodes that have left leave gaps behind them, so all
-- posts are looked at.
--
-- p_own  how many active leases of the group are the caller's: if there is no other, there is nobody to call
CREATE OR REPLACE FUNCTION long_task.leave_post(
  p_group_id integer,
  p_own      integer DEFAULT 1
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_held   integer := NULLIF(current_setting('long_task.post', true), '')::integer;
  v_wanted integer := 0;
BEGIN
  IF (v_held >= 0) IS NOT TRUE THEN
    IF v_held < -1 THEN
      PERFORM set_config('long_task.post', '-1', false); -- when it is idle again, it looks anew
    END IF;
    RETURN;
  END IF;
  PERFORM pg_advisory_unlock(hashtext('long_task.post') + v_held, p_group_id);
  PERFORM set_config('long_task.post', '-1', false);

  IF NOT EXISTS (
    SELECT FROM long_task.worker_lease AS l
    WHERE l.group_id = p_group_id
      AND l.active
    OFFSET p_own
  ) THEN
    RETURN;
  END IF;
  FOR v_post IN 0 .. long_task.sentries() - 1 LOOP
    IF pg_try_advisory_lock_shared(hashtext('long_task.post') + v_post, p_group_id) THEN
      PERFORM pg_advisory_unlock_shared(hashtext('long_task.post') + v_post, p_group_id);
      v_wanted := 1;
    END IF;
  END LOOP;
  IF EXISTS (SELECT FROM long_task.live_places('group', p_group_id, long_task.queue_spans('group', p_group_id), 1)) THEN
    v_wanted := v_wanted + 1;
  END IF;
  FOR v_post IN long_task.sentries() .. long_task.posts() - 1 LOOP
    EXIT WHEN v_wanted = 0;
    IF pg_try_advisory_lock_shared(hashtext('long_task.post') + v_post, p_group_id) THEN
      PERFORM pg_advisory_unlock_shared(hashtext('long_task.post') + v_post, p_group_id);
    ELSE
      PERFORM pg_notify('long_task_group_' || p_group_id, v_post::text);
      v_wanted := v_wanted - 1;
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.leave_post(integer, integer) IS
  'Let the session of a node that is idle no more leave its post, and call others that are.';
