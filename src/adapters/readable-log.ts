import { pino } from 'pino';

export interface Reading {
  /** For a terminal; else there is nothing in it but text. */
  readonly isColoured: boolean;
  /** Where several processes write: which of them did. */
  readonly showsPid: boolean;
}

/** Where a logger writes its lines of JSON, so that they come out as people read them, on standard output. */
export function readableLog(reading: Reading): { write(line: string): void; flushSync(): void } {
  const output = pino.destination({ dest: 1, sync: true });
  return {
    write: (line) => {
      output.write(readable(line, reading));
    },
    flushSync: () => {
      output.flushSync();
    },
  };
}

/** As pino makes it. */
interface Line {
  readonly level: number;
  /** Epoch milliseconds. */
  readonly time: number;
  readonly pid: number;
  readonly msg?: string;
  readonly err?: { readonly message?: string; readonly stack?: string };
  readonly [field: string]: unknown;
}

const levels: Readonly<Record<number, readonly [name: string, colour: number]>> = {
  10: ['TRACE', 90],
  20: ['DEBUG', 90],
  30: ['INFO', 32],
  40: ['WARN', 33],
  50: ['ERROR', 31],
  60: ['FATAL', 35],
};
const [dim, bold] = [2, 1];

/** `2026-11-22T14:31:07.112Z INFO  refused requestId=7d0c method=PUT …`, and the stack of an error on lines of its own. */
export function readable(line: string, { isColoured, showsPid }: Reading): string {
  const { level, time, pid, msg, err, ...fields } = JSON.parse(line) as Line;
  const paint = (text: string, colour: number): string =>
    isColoured ? `\u001b[${colour}m${text}\u001b[0m` : text;
  const [name, colour] = levels[level] ?? [String(level), dim];
  const shown = { ...(showsPid && { pid }), ...fields, ...(err && { err: err.message ?? err }) };
  const told = Object.entries(shown).filter(([key]) => key !== 'hostname');
  const pairs = told.map(([key, value]) => ` ${paint(`${key}=`, dim)}${printed(value)}`);
  const head = `${paint(new Date(time).toISOString(), dim)} ${paint(name.padEnd(5), colour)}`;
  const trace = err?.stack === undefined ? '' : `\n${indented(err.stack)}`;
  return `${head} ${paint(harmless(msg ?? ''), bold)}${pairs.join('')}${trace}\n`;
}

/** A word as it is; anything else as JSON, so that it is seen where it ends. */
function printed(value: unknown): string {
  if (typeof value === 'string' && /^[\x21\x23-\x3c\x3e-\x7e]+$/.test(value)) return value;
  return harmless(JSON.stringify(value));
}

function indented(stack: string): string {
  return stack
    .split('\n')
    .map((line) => `    ${harmless(line.trim())}`)
    .join('\n');
}

/** What clients send may end up in a line, and a terminal obeys what it is shown. */
function harmless(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`,
  );
}
