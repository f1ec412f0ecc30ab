-- preview_from: the time from which a preview of a schedule begins.
--
-- Called by  schedule_preview
-- Locks      nothing
-- Raises     LT004 bad value
CREATE OR REPLACE FUNCTION long_task.preview_from(
  p_from  timestamptz,
  p_count integer
)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_first CONSTANT timestamptz := timestamptz '1900-01-01 00:00+00';
  v_last  CONSTANT timestamptz := timestamptz '9999-12-31 00:00+00';
BEGIN
  IF (p_count BETWEEN 0 AND 10000) IS NOT TRUE THEN
    PERFORM long_task.refuse('LT004', format('%s starts cannot be shown', COALESCE(p_count::text, 'null')),
      'Ask for 0 to 10000.');
  END IF;
  IF p_from NOT BETWEEN v_first AND v_last THEN
    PERFORM long_task.refuse('LT004', format('starts from %s on cannot be shown', p_from),
      'Give a time between the years 1900 and 9999.');
  END IF;
  RETURN COALESCE(p_from, long_task.clock());
END
$$;

COMMENT ON FUNCTION long_task.preview_from(timestamptz, integer) IS
  'The time from which a preview begins: now if none is given. Refuses what cannot be shown.';
