-- Why does this one not run?
SELECT id, name, state_id, long_task.why(id)
FROM long_task.task
WHERE name = 'cancelled waiting';

-- A waiting task is cancelled at once; the processes of a running one are ended first.
UPDATE long_task.task
SET state_id = 'AC'
WHERE name IN ('cancelled waiting', 'cancelled running')
RETURNING id, name, state_id;
