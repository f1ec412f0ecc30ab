-- How often the table of tasks is vacuumed.
--
-- Each task leaves two dead rows behind, and their entries at the front of the index that is the queue, where every
-- claim passes over them. By default a table of ten million rows is vacuumed when two millions are dead.
ALTER TABLE long_task.task SET (
  autovacuum_vacuum_scale_factor = 0.01,
  autovacuum_vacuum_threshold = 1000
);
