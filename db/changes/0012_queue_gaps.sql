-- Gaps: what a session knows to be empty in an index that it reads from the front.
--
-- While a snapshot is held, by a report, a backup, a session that was left in a transaction, no entry of an index goes
-- away, and whoever looks for the first ready task passes by all that were taken since. So each session remembers
-- where it has found nothing, and steps over that (note_gaps, look_into_gaps). It is no table, which would collect dead
-- rows itself, and no fact for others: a session that has forgotten it finds it again.
--
-- A lane is a priority, or 0 where entries are in the order of time. A place is ready_seq, or microseconds since 1970.

CREATE TYPE long_task.queue_gap AS (
  lane integer,
  low  bigint,
  high bigint
);

COMMENT ON TYPE long_task.queue_gap IS
  'Places of a lane, from low to before high, at which there is nothing.';

CREATE TYPE long_task.queue_span AS (
  from_lane  integer,
  from_place bigint,
  to_lane    integer,
  to_place   bigint
);

COMMENT ON TYPE long_task.queue_span IS
  'A part of a queue that has to be read: what lies between two gaps.';

CREATE TYPE long_task.queue_gaps AS (
  gaps    long_task.queue_gap[],
  looking integer,
  looked  bigint,
  stride  bigint,
  entries bigint,
  debt    bigint,
  passes  integer,
  next    bigint,
  next_at timestamptz
);

COMMENT ON TYPE long_task.queue_gaps IS
  'The gaps of a queue in their order; the lane and the place up to which they were looked through, how far at once, how many entries were read since the first, how many too many by the call before, how often all were looked through since there was a reason; a number behind all others, and when it was.';

COMMENT ON COLUMN long_task.task.ready_seq IS
  'Place in the queue among tasks of the same priority; below 0: it has waited for its key or was given back, and comes before the others. System.';
