import { isatty } from 'node:tty';
import { pino, type Logger } from 'pino';
import type { Config } from '../config/config.ts';

const stdout = 1;

/** The log of this process, on standard output. Workers have the same one as their primary, and so the same form. */
export async function openLog({
  log: { level, format },
  workers,
}: Pick<Config, 'log' | 'workers'>): Promise<Logger> {
  const isTerminal = isatty(stdout);
  if (format === 'json' || (format === 'auto' && !isTerminal)) return pino({ level });
  const { readableLog } = await import('../adapters/readable-log.ts');
  // https://no-color.org
  const isColoured = isTerminal && !process.env['NO_COLOR'];
  return pino({ level }, readableLog({ isColoured, showsPid: workers > 1 }));
}
