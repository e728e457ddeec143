import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { pino, type Logger } from 'pino';

/** Takes lines to keep: JSON, one to a line, each with its time. */
export interface AuditFile {
  write(line: Readonly<Record<string, unknown>>): void;
  /** For a rotation: what the file's name is now is written to from now on. */
  reopen(): void;
  close(): void;
}

/** What waits for a disk that is full; more is lost. */
const waitingBytes = 4 * 1024 * 1024;

/**
 * Appends to a file, or to standard output (`-`). A line is written before the next request is served, and a file that
 * cannot be written is told of in the log: nothing is refused for it.
 * @throws Error of node:fs where the file cannot be opened
 */
export function openAudit(path: string, log: Pick<Logger, 'error'>): AuditFile {
  const toStdout = path === '-';
  if (!toStdout) mkdirSync(dirname(path), { recursive: true });
  const destination = pino.destination({
    ...{ dest: toStdout ? 1 : path, append: true, sync: true },
    maxLength: waitingBytes,
  });
  destination.on('error', (error: Error) => {
    log.error({ err: error, path }, 'the audit cannot be written');
  });
  return {
    write: (line) => {
      destination.write(`${JSON.stringify({ time: new Date().toISOString(), ...line })}\n`);
    },
    reopen: () => {
      if (toStdout) return;
      try {
        destination.reopen();
      } catch (error) {
        log.error({ err: error, path }, 'the audit cannot be opened anew; the old file is written on');
      }
    },
    close: () => {
      if (!toStdout) destination.end();
    },
  };
}
