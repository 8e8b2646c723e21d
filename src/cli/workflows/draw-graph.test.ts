import { describe, expect, it } from 'vitest';
import { compileWorkflow } from '../../domain/workflow/compile.ts';
import { WorkflowDefinition } from '../../domain/workflow/definition.ts';
import { drawDot } from './draw-dot.ts';
import { drawMermaid } from './draw-mermaid.ts';
import { type GraphView, graphView } from './graph-view.ts';

const view = (definition: object, states?: Parameters<typeof graphView>[1]): GraphView => {
  const compiled = compileWorkflow(WorkflowDefinition.parse({ name: 'order', version: '1.0.0', ...definition }));
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.rejection));
  return graphView(compiled.value, states);
};

const ORDER = view({
  tasks: [
    { id: 'reserve', capability: 'stock.reserve', compensation: { capability: 'stock.release' } },
    { id: 'end', capability: 'pay', dependsOn: ['reserve'], pivot: true },
    { id: 'ask', waitFor: { kind: 'decision', name: 'approve' }, dependsOn: ['reserve'] },
    { id: 'later', delayMs: 1_500, dependsOn: ['end'] },
    { id: 'ship', workflow: { name: 'shipping', version: '2.0.0' }, dependsOn: ['later', 'ask'] },
  ],
});

/** A node whose text holds everything that either language takes for its own. */
const hostile = (id: string): GraphView => ({
  title: id,
  nodes: [{ id, kind: 'agent', what: id, pivot: false, undo: { what: id, state: undefined }, state: undefined }],
  edges: [],
});
const HOSTILE = 'a"]\nb --> c; click n0 "javascript:x" <b> #35; \\" `%%{init}%%` {{[(|)]}} \u001b[31m\u202e';

describe('a graph in Mermaid', () => {
  it('shows kinds by shape, pivots by outline, compensations by dotted lines', () => {
    expect(drawMermaid(ORDER).split('\n').slice(0, 14)).toEqual([
      '%% order@1.0.0',
      'flowchart TD',
      '  n0["reserve<br/>stock.reserve"]',
      '  u0("compensates reserve<br/>stock.release")',
      '  n0 -.-> u0',
      '  n1["end<br/>pay<br/>pivot"]:::pivot',
      '  n2{{"ask<br/>decision approve"}}',
      '  n3(["later<br/>1500 ms"])',
      '  n4[["ship<br/>shipping@2.0.0"]]',
      '  n0 --> n1',
      '  n0 --> n2',
      '  n1 --> n3',
      '  n3 --> n4',
      '  n2 --> n4',
    ]);
  });

  it('cannot be broken by the text of a label', () => {
    const lines = drawMermaid(hostile(HOSTILE)).trimEnd().split('\n');
    expect(lines[0]).toMatch(/^%% [\p{L}\p{N} _.,:@~+#;-]*$/u);
    const label = String.raw`[\p{L}\p{N} _.,:@~+-]|#\d+;|<br\/>`;
    expect(lines[2]).toMatch(new RegExp(`^ {2}n0\\["(${label})*"\\]$`, 'u'));
    expect(lines[3]).toMatch(new RegExp(`^ {2}u0\\("(${label})*"\\)$`, 'u'));
    expect(lines).toHaveLength(5 + 6 + 1);
  });

  it('colours the steps of an execution by their state', () => {
    const states = {
      steps: new Map([
        ['reserve', 'completed'],
        ['end', 'failed'],
        ['ask', 'waiting'],
        ['later', 'pending'],
        ['ship', 'something new'],
      ]),
      undos: new Map([['reserve', 'parked']]),
    };
    const { nodes, edges, title } = ORDER;
    const undone = nodes.map((node) => ({
      ...node,
      state: states.steps.get(node.id),
      undo: node.undo && { ...node.undo, state: states.undos.get(node.id) },
    }));
    const lines = drawMermaid({ title, edges, nodes: undone }).split('\n');
    expect(lines).toContain('  n0["reserve<br/>stock.reserve<br/>completed"]:::completed');
    expect(lines).toContain('  u0("compensates reserve<br/>stock.release<br/>parked"):::failed');
    expect(lines).toContain('  n1["end<br/>pay<br/>pivot<br/>failed"]:::failed');
    expect(lines).toContain('  n2{{"ask<br/>decision approve<br/>waiting"}}:::waiting');
    expect(lines).toContain('  n3(["later<br/>1500 ms<br/>pending"])');
    expect(lines).toContain('  n4[["ship<br/>shipping@2.0.0<br/>something new"]]');
  });
});

describe('a graph in DOT', () => {
  it('shows kinds by shape, pivots by outline, compensations by dotted lines', () => {
    const lines = drawDot(ORDER).split('\n');
    expect(lines[0]).toBe('digraph "order@1.0.0" {');
    expect(lines).toContain('  n0 [label="reserve\\nstock.reserve", shape=box];');
    expect(lines).toContain('  u0 [label="compensates reserve\\nstock.release", shape=box];');
    expect(lines).toContain('  n0 -> u0 [style=dotted, arrowhead=open];');
    expect(lines).toContain('  n1 [label="end\\npay\\npivot", shape=box, penwidth=3];');
    expect(lines).toContain('  n4 [label="ship\\nshipping@2.0.0", shape=component];');
    expect(lines).toContain('  n2 -> n4;');
    expect(lines.at(-2)).toBe('}');
  });

  it('cannot be broken by the text of a label', () => {
    const text = drawDot(hostile(HOSTILE));
    const strings = [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, inner]) => inner);
    const outside = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
    expect(outside).not.toMatch(/["\\]{3}|click|javascript/);
    expect(outside.split('\n').filter((line) => line.includes('label'))).toEqual([
      '  n0 [label="", shape=box];',
      '  u0 [label="", shape=box];',
    ]);
    expect(strings.some((inner) => /[\p{Cc}\p{Cf}]/u.test(inner ?? ''))).toBe(false);
  });

  it('colours the steps of an execution by their state', () => {
    const [first] = ORDER.nodes;
    if (first === undefined) throw new Error('no node');
    const text = drawDot({ ...ORDER, nodes: [{ ...first, state: 'completed' }], edges: [] });
    expect(text).toContain('shape=box, fillcolor="#d3f9d8", color="#2b8a3e"');
  });
});
