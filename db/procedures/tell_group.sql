-- tell_group: wake the nodes of a group whose limit has been changed.
--
-- Called by  trigger on group_limit, after each write.
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.tell_group()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    PERFORM long_task.announce(OLD.group_id, NULL);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM long_task.announce(NEW.group_id, NULL);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.tell_group() IS
  'Trigger: wake the nodes of a group whose limit has been changed.';

CREATE OR REPLACE TRIGGER tell_group
AFTER INSERT OR UPDATE OR DELETE ON long_task.group_limit
FOR EACH ROW
EXECUTE FUNCTION long_task.tell_group();
