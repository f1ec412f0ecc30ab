-- How a run stands: psql --set=run=… -f look.sql
SELECT status, tasks, waiting, running, completed, failed, cancelled
FROM long_task.workflow_status
WHERE run_id = :run;

-- Where it stopped.
SELECT what, step, state_id, error
FROM long_task.workflow_recovery_point(:run);

-- How often each step was tried.
SELECT s.step, count(DISTINCT s.task_id) AS tasks, count(r.attempt) AS attempts, max(r.attempt) AS most
FROM long_task.workflow_step_status AS s
LEFT JOIN long_task.task_run AS r ON r.task_id = s.task_id
WHERE s.run_id = :run
GROUP BY s.step
ORDER BY min(s.task_id);
