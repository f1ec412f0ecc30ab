-- announce_ready: wake some of the nodes of a group, if any is idle, for a task that is ready or delayed.
--
-- Called by  announce_tasks, move_task, finish_attempts
-- Locks      the first posts (advisory locks, shared, until the end of the transaction) where nobody stands;
--            otherwise PostgreSQL's own queue of notifications, at commit.
-- Raises     nothing
--
-- A transaction that notifies takes a lock of the whole database at its commit, and wakes a process for each that
-- listens: far dearer than the INSERT itself. So a statement that is a transaction of its own notifies only if an idle
-- node stands at one of the first eight posts of its group (take_post). If there is none, it holds the posts until it is
-- committed. A node that would stand there cannot before, and looks at the queue once more when it does: so either it
-- sees the task, or the task sees it.
-- In a transaction of several statements nobody knows how long it will be open, and posts cannot be held for so long:
-- that one notifies. Who is idle at its commit, hears it; of those who stand behind the sentries, one, if no sentry is there now,
-- by its number and as a sentry, which it may have become until then.
-- So does a statement about very many groups, for all but the first: the server has room for so many locks only. How many groups it
-- holds posts of, and of which last, is in a setting of the transaction (long_task.posts_held).
--
-- p_count  how many tasks there are: of many, all idle nodes are told.
CREATE OR REPLACE FUNCTION long_task.announce_ready(
  p_group_id integer,
  p_count    bigint DEFAULT 1
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_many    CONSTANT integer := 10;
  v_groups  CONSTANT integer := 20;
  v_held    CONSTANT text := NULLIF(current_setting('long_task.posts_held', true), '');
  v_several boolean := statement_timestamp() <> transaction_timestamp();
  v_first   integer;
  v_told    boolean := true;
BEGIN
  IF v_held IS NOT NULL AND split_part(v_held, ' ', 2) <> p_group_id::text THEN
    v_several := v_several OR split_part(v_held, ' ', 1)::integer >= v_groups;
  END IF;
  IF v_several THEN
    BEGIN
      v_first := long_task.first_at_post(p_group_id);
      RAISE no_data_found; -- which lets go of the posts that nobody stands at
    EXCEPTION
      WHEN no_data_found THEN
        NULL;
    END;
  ELSE
    v_first := long_task.first_at_post(p_group_id);
    IF (v_first > 0) IS NOT FALSE AND (split_part(v_held, ' ', 2) = p_group_id::text) IS NOT TRUE THEN
      PERFORM set_config(
        'long_task.posts_held',
        format('%s %s', COALESCE(split_part(v_held, ' ', 1)::integer, 0) + 1, p_group_id),
        true
      );
    END IF;
    -- Nodes behind a pooler have no session that could stand at a post. Taken and let go in one expression, in which
    -- nobody can cancel the statement: it would stay with the session.
    IF v_first IS NULL THEN
      v_told := NOT CASE
        WHEN pg_try_advisory_lock(hashtext('long_task.ear'), p_group_id)
        THEN pg_advisory_unlock(hashtext('long_task.ear'), p_group_id)
        ELSE false
      END;
    END IF;
  END IF;
  IF v_told THEN
    PERFORM pg_notify('long_task_group_' || p_group_id, CASE
      WHEN p_count > v_many THEN ''
      WHEN v_first >= long_task.sentries() THEN v_first::text
      ELSE 'sentries'
    END);
    IF v_several AND v_first >= long_task.sentries() THEN
      PERFORM pg_notify('long_task_group_' || p_group_id, 'sentries');
    END IF;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.announce_ready(integer, bigint) IS
  'Wake some of the idle nodes of a group, if there are any.';
