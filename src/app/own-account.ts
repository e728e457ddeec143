import type { OwnAuthorization } from '../adapters/patient-reader.ts';
import type { UpstreamCredentials } from '../config/config.ts';

export function ownAccount(credentials: UpstreamCredentials): OwnAuthorization {
  return { of: () => Promise.resolve(basicAuthorization(credentials)), after401: false };
}

export function basicAuthorization({ username, password }: UpstreamCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}`;
}
