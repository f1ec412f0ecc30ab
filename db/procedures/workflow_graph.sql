-- workflow_graph: a run of a workflow as text that draws a graph.
--
-- Called by  people, pg-tasks graph
-- Locks      nothing
-- Raises     LT004 bad value, LT006 no such run
--
-- A step that is fanned out is one node, which counts its tasks by state.
--
-- p_format  mermaid (flowchart; https://mermaid.js.org) or dot (https://graphviz.org/doc/info/lang.html)
CREATE OR REPLACE FUNCTION long_task.workflow_graph(
  p_run_id bigint,
  p_format text DEFAULT 'mermaid'
)
RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_dot   boolean := p_format = 'dot';
  v_nodes text;
  v_edges text;
BEGIN
  IF v_dot IS NULL OR p_format NOT IN ('mermaid', 'dot') THEN
    PERFORM long_task.refuse('LT004', format('format %s is not known', COALESCE(quote_literal(p_format), 'null')),
      'Give ''mermaid'' or ''dot''.');
  END IF;
  PERFORM long_task.assert_run(p_run_id);
  SELECT string_agg(
    CASE
      WHEN v_dot THEN format('  s%s [label="%s", fillcolor="%s"];', n.first,
        long_task.quote_label(n.label, p_format), n.color)
      ELSE format(E'  s%s["%s"]\n  style s%s fill:%s', n.first,
        long_task.quote_label(n.label, p_format), n.first, n.color)
    END, E'\n' ORDER BY n.first)
  INTO v_nodes
  FROM (
    SELECT
      min(s.id) AS first,
      s.step || CASE WHEN bool_or(s.item IS NOT NULL) THEN format(' x %s', sum(s.tasks)) ELSE '' END
        || ' ' || string_agg(
          s.state_id || CASE WHEN s.item IS NOT NULL THEN ' ' || s.tasks ELSE '' END, ', ' ORDER BY s.state_id
        ) AS label,
      CASE
        WHEN bool_or(s.state_id = 'CF') THEN '#f4b6b6'
        WHEN bool_or(s.state_id IN ('AE', 'AS', 'AC')) THEN '#fff2b3'
        WHEN bool_or(s.state_id IN ('AW', 'AD', 'AB', 'DR')) THEN '#e8e8e8'
        WHEN bool_or(s.state_id = 'CC') THEN '#d8c8e8'
        ELSE '#c3e6c3'
      END AS color
    FROM (
      SELECT min(t.id) AS id, t.step, t.state_id, max(t.item) AS item, count(*) AS tasks
      FROM long_task.task AS t
      WHERE t.run_id = p_run_id
      GROUP BY t.step, t.state_id
    ) AS s
    GROUP BY s.step
  ) AS n;
  SELECT string_agg(
    CASE
      WHEN v_dot THEN format('  s%s -> s%s [label="%s"%s];', e.needed, e.first,
        long_task.quote_label(e.label, p_format), CASE WHEN e.enabled THEN '' ELSE ', style=dashed' END)
      ELSE format('  s%s %s%s s%s', e.needed, CASE WHEN e.enabled THEN '-->' ELSE '-.->' END,
        CASE WHEN e.label <> '' THEN format('|"%s"|', long_task.quote_label(e.label, p_format)) ELSE '' END, e.first)
    END, E'\n' ORDER BY e.needed, e.first)
  INTO v_edges
  FROM (
    SELECT
      (SELECT min(f.id) FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = p.step) AS needed,
      (SELECT min(f.id) FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = t.step) AS first,
      concat_ws(' ', NULLIF(d."on", 'success'), d.condition::text) AS label,
      d.enabled
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS t ON t.id = d.task_id
    JOIN long_task.task AS p ON p.id = d.needs_task_id AND p.run_id = p_run_id
    WHERE t.run_id = p_run_id
    GROUP BY p.step, t.step, d."on", d.condition::text, d.enabled
  ) AS e;
  IF v_dot THEN
    RETURN concat_ws(E'\n', 'digraph run {', '  rankdir=LR;', '  node [shape=box, style="rounded,filled"];', v_nodes, v_edges, '}');
  END IF;
  RETURN concat_ws(E'\n', 'flowchart LR', v_nodes, v_edges);
END
$$;

COMMENT ON FUNCTION long_task.workflow_graph(bigint, text) IS
  'A run of a workflow as a graph, in the language of Mermaid (''mermaid'') or of Graphviz (''dot'').';
