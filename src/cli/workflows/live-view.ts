import { drawExecution, type Watched } from './watch-view.ts';

/** Changes come faster than anyone can read, and each redraw is a query. */
const REDRAW_MS = 200;
/** Keeps the times running while nothing happens. */
const TICK_MS = 1_000;

export type Screen = Pick<NodeJS.WriteStream, 'write' | 'columns' | 'rows'>;

/** Keeps a view of an execution on a terminal, each drawn over the previous one. */
export class LiveView {
  readonly #screen: Screen;
  readonly #colour: boolean;
  readonly #read: () => Promise<Watched>;
  readonly #ticking: NodeJS.Timeout;
  #seen: Watched | undefined;
  #lines = 0;
  #drawing: Promise<void> | undefined;
  #wanted = false;

  constructor(screen: Screen, colour: boolean, read: () => Promise<Watched>) {
    this.#screen = screen;
    this.#colour = colour;
    this.#read = read;
    this.#ticking = setInterval(() => this.#draw(), TICK_MS);
  }

  /** Something happened: redraws soon. */
  changed(): void {
    this.#wanted = true;
    this.#drawing ??= this.#refresh().finally(() => {
      this.#drawing = undefined;
    });
  }

  /** Draws the last view and leaves it on the screen. */
  async stop(): Promise<void> {
    clearInterval(this.#ticking);
    this.changed();
    await this.#drawing;
  }

  async #refresh(): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      try {
        this.#seen = await this.#read();
        this.#draw();
      } catch {
        // The server is unreachable for now: the caller that follows the execution waits for it, or gives up and reports why.
      }
      if (this.#wanted) await new Promise((resolve) => setTimeout(resolve, REDRAW_MS));
    }
  }

  #draw(): void {
    if (this.#seen === undefined) return;
    // A terminal without a size reports 0.
    const columns = this.#screen.columns || 80;
    const rows = this.#screen.rows || 24;
    const lines = drawExecution(this.#seen, { columns, rows, colour: this.#colour, nowMs: Date.now() });
    const back = this.#lines === 0 ? '' : `\u001b[${this.#lines}A\u001b[J`;
    this.#screen.write(`${back}${lines.map((line) => `${line}\n`).join('')}`);
    this.#lines = lines.length;
  }
}
