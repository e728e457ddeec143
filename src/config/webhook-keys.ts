import { Invalid } from './complaints.ts';

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
const prefix = 'whsec_';
const [shortestBytes, longestBytes] = [24, 64];

/**
 * The keys of a file: one to a line, `whsec_` and base64. With several each event has a signature by each of them, so
 * that a receiver can be given a new one first.
 * @throws Invalid, which repeats no part of it
 */
export function parseWebhookKeys(text: string): readonly Buffer[] {
  const lines = text.split('\n').map((line) => line.trim());
  const keys = lines.filter((line) => line !== '').map(parseKey);
  if (keys.length === 0) throw new Invalid('holds no key');
  return keys;
}

function parseKey(line: string): Buffer {
  const encoded = line.startsWith(prefix) ? line.slice(prefix.length) : '';
  const key = Buffer.from(encoded, 'base64');
  const isBase64 = key.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '');
  if (isBase64 && key.length >= shortestBytes && key.length <= longestBytes) return key;
  throw new Invalid(
    `must hold ${prefix} and the base64 of ${shortestBytes} to ${longestBytes} bytes on each line, as ` +
      `printf '${prefix}%s\\n' "$(openssl rand -base64 32)" makes it`,
  );
}
