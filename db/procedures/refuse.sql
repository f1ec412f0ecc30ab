-- refuse: raise one of this schema's own errors.
--
-- Called by  procedures that refuse something; the codes are listed in docs/sql.md. Triggers raise by
--            themselves: what people see under an error is then one line of context, not the text of a
--            statement too.
-- Locks      nothing
-- Raises     p_code, always
CREATE OR REPLACE FUNCTION long_task.refuse(
  p_code    text,
  p_message text,
  p_hint    text,
  p_detail  text DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF p_detail IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = p_code, MESSAGE = p_message, HINT = p_hint;
  END IF;
  RAISE EXCEPTION USING ERRCODE = p_code, MESSAGE = p_message, HINT = p_hint, DETAIL = p_detail;
END
$$;

COMMENT ON FUNCTION long_task.refuse(text, text, text, text) IS
  'Raise an error with a code of class LT, a message, a hint and a detail.';
