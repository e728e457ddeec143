import { LineCounter } from 'yaml';

/** What is wrong with a value, and its mend. Whoever catches it knows the place. */
export class Invalid extends Error {}

/** The errors of one document: collected all, then told in the order of the text. */
export class Complaints {
  readonly lines = new LineCounter();
  readonly #offsets = new Map<string, number>();

  add(offset: number, place: string, message: string): void {
    const told = place === '' ? message : `${place}: ${message}`;
    this.#offsets.set(`${this.positionOf(offset)} ${told}`, offset);
  }

  /** As `12:3`: line and column, from 1. */
  positionOf(offset: number): string {
    const { line, col } = this.lines.linePos(offset);
    // An empty document has no line at all.
    return line === 0 ? '1:1' : `${line}:${col}`;
  }

  inOrder(): readonly string[] {
    return [...this.#offsets].sort(([, a], [, b]) => a - b).map(([message]) => message);
  }
}
