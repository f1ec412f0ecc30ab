-- doctor_indexes: indexes that are far larger than what is in them, and those that are none.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- An estimate, from the catalogue alone: a B-tree of so many entries, each a header of 8 bytes, a line pointer of 4 and the
-- average width of its columns, in pages that are filled to nine tenths. Equal keys are stored once, so an index can be
-- smaller than that; larger by far, it is mostly empty. The number of entries is that of the latest VACUUM or ANALYZE, so
-- tables that have changed much since then are left out. A width that cannot be seen counts as 32 bytes. Of task_run
-- each partition has its own; one of the whole is nothing but their list, and is not judged.
CREATE OR REPLACE FUNCTION long_task.doctor_indexes()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_matters CONSTANT bigint := 32 * 1024 * 1024;
  v_factor  CONSTANT integer := 4;
BEGIN
  RETURN QUERY
  SELECT 'warning', 'index_invalid', format('index %s%s', c.relname, long_task.history_label(t.relname)),
    'A CREATE or REINDEX CONCURRENTLY has not come to its end: it is written to, and not used.',
    format('DROP INDEX CONCURRENTLY %s, unless it is being built at this moment (pg_stat_progress_create_index).', c.oid::regclass)
  FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_class AS t ON t.oid = i.indrelid
  WHERE c.relnamespace = 'long_task'::regnamespace
    AND c.relkind = 'i'
    AND NOT i.indisvalid
    AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.relid = i.indrelid);

  RETURN QUERY
  SELECT 'warning', 'index_bloated', format('index %s%s', x.relname, long_task.history_label(x.of)),
    format('%s for %s entries, which would fit into about %s.',
      pg_size_pretty(x.bytes), round(x.entries), pg_size_pretty(x.needed::bigint)),
    format('REINDEX INDEX CONCURRENTLY %s', x.oid::regclass)
  FROM (
    SELECT
      c.oid,
      c.relname,
      t.relname AS of,
      c.reltuples::numeric AS entries,
      pg_relation_size(c.oid) AS bytes,
      -- Two pages are there in any case.
      16384 + c.reltuples::numeric * (4 + 8 * ceil((8 + w.width) / 8.0)) / 0.9 AS needed
    FROM pg_class AS c
    JOIN pg_index AS i ON i.indexrelid = c.oid
    JOIN pg_class AS t ON t.oid = i.indrelid
    JOIN pg_am AS m ON m.oid = c.relam
    CROSS JOIN LATERAL (
      SELECT sum(CASE WHEN k.attlen > 0 THEN k.attlen ELSE COALESCE(s.avg_width, 32) END) AS width
      FROM pg_attribute AS k
      LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.attnum - 1] AND a.attnum > 0
      LEFT JOIN pg_stats AS s ON s.schemaname = 'long_task' AND s.tablename = t.relname AND s.attname = a.attname
      WHERE k.attrelid = c.oid
    ) AS w
    WHERE c.relnamespace = 'long_task'::regnamespace
      AND c.relkind = 'i'
      AND m.amname = 'btree'
      AND i.indisvalid
      AND c.reltuples >= 0
      AND pg_relation_size(c.oid) > v_matters
      AND pg_stat_get_mod_since_analyze(t.oid) <= 1000 + 0.2 * GREATEST(t.reltuples, 0)
  ) AS x
  WHERE x.bytes > v_factor * x.needed;
END
$$;

COMMENT ON FUNCTION long_task.doctor_indexes() IS
  'Findings about indexes that are mostly empty, by an estimate, or invalid.';
