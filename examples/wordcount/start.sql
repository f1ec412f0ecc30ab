-- Starts it: psql --set=programs=… --set=texts=… --set=marker=… --set=target=… -f start.sql
-- What is between backquotes runs in a shell beside psql; the names come back, one on each line.
\set files `cd -- :'texts' && ls -- *.sql`

SELECT long_task.start_workflow('wordcount', jsonb_build_object(
  'programs', :'programs',
  'texts', :'texts',
  'files', to_jsonb(string_to_array(:'files', E'\n')),
  'marker', :'marker',
  'target', :'target'
)) AS run
\gset

\echo run :run of wordcount
