-- heeded_call: which notification of the group's channel is for the session at its post.
--
-- Called by  sync
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.heeded_call()
RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_held integer := current_setting('long_task.post')::integer;
BEGIN
  RETURN CASE
    WHEN v_held < 0 THEN NULL
    WHEN v_held < long_task.sentries() THEN 'sentries'
    ELSE v_held::text
  END;
END
$$;

COMMENT ON FUNCTION long_task.heeded_call() IS
  'Which notification of its group''s channel is for the session at its post; null: it has none.';
