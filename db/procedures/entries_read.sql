-- entries_read: how many entries of a queue's index this session has read, also in vain.
--
-- Called by  look_into_gaps, which compares two answers of one transaction
-- Locks      nothing
-- Raises     nothing
--
-- PostgreSQL counts them anyway; without track_counts it does not, all that is read seems to be free, and
-- no gap is ever noted.
CREATE OR REPLACE FUNCTION long_task.entries_read(p_queue text)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN pg_stat_get_xact_tuples_returned(CASE p_queue
    WHEN 'group' THEN 'long_task.task_ready'::regclass
    WHEN 'worker' THEN 'long_task.task_ready_pinned'::regclass
    WHEN 'delayed_group' THEN 'long_task.task_delayed'::regclass
    WHEN 'delayed_worker' THEN 'long_task.task_delayed_pinned'::regclass
    WHEN 'schedule' THEN 'long_task.task_scheduled'::regclass
  END);
END
$$;

COMMENT ON FUNCTION long_task.entries_read(text) IS
  'How many entries of the index of a queue this session has read so far.';
