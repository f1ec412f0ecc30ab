-- quote_label: a text as a label in a drawing language, within its quotes.
--
-- Called by  workflow_graph
-- Locks      nothing
-- Raises     nothing
--
-- A body that is parsed here, not at each call.
CREATE OR REPLACE FUNCTION long_task.quote_label(
  p_text   text,
  p_format text
)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN CASE p_format
  WHEN 'dot' THEN replace(replace(regexp_replace(p_text, '[[:cntrl:]]', ' ', 'g'), '\', '\\'), '"', '\"')
  ELSE replace(replace(replace(replace(
    regexp_replace(p_text, '[[:cntrl:]]', ' ', 'g'), '&', '&amp;'), '"', '&quot;'), '<', '&lt;'), '>', '&gt;')
END;

COMMENT ON FUNCTION long_task.quote_label(text, text) IS
  'A text as it stands between the quotes of a label of Graphviz (dot) or Mermaid.';
