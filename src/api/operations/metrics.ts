import type { RequestHandler } from 'express';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logger.ts';

/** Counters and gauges of a part of this process, by name; read at each scrape. */
export type CounterSource = {
  /** Becomes `baton_<part>_<name>_total`. */
  readonly part: string;
  /** All sources of a part have the same label names. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly read: () => Readonly<Record<string, number>>;
  /** Names whose value goes up and down; they carry no `_total`. */
  readonly gauges?: readonly string[];
};

/** A figure that needs a query, such as a projection's lag. One that fails is left out of the answer and logged. */
export type Measurement = {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly read: () => Promise<
    readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]
  >;
};

export type Metrics = {
  readonly registry: Registry;
  /** Measures the duration of an endpoint's requests. */
  timed(endpoint: string): RequestHandler;
  /** Returns how to take them out again. */
  addCounters(source: CounterSource): () => void;
  addMeasurement(measurement: Measurement): void;
};

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** One metric per name, whose sources differ by their labels. */
const addSources = (registry: Registry) => {
  const sources = new Map<string, CounterSource[]>();
  const addMetric = (name: string, key: string, { part, labels = {} }: CounterSource, isGauge: boolean): void => {
    const collect = function (this: { reset(): void; inc(labels: Record<string, string>, by: number): void }): void {
      this.reset();
      for (const source of sources.get(part) ?? []) this.inc({ ...source.labels }, source.read()[key] ?? 0);
    };
    const options = { name, help: `${key} of the ${part}`, labelNames: Object.keys(labels), registers: [registry] };
    if (isGauge) new Gauge({ ...options, collect });
    else new Counter({ ...options, collect });
  };
  return (source: CounterSource): (() => void) => {
    const known = sources.get(source.part);
    const remove = (): void => {
      const all = sources.get(source.part) ?? [];
      sources.set(
        source.part,
        all.filter((other) => other !== source),
      );
    };
    if (known) {
      known.push(source);
      return remove;
    }
    sources.set(source.part, [source]);
    for (const key of Object.keys(source.read())) {
      const isGauge = source.gauges?.includes(key) ?? false;
      addMetric(`baton_${source.part}_${snake(key)}${isGauge ? '' : '_total'}`, key, source, isGauge);
    }
    return remove;
  };
};

/** The registry of this process. Each process reports only what it did itself, so that nothing is counted twice. */
export const createMetrics = ({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }): Metrics => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: 'baton_http_request_duration_seconds',
    help: 'Time to answer a request; a subscription counts when it ends',
    labelNames: ['method', 'endpoint', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return {
    registry,
    timed: (endpoint) => (request, response, next) => {
      const start = clock.monotonic();
      response.once('close', () =>
        requests.observe(
          { method: request.method, endpoint, status: response.statusCode },
          (clock.monotonic() - start) / 1_000,
        ),
      );
      next();
    },
    addCounters: addSources(registry),
    addMeasurement({ name, help, labelNames, read }) {
      const gauge = new Gauge({
        name,
        help,
        labelNames: [...labelNames],
        registers: [registry],
        async collect() {
          gauge.reset();
          try {
            for (const { labels, value } of await read()) gauge.set(labels, value);
          } catch (error) {
            logger.debug({ err: error, metric: name }, 'a figure could not be read');
          }
        },
      });
    },
  };
};

/** Counts the events of the log by type, whichever process wrote them: every process has the same figures, from its own start on. */
export const countEvents = ({ registry }: Metrics): ((event: { readonly type: string }) => void) => {
  const counts = new Map<string, number>();
  new Counter({
    name: 'baton_log_events_total',
    help: 'Events seen in the log since this process started, by type; do not sum over processes',
    labelNames: ['type'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [type, count] of counts) this.inc({ type }, count);
    },
  });
  return ({ type }) => counts.set(type, (counts.get(type) ?? 0) + 1);
};

export const metricsPage =
  ({ registry }: Metrics): RequestHandler =>
  async (_request, response) => {
    response.type(registry.contentType).send(await registry.metrics());
  };
