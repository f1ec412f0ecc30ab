-- How often the table of tasks is vacuumed.
--
-- Each task leaves two dead rows behind, and their entries at the front of the index that is the queue, where claims pass
-- over them. By default a table of ten million rows is vacuumed when two millions are dead. Much more often is no better:
-- each VACUUM reads the indexes from end to end (docs/performance.md).
ALTER TABLE long_task.task SET (
  autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_vacuum_threshold = 1000
);
