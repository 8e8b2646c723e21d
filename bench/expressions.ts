import { parseExpression, type Scope } from '#baton/domain/workflow/expression.js';
import { type Bench, Figures } from './harness.ts';

const LIST = Array.from({ length: 20_000 }, (_, index) => index);
const TEXT = 'ab'.repeat(120_000);

const SCOPE: Scope = {
  input: {
    l: LIST,
    s: TEXT,
    t: `${TEXT}b`,
    o: LIST.map((id) => ({ id })),
    m: Object.fromEntries(LIST.map((n) => [`k${n}`, n])),
  },
  tasks: { a: { output: { l: LIST }, status: 'completed' } },
  execution: { id: 'e-1' },
  item: null,
  index: null,
  self: null,
};

/** Each would hang the process, or take all its memory, if nothing counted what it does. */
const HOSTILE: Readonly<Record<string, string>> = {
  'lists in lists': 'tasks.a.output.l.map(x, tasks.a.output.l + tasks.a.output.l)',
  'search in a long text': 'input.l.map(x, input.s.contains("c"))',
  'search for a long text': 'input.l.map(x, input.s.contains("b" + input.s.substring(0, 400)))',
  'sums of text': 'input.l.map(x, input.s + input.s)',
  'list times list': 'input.l.map(x, input.l.map(y, x + y))',
  'member of a list': 'input.l.all(x, x in input.l)',
  'errors passed over': 'input.l.all(x, x.missing == 1)',
  'errors in errors': 'input.l.exists(x, input.l.all(y, y.missing))',
  'missing fields': 'input.l.map(x, x.?missing.orValue(0))',
  'parts of a text': 'input.l.map(x, input.s.split(""))',
  'keys of a map': 'input.l.map(x, input.m.map(k, k))',
  'size of a map': 'input.l.map(x, size(input.m))',
  'equal lists': 'input.l.map(x, input.o == input.o.map(o, o))',
  'time zones': 'input.l.map(x, timestamp("2026-03-01T12:00:00Z").getHours("Europe/Berlin"))',
  'a long duration': 'duration(input.s.substring(0, 200))',
  'many durations': 'input.l.map(x, duration("99999999999999999999s"))',
  'made keys': 'input.l.map(x, {string(x) + "k": x, string(x) + "l": x})',
};

export const expressions: Bench = {
  question: 'How long does one evaluation of a hostile expression hold the event loop, in processor time?',
  async run({ runs, say }) {
    const figures = new Figures();
    for (const [name, text] of Object.entries(HOSTILE)) {
      const parsed = parseExpression(text);
      if (!parsed.ok) throw new Error(`${text}: ${parsed.rejection}`);
      for (let run = 0; run < runs; run += 1) {
        const before = process.cpuUsage();
        const result = parsed.value.evaluate(SCOPE);
        const { user, system } = process.cpuUsage(before);
        figures.add(name, (user + system) / 1_000, 'ms');
        if (run === 0) say(`${text}: ${result.ok ? 'within the budget' : result.rejection}`);
      }
    }
    return { runs, figures: figures.spreads(), ratios: {} };
  },
};
