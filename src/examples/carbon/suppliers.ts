import { COUNTRIES } from './factors.ts';

/** The yearly electricity use of one supplier: the input of a `footprint` task. */
export type Supplier = { readonly supplier: string; readonly country: string; readonly kWh: number };

const FIRST = ['Alpine', 'Baltic', 'Copper', 'Delta', 'Evergreen', 'Falcon', 'Granite', 'Harbour', 'Iron', 'Juniper'];
const SECOND = [
  'Castings',
  'Coatings',
  'Electronics',
  'Foods',
  'Glass',
  'Logistics',
  'Paper',
  'Plastics',
  'Steel',
  'Textiles',
];
const FORM = ['AG', 'GmbH', 'Inc', 'Ltd', 'SA', 'SpA'];

/** Mulberry32: small, fast, and the same everywhere. Uniform in [0, 1). */
const randomOf = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** Generates `count` suppliers. The same seed gives the same suppliers, whatever the count: a larger count only adds to them. */
export const generateSuppliers = (seed: number, count: number): Supplier[] => {
  const random = randomOf(seed);
  const pick = (from: readonly string[]): string => from[Math.floor(random() * from.length)] ?? '';
  return Array.from({ length: count }, (_, index) => ({
    supplier: `${pick(FIRST)} ${pick(SECOND)} ${pick(FORM)} ${index + 1}`,
    country: pick(COUNTRIES),
    // From 1 MWh to 10 GWh; most are small and few are large.
    kWh: Math.round(1_000 * 10 ** (4 * random() ** 2)),
  }));
};
