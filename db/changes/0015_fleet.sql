-- Large fleets: each node watches over a few others, who come after it when all are in the order of this index. It is
-- a mixed order, so that nodes that fail together, as those of one machine, have other nodes that watch over them.
CREATE INDEX worker_lease_watch
  ON long_task.worker_lease (hashint4(worker_id))
  WHERE active;
