import type { Clock } from '../core/ports.ts';
import type { OutputStream } from './scan-output.ts';

const redrawMs = 100;
const barWidth = 24;
const clearLine = '\r\x1b[2K';

/** How far a scan has come, in one line of a terminal that is drawn over and over; elsewhere it says nothing. */
export class ScanProgress {
  readonly #stream: OutputStream;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #repositories: number;
  #done = 0;
  #tags = 0;
  #drawnMs = -Infinity;
  #hasEnded = false;

  constructor(stream: OutputStream, clock: Pick<Clock, 'nowMs'>, repositories: number) {
    this.#stream = stream;
    this.#clock = clock;
    this.#repositories = repositories;
    this.#draw();
  }

  tagDone(): void {
    this.#tags += 1;
    if (this.#clock.nowMs() - this.#drawnMs >= redrawMs) this.#draw();
  }

  repositoryDone(): void {
    this.#done += 1;
    this.#draw();
  }

  /** Before something else is written to the same terminal. */
  clear(): void {
    if (this.#stream.isTTY) this.#stream.write(clearLine);
  }

  /** What is still under way after an interruption is drawn no more. */
  end(): void {
    this.#hasEnded = true;
  }

  #draw(): void {
    if (!this.#stream.isTTY || this.#hasEnded) return;
    this.#drawnMs = this.#clock.nowMs();
    const filled = Math.floor((barWidth * this.#done) / Math.max(this.#repositories, 1));
    const bar = '#'.repeat(filled).padEnd(barWidth, '-');
    const line = `[${bar}] ${this.#done}/${this.#repositories} repositories, ${this.#tags} tags`;
    // A line that wraps could not be drawn over.
    const width = (this.#stream.columns ?? 80) - 1;
    this.#stream.write(`${clearLine}${line.slice(0, Math.max(width, 0))}`);
  }
}
