-- parse_cron_field: which values a list of items in one field of a cron line names, as bits.
--
-- Called by  parse_cron
-- Locks      nothing
-- Raises     LT007 bad schedule, saying which field
--
-- An item is *, n or n-m, each with a step if wanted; n/step goes on to the end of the field. A step that is
-- longer than the field is refused: */90 in the minutes is not every 90 minutes.
CREATE OR REPLACE FUNCTION long_task.parse_cron_field(
  p_line  text,
  p_field text,
  p_items text[],
  p_low   integer,
  p_high  integer
)
RETURNS bit varying
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_bits   bit varying := repeat('0', p_high + 1)::bit varying;
  v_item   text;
  v_parts  integer[];
  v_first  integer;
  v_last   integer;
  v_step   integer;
  v_reason text;
BEGIN
  FOREACH v_item IN ARRAY p_items LOOP
    v_parts := regexp_match(v_item, '^(?:\*|(\d{1,4})(?:-(\d{1,4}))?)(?:/(\d{1,4}))?$')::integer[];
    v_first := COALESCE(v_parts[1], p_low);
    v_step := COALESCE(v_parts[3], 1);
    v_last := COALESCE(v_parts[2], CASE WHEN v_parts[1] IS NULL OR v_parts[3] IS NOT NULL THEN p_high ELSE v_first END);
    v_reason := CASE
      WHEN v_parts IS NULL THEN 'is not understood'
      WHEN v_first < p_low OR v_last > p_high THEN format('is not between %s and %s', p_low, p_high)
      WHEN v_first > v_last THEN 'goes backwards'
      WHEN v_step NOT BETWEEN 1 AND p_high - p_low + 1 THEN format('has a step that is not between 1 and %s', p_high - p_low + 1)
    END;
    IF v_reason IS NOT NULL THEN
      PERFORM long_task.refuse('LT007',
        format('%s %s of cron %s %s', p_field, quote_literal(v_item), quote_literal(p_line), v_reason),
        'Values are such as 5, 1-5, 1,3 or */10; months and days of the week have names; days have L, LW, 15W, 5L and 5#2 too.');
    END IF;
    FOR v_value IN v_first .. v_last BY v_step LOOP
      v_bits := set_bit(v_bits, v_value, 1);
    END LOOP;
  END LOOP;
  RETURN v_bits;
END
$$;

COMMENT ON FUNCTION long_task.parse_cron_field(text, text, text[], integer, integer) IS
  'Bits for the values 0 to p_high that a list of items of a cron field names.';
