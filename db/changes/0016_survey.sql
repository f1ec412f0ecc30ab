-- survey_work takes the place of quiet_for and says more; look_into_gaps is told whose round it is.
DROP FUNCTION IF EXISTS long_task.quiet_for(integer, integer);
DROP FUNCTION IF EXISTS long_task.look_into_gaps(text, integer, integer);

COMMENT ON TYPE long_task.queue_gaps IS
  'The gaps of a queue in their order; the lane and the place up to which they were looked through, how far at once, how many entries were read since the first, how many too many by the call before, how often the end of them is to be reached until the round that is going is over; a number behind all others, and when it was.';

CREATE TYPE long_task.survey AS (
  ready  boolean,
  busy   boolean,
  due_in double precision
);

COMMENT ON TYPE long_task.survey IS
  'What survey_work has found: whether something is ready for a node, whether something runs on it, seconds until something else is due; a type, because a function that returns one is called without a query.';
