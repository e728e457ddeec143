import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { ClaimsJournal } from './adapters/claims-journal.ts';
import { InMemoryClaims } from './adapters/claims-memory.ts';
import { steadyClock, wallClock } from './adapters/clock.ts';
import { lockFile } from './adapters/file-lock.ts';
import { RulesFile } from './adapters/rules-file.ts';
import { UpstreamTagFacts, type OwnAuthorization } from './adapters/tag-facts.ts';
import { Upstream } from './adapters/upstream.ts';
import type { Address } from './config/addresses.ts';
import { wireAuth } from './app/auth.ts';
import type { Config, UpstreamCredentials } from './config/config.ts';
import { adminServer } from './http/admin.ts';
import { trustedProxies } from './http/forwarded.ts';
import { lookUpMs } from './http/look-up.ts';
import { observer } from './http/log.ts';
import { passthrough } from './http/passthrough.ts';
import { registryServer } from './http/server.ts';

/** How long running requests may go on once the end has been asked for. */
const closeMs = 10_000;

export interface App {
  /** As `127.0.0.1:8080`. */
  readonly address: string;
  readonly adminAddress: string;
  close(): Promise<void>;
}

/**
 * Wires everything, and serves.
 * @throws RulesRefused, and Error of node:fs or node:net where a file or an address cannot be had
 */
export async function startApp(config: Config, log: Logger): Promise<App> {
  const clock = steadyClock;
  const { putDeadlineSeconds, ttlSeconds, journalFile } = config.claims;
  const putDeadlineMs = putDeadlineSeconds * 1000;
  const idleMs = config.upstream.idleTimeoutSeconds * 1000;
  const { url: origin, ca, credentials } = config.upstream;

  const immutabilityEnabled = config.immutability.enabled;
  const rules = await RulesFile.open({
    path: config.rules.file,
    log,
    clock,
    putDeadlineMs,
    immutabilityEnabled,
  });
  const unlock = await lockFile(journalFile);
  const journal = await ClaimsJournal.open(journalFile, clock.nowMs());
  const claims = new InMemoryClaims({ leaseMs: lookUpMs, ttlMs: ttlSeconds * 1000 }, clock, journal);
  const upstream = new Upstream({ origin, ...(ca !== undefined && { ca }) });
  const auth = await wireAuth(config.auth, { rules, upstream, clock: wallClock, log });
  const facts = new UpstreamTagFacts(upstream, clock, auth.own ?? (credentials && ownAccount(credentials)));

  const server = registryServer({
    registry: { rules, claims, facts, clock, upstream, idleMs, putDeadlineMs, ...auth },
    tokens: auth.tokens,
    passthrough: passthrough(config.passthrough, origin, idleMs, ca),
    addressing: {
      publicUrl: config.publicUrl === undefined ? undefined : new URL(config.publicUrl),
      trustedProxies: trustedProxies(config.trustedProxies),
    },
    observe: observer(log),
  });
  const admin = await adminServer(() => ({ rules: 'ok', ...auth.readiness() }));
  const close = async (): Promise<void> => {
    await Promise.all([closeServer(server), closeServer(admin)]);
    rules.close();
    auth.close();
    await upstream.close();
    await claims.close();
    unlock();
  };
  try {
    return {
      address: await listen(server, config.listen),
      adminAddress: await listen(admin, config.admin.listen),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function ownAccount({ username, password }: UpstreamCredentials): OwnAuthorization {
  const basic = Buffer.from(`${username}:${password.reveal()}`).toString('base64');
  return { of: () => Promise.resolve(`Basic ${basic}`), after401: false };
}

async function listen(server: Server, { host, port }: Address): Promise<string> {
  server.listen(port, host);
  await once(server, 'listening');
  const { address, family, port: actual } = server.address() as AddressInfo;
  return family === 'IPv6' ? `[${address}]:${actual}` : `${address}:${actual}`;
}

/** Accepts nothing new, ends idle connections, and lets what runs come to its end, for a while. */
async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => {
    server.closeAllConnections();
  }, closeMs);
  await closed;
  clearTimeout(timer);
}
