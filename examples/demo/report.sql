-- What became of the tasks?
SELECT
  t.state_id,
  s.name AS state,
  count(*) AS tasks,
  max(t.finished - t.started) AS longest
FROM long_task.task AS t
JOIN long_task.task_state AS s ON s.id = t.state_id
GROUP BY t.state_id, s.name
ORDER BY count(*) DESC, t.state_id;

-- The special ones, and what there is to say about them.
SELECT id, name, state_id, attempt, exit_code, signal, long_task.why(id)
FROM long_task.task
WHERE name !~ '^(hash|compress) '
ORDER BY id;

-- Their history: one row for each attempt that was made.
SELECT
  t.name, r.attempt, r.state_id, r.exit_code, r.signal, r.error, r.finished - r.started AS took, r.output
FROM long_task.task AS t
JOIN long_task.task_run AS r ON r.task_id = t.id
WHERE t.name !~ '^(hash|compress) '
ORDER BY t.id, r.attempt;

-- What the programs that compressed said in PG_TASKS_RESULT, and what it cost.
SELECT
  sum((t.result ->> 'before')::bigint) AS bytes_before,
  sum((t.result ->> 'after')::bigint) AS bytes_after,
  round(sum(r.user_seconds + r.system_seconds)::numeric, 2) AS cpu_seconds,
  pg_size_pretty(max(r.peak_memory)) AS peak_memory
FROM long_task.task AS t
JOIN long_task.task_run AS r ON r.task_id = t.id
WHERE t.name LIKE 'compress %';
