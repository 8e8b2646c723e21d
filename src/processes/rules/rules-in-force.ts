import type { RoutingRules, RulesHandler } from '../../commands/context.ts';
import { isIn, rulesStream } from '../../domain/ids.ts';
import { NO_RULE_SET, RuleSet } from '../../domain/rules/rule-set.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import { type FollowPorts, followLog } from '../../eventstore/follow-log.ts';

/**
 * The rules of each tenant in the memory of this process. They are read when they are asked for the first time, and again once the log
 * shows a change: a task that is submitted within that lag, a few milliseconds, is still routed by the rules before it.
 */
export class RulesInForce implements RoutingRules {
  readonly #rules: Pick<RulesHandler, 'load'>;
  readonly #reading = new Map<string, Promise<RuleSet>>();
  /** What was read last. */
  readonly #last = new Map<string, RuleSet>();

  constructor(rules: Pick<RulesHandler, 'load'>) {
    this.#rules = rules;
  }

  /** Errors: those of reading the stream; the next call reads again. */
  current(tenant: string): Promise<RuleSet> {
    const stream = rulesStream(tenant);
    const present = this.#reading.get(stream);
    if (present) return present;
    const reading = this.#read(stream);
    this.#reading.set(stream, reading);
    reading.catch(() => {
      if (this.#reading.get(stream) === reading) this.#reading.delete(stream);
    });
    return reading;
  }

  known(tenant: string): Promise<RuleSet> {
    return this.current(tenant).catch(() => this.#last.get(rulesStream(tenant)) ?? NO_RULE_SET);
  }

  changed(tenant: string): void {
    this.#reading.delete(rulesStream(tenant));
  }

  /** Follows the log from its present end, until `signal` aborts. */
  run(ports: FollowPorts, signal: AbortSignal): Promise<void> {
    return followLog({ ...ports, name: 'the routing rules', signal }, (event) => this.#observe(event));
  }

  async #read(stream: string): Promise<RuleSet> {
    const rules = new RuleSet(await this.#rules.load(stream, { fresh: true }));
    this.#last.set(stream, rules);
    return rules;
  }

  #observe({ stream }: StoredEvent): void {
    if (isIn('rules', stream)) this.#reading.delete(stream);
  }
}
