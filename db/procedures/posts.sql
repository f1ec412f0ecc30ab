-- posts: how many idle nodes of a group can be told of tasks that are ready.
--
-- Called by  take_post, leave_post
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.posts()
RETURNS integer
LANGUAGE sql
IMMUTABLE
RETURN 64;

COMMENT ON FUNCTION long_task.posts() IS
  'How many posts a group has, at which its idle nodes stand.';
