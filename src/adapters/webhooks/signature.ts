import { createHmac } from 'node:crypto';

/** The fields of Standard Webhooks by which a receiver knows whom a message is from, when it was sent, and if it had it before (standard-webhooks). */
export function signedHeaders(
  keys: readonly Buffer[],
  id: string,
  body: string,
  nowMs: number,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const content = `${id}.${timestamp}.${body}`;
  const signatures = keys.map((key) => `v1,${createHmac('sha256', key).update(content).digest('base64')}`);
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  };
}
