-- seconds_to_next_due: how long a node with free slots may sleep if nothing else happens.
--
-- Called by  sync, when slots are left after a claim.
-- Locks      nothing
-- Raises     nothing
--
-- What is ready or due now, after all of that was claimed and released, is held by somebody's
-- open transaction, or has come this very moment. The end of a transaction wakes nobody if it changed
-- nothing, so the node has to look again soon, but must not do so without a pause.
-- Where a limit holds it back, the node is told when there is room (is_told_of_room).
-- After a claim that took something, what is ready may also be what the claim had no room for: then
-- it looks again at once.
-- With nothing else to do, it is looked into the gaps, in several calls if there is much in them.
-- Rows due in more than a day are not looked at: nodes call far more often than that.
CREATE OR REPLACE FUNCTION long_task.seconds_to_next_due(
  p_worker_id integer,
  p_group_id  integer,
  p_claimed   boolean
)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_pause   CONSTANT double precision := 0.2;
  v_entries CONSTANT integer := 5000;
  v_horizon CONSTANT bigint := 86400000000; -- a day
  v_now     bigint := long_task.time_to_place(long_task.clock());
  v_due     bigint;
  v_again   double precision; -- there is more to be looked through
  v_survey  long_task.survey;
BEGIN
  IF (current_setting('long_task.gaps', true) <> '') IS NOT TRUE THEN
    v_survey := long_task.survey_work(p_worker_id, p_group_id);
    IF v_survey.due_in IS NOT NULL THEN
      RETURN CASE
        WHEN NOT v_survey.ready THEN NULLIF(v_survey.due_in, 'infinity')
        WHEN p_claimed THEN 0
        WHEN long_task.is_told_of_room(p_worker_id, p_group_id) THEN NULLIF(v_survey.due_in, 'infinity')
        ELSE v_pause
      END;
    END IF;
  END IF;
  IF current_setting('long_task.gaps', true) <> '' THEN
    v_again := LEAST(
      long_task.look_into_gaps('group', p_group_id, v_entries, true),
      long_task.look_into_gaps('worker', p_worker_id, v_entries, true),
      long_task.look_into_gaps('delayed_group', p_group_id, v_entries, true),
      long_task.look_into_gaps('delayed_worker', p_worker_id, v_entries, true)
    );
    IF v_again = 0 THEN
      RETURN 0;
    END IF;
  END IF;
  IF EXISTS (SELECT FROM long_task.live_places('group', p_group_id, long_task.queue_spans('group', p_group_id), 1))
     OR EXISTS (SELECT FROM long_task.live_places('worker', p_worker_id, long_task.queue_spans('worker', p_worker_id), 1)) THEN
    IF p_claimed OR long_task.is_told_of_room(p_worker_id, p_group_id) IS NOT TRUE THEN
      RETURN CASE WHEN p_claimed THEN 0 ELSE LEAST(v_again, v_pause) END;
    END IF;
  END IF;

  v_due := LEAST(
    (
      SELECT l.place
      FROM long_task.live_places('delayed_group', p_group_id, long_task.queue_spans('delayed_group', p_group_id), 1) AS l
    ),
    (
      SELECT l.place
      FROM long_task.live_places('delayed_worker', p_worker_id, long_task.queue_spans('delayed_worker', p_worker_id), 1) AS l
    )
  );
  IF v_due <= v_now THEN
    RETURN LEAST(v_again, v_pause);
  END IF;
  RETURN LEAST(v_again, CASE WHEN v_due < v_now + v_horizon THEN (v_due - v_now) / 1000000.0 END);
END
$$;

COMMENT ON FUNCTION long_task.seconds_to_next_due(integer, integer, boolean) IS
  'Seconds until the worker may have something to start, by a delay or a lock that is let go; null: nothing within a day.';
