-- sentries: how many idle nodes of a group are told when there is something for one of them to do.
--
-- Called by  announce_ready, first_at_post, take_post, leave_post, heeded_call
-- Locks      nothing
-- Raises     nothing
--
-- More than one, because a node that does not answer is still taken for an idle one until its connection is closed.
CREATE OR REPLACE FUNCTION long_task.sentries()
RETURNS integer
LANGUAGE sql
IMMUTABLE
RETURN 2;

COMMENT ON FUNCTION long_task.sentries() IS
  'How many idle nodes of a group are told of a task that is ready.';
