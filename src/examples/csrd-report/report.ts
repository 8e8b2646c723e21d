import { type Footprint, sumOfTonnes } from './data.ts';

export type ReportFacts = {
  readonly execution: string;
  readonly seed: number;
  readonly booking: string;
  readonly checks: number;
  readonly activitySha256: string;
  readonly footprintSha256: string;
};

const LARGEST = 10;

type Line = Footprint['suppliers'][number];

const plain = (value: number, decimals: number): string =>
  value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

export const tonnesText = (tonnes: number): string => `${plain(tonnes, 3)} t CO2e`;

const megawattHours = (lines: readonly Line[]): number => lines.reduce((sum, { kWh }) => sum + kWh, 0) / 1_000;

/** Names are external data and must not be read as Markdown. */
const cell = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_[\]<>|#]/g, '\\$&');

const table = (titles: readonly string[], rows: readonly (readonly string[])[]): string =>
  [titles, titles.map((_, index) => (index === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

const share = (part: number, whole: number): string => `${plain((100 * part) / whole, 1)} %`;

const byCountry = (lines: readonly Line[]) => {
  const groups = new Map<string, Line[]>();
  for (const line of lines) {
    const group = groups.get(line.country);
    if (group) group.push(line);
    else groups.set(line.country, [line]);
  }
  return [...groups]
    .map(([country, own]) => ({ country, own, tonnes: sumOfTonnes(own) }))
    .sort((a, b) => b.tonnes - a.tonnes || a.country.localeCompare(b.country));
};

/** The report in Markdown. The same figures always give the same text, so a repeated call changes nothing. */
export const reportText = ({ source, tonnesCO2e, suppliers }: Footprint, facts: ReportFacts): string => {
  const countries = byCountry(suppliers);
  const largest = suppliers.toSorted((a, b) => b.tonnesCO2e - a.tonnesCO2e).slice(0, LARGEST);
  return `# Footprint of the supply chain's electricity

**${tonnesText(tonnesCO2e)}** in a year, from ${plain(megawattHours(suppliers), 1)} MWh used by ${plain(suppliers.length, 0)} suppliers in ${countries.length} countries.

This is an example: the activity data are generated (seed ${facts.seed}), the emission factors are real.

## By country

${table(
  ['Country', 'Suppliers', 'MWh', 'g CO2e/kWh', 't CO2e', 'Share'],
  countries.map(({ country, own, tonnes }) => [
    cell(country),
    plain(own.length, 0),
    plain(megawattHours(own), 1),
    plain(own[0]?.gCO2PerKWh ?? 0, 2),
    plain(tonnes, 3),
    share(tonnes, tonnesCO2e),
  ]),
)}

## Largest suppliers

${table(
  ['Supplier', 'Country', 'MWh', 't CO2e', 'Share'],
  largest.map((line) => [
    cell(line.supplier),
    cell(line.country),
    plain(line.kWh / 1_000, 1),
    plain(line.tonnesCO2e, 3),
    share(line.tonnesCO2e, tonnesCO2e),
  ]),
)}

## Method

Location-based: yearly electricity in kWh, times the average intensity of the grid of the supplier's country in g CO2e per kWh, rounded to the
gram for each supplier and then summed. Every supplier passed ${facts.checks} plausibility checks first.

## Sources

- Emission factors: ${source}. Countries by ISO 3166 alpha-3 code.
- Activity data: SHA-256 \`${facts.activitySha256}\`
- Figures by supplier: SHA-256 \`${facts.footprintSha256}\`

## Provenance

- Execution \`${facts.execution}\`: its events in the log record which agent did what, and when.
- Booking \`${facts.booking}\` in the ledger.
`;
};
