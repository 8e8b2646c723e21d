import { oneLine } from '../format.ts';
import { COLOURS, type GraphView, lookOf, type NodeView } from './graph-view.ts';

/** A double-quoted string of DOT; the lines of a label are joined by its `\n`. */
const quoted = (...lines: readonly string[]): string =>
  `"${lines.map((line) => oneLine(line, 200).replaceAll('\\', '\\\\').replaceAll('"', '\\"')).join('\\n')}"`;

const SHAPES: Readonly<Record<NodeView['kind'], string>> = {
  agent: 'box',
  workflow: 'component',
  wait: 'hexagon',
  delay: 'cds',
};

const attributes = (pairs: readonly (readonly [string, string] | undefined)[]): string =>
  pairs.flatMap((pair) => (pair === undefined ? [] : [`${pair[0]}=${pair[1]}`])).join(', ');

const coloursOf = (state: string | undefined): readonly (readonly [string, string])[] => {
  const look = lookOf(state);
  if (look === undefined) return [];
  return [
    ['fillcolor', quoted(COLOURS[look].fill)],
    ['color', quoted(COLOURS[look].line)],
  ];
};

const nodeLines = ({ id, kind, what, pivot, state, undo }: NodeView, index: number): string[] => {
  const notes = [what, ...(pivot ? ['pivot'] : []), ...(state === undefined ? [] : [state])].filter(Boolean);
  const lines = [
    `  n${index} [${attributes([['label', quoted(id, ...notes)], ['shape', SHAPES[kind]], pivot ? ['penwidth', '3'] : undefined, ...coloursOf(state)])}];`,
  ];
  if (undo !== undefined) {
    const label = quoted(`compensates ${id}`, undo.what, ...(undo.state === undefined ? [] : [undo.state]));
    lines.push(`  u${index} [${attributes([['label', label], ['shape', 'box'], ...coloursOf(undo.state)])}];`);
    lines.push(`  n${index} -> u${index} [style=dotted, arrowhead=open];`);
  }
  return lines;
};

/** A graph for Graphviz: dotted lines lead to compensations, colours show states. */
export const drawDot = ({ title, nodes, edges }: GraphView): string =>
  [
    `digraph ${quoted(title)} {`,
    '  rankdir=TB;',
    '  node [style="filled,rounded", fillcolor="white", fontname="sans-serif"];',
    ...nodes.flatMap(nodeLines),
    ...edges.map(([from, to]) => `  n${from} -> n${to};`),
    '}',
  ]
    .map((line) => `${line}\n`)
    .join('');
