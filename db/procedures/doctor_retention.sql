-- doctor_retention: policies that nobody sees to, what is in their way, and history that grows without one.
--
-- Called by  doctor
-- Locks      each partition of task_run in ACCESS SHARE mode, while its size is asked for
-- Raises     nothing
--
-- Every node tidies up, and whoever is at it moves next_at on with each step. A night's cron is often enough, too: only
-- what was left alone for longer than a day is told. How many rows history has is an estimate (history_rows).
CREATE OR REPLACE FUNCTION long_task.doctor_retention()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_late  CONSTANT interval := interval '25 hours';
  v_bytes CONSTANT bigint := pg_size_bytes('50 GB');
  v_rows  CONSTANT bigint := 100000000;
  v_now   timestamptz := long_task.clock();
  v_found record;
BEGIN
  RETURN QUERY
  SELECT 'warning', 'not_tidied_up', 'table maintenance', format('Something is in the way of retention: %s', m.error),
    'Nothing, if it has gone by the next round. Else look for a transaction that holds the rows, or for a foreign key or a view that refers to them.'
  FROM long_task.maintenance AS m
  WHERE m.error IS NOT NULL;

  RETURN QUERY
  SELECT
    'warning',
    'retention_late',
    'table maintenance',
    CASE
      WHEN m.next_at < v_now - v_late THEN
        format('There are policies of retention, and nobody has seen to them, which was due at %s.', m.next_at)
      ELSE
        format('Who sees to the policies of retention has not come to an end since %s.', m.swept)
    END,
    CASE
      WHEN m.next_at < v_now - v_late THEN 'Start a node, of any group, or have cron CALL long_task.maintain().'
      ELSE 'CALL long_task.maintain(), which makes no pauses.'
    END
  FROM long_task.maintenance AS m
  WHERE (m.next_at < v_now - v_late OR m.swept < v_now - v_late)
    AND (EXISTS (SELECT FROM long_task.retention) OR EXISTS (SELECT FROM long_task.history_retention));

  IF EXISTS (SELECT FROM long_task.history_retention AS h WHERE h.keep IS NOT NULL OR h.keep_rows IS NOT NULL) THEN
    RETURN;
  END IF;
  SELECT
    sum(pg_total_relation_size(to_regclass(format('long_task.task_run_%s', p.part)))) AS bytes,
    sum(long_task.history_rows(p.part)) AS number
  INTO v_found
  FROM long_task.task_run_part AS p;
  IF v_found.bytes > v_bytes OR v_found.number > v_rows THEN
    RETURN NEXT ('warning', 'history_endless', 'table task_run',
      format('History is kept for ever: about %s rows, %s.', v_found.number, pg_size_pretty(v_found.bytes)),
      'INSERT INTO long_task.history_retention (keep) VALUES (''90 days''), or as long as you need it.'
    )::long_task.finding;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.doctor_retention() IS
  'Findings about policies of retention that are not seen to, and about history that has none.';
