-- doctor_vacuum: whether dead rows are cleared away, statistics are kept, and transaction numbers do not run out.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- By the counters of the server: no row of a table is read. Autovacuum looks once in autovacuum_naptime, so what has come
-- together since then is no delay yet. Of task_run each partition counts for itself, and the whole has nothing to clear away.
CREATE OR REPLACE FUNCTION long_task.doctor_vacuum()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_recent CONSTANT timestamptz := long_task.clock() - interval '10 minutes';
  v_freeze CONSTANT bigint := current_setting('autovacuum_freeze_max_age')::bigint;
  v_multi  CONSTANT bigint := current_setting('autovacuum_multixact_freeze_max_age')::bigint;
BEGIN
  RETURN QUERY
  SELECT 'problem', 'autovacuum_off', 'server', format('%s is off: nothing clears dead rows away.', s.name),
    format('ALTER SYSTEM SET %s = on; SELECT pg_reload_conf()', s.name)
  FROM pg_settings AS s
  WHERE s.name IN ('autovacuum', 'track_counts')
    AND s.reset_val = 'off';

  RETURN QUERY
  SELECT 'warning', 'autovacuum_off', format('table %s%s', c.relname, long_task.history_label(c.relname)),
    'Autovacuum is switched off for it: nothing clears its dead rows away.',
    format('ALTER TABLE %s RESET (autovacuum_enabled)', c.oid::regclass)
  FROM pg_class AS c
  CROSS JOIN LATERAL pg_options_to_table(c.reloptions) AS o
  WHERE c.relnamespace = 'long_task'::regnamespace
    AND o.option_name = 'autovacuum_enabled'
    AND NOT o.option_value::boolean;

  RETURN QUERY
  SELECT 'warning', v.code, format('table %s%s', t.relname, long_task.history_label(t.relname)), v.found, format(v.advice, t.oid::regclass)
  FROM (
    SELECT
      c.oid,
      c.relname,
      c.reltuples,
      pg_stat_get_dead_tuples(c.oid) AS dead,
      long_task.table_option(c.reloptions, 'autovacuum_vacuum_threshold')
        + long_task.table_option(c.reloptions, 'autovacuum_vacuum_scale_factor') * GREATEST(c.reltuples, 0) AS allowed,
      GREATEST(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid)) AS vacuumed,
      pg_stat_get_mod_since_analyze(c.oid) AS changed,
      long_task.table_option(c.reloptions, 'autovacuum_analyze_threshold')
        + long_task.table_option(c.reloptions, 'autovacuum_analyze_scale_factor') * GREATEST(c.reltuples, 0) AS changeable,
      GREATEST(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid)) AS analyzed
    FROM pg_class AS c
    WHERE c.relnamespace = 'long_task'::regnamespace
      AND c.relkind = 'r'
  ) AS t
  CROSS JOIN LATERAL (
    VALUES
      ('vacuum_behind', t.dead > 10000 AND t.dead > 3 * t.allowed AND (t.vacuumed > v_recent) IS NOT TRUE,
        format('%s dead rows, and autovacuum should begin at %s; the latest VACUUM was %s.',
          t.dead, round(t.allowed), COALESCE('at ' || t.vacuumed, 'never, as far as is known')),
        'VACUUM %s. If it comes again: autovacuum_max_workers, autovacuum_vacuum_cost_limit, or somebody who holds a snapshot.'),
      ('statistics_old', t.changed > 100000 AND t.changed > 3 * t.changeable AND (t.analyzed > v_recent) IS NOT TRUE,
        format('%s rows have changed since the latest ANALYZE (%s): plans are made for another table.',
          t.changed, COALESCE('at ' || t.analyzed, 'never, as far as is known')),
        'ANALYZE %s')
  ) AS v(code, holds, found, advice)
  WHERE v.holds;

  RETURN QUERY
  SELECT
    CASE WHEN GREATEST(age(d.datfrozenxid), mxid_age(d.datminmxid)) > 1500000000 THEN 'problem' ELSE 'warning' END,
    'wraparound_near',
    format('database %s', d.datname),
    format('Its oldest transaction number is %s transactions old (multixact: %s); at some two billions it takes no more writes.',
      age(d.datfrozenxid), mxid_age(d.datminmxid)),
    'End what holds old snapshots (if there is any, it is among these findings), then VACUUM (FREEZE), as the owner of all tables.'
  FROM pg_database AS d
  WHERE d.datname = current_database()
    AND (age(d.datfrozenxid) > LEAST(1.5 * v_freeze, 1000000000) OR mxid_age(d.datminmxid) > LEAST(1.5 * v_multi, 1000000000));
END
$$;

COMMENT ON FUNCTION long_task.doctor_vacuum() IS
  'Findings about autovacuum, statistics, and the age of transaction numbers.';
