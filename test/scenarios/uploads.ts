import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { digestOf, incompressible } from '../fixtures/image.ts';
import type { RegistryRelease } from '../fixtures/registry.ts';
import { startFrontDoor } from './front-door.ts';

/** Uploads in pieces, as the distribution-spec has them; `Location` must lead through Tagwarden each time. */
export function uploadScenarios(t: Test, release: RegistryRelease): void {
  t.test(`${release.name}: an upload is resumed where it stopped`, async (t) => {
    const { tagwarden } = await startFrontDoor(t, release);
    const started = await startUpload(tagwarden.url);
    const first = await patch(sessionOf(t, started, tagwarden.url), blob.subarray(0, part), 0);
    t.equal(first.status, 202);
    const { session, received } = await progressOf(t, sessionOf(t, first, tagwarden.url), tagwarden.url);
    t.equal(received, part);
    await expectResumed(t, tagwarden.url, session, received);
  });

  t.test(`${release.name}: an upload is cancelled`, async (t) => {
    const { tagwarden } = await startFrontDoor(t, release);
    const started = await startUpload(tagwarden.url);
    const session = sessionOf(t, started, tagwarden.url);
    t.equal((await fetch(session, { method: 'DELETE' })).status, 204);
    t.equal((await fetch(session)).status, 404);
  });
}

/** Releases before 3.0 forget what came with a request that was cut: theirs is a new start. */
export function brokenUploadScenario(t: Test, release: RegistryRelease): void {
  t.test(`${release.name}: an upload that was cut in the middle of a request is resumed`, async (t) => {
    const { tagwarden } = await startFrontDoor(t, release);
    const started = await startUpload(tagwarden.url);
    await breakOff(sessionOf(t, started, tagwarden.url), blob.subarray(0, part));
    const { session, received } = await untilSettled(t, sessionOf(t, started, tagwarden.url), tagwarden.url);
    t.ok(received <= part, `${received} bytes had arrived`);
    await expectResumed(t, tagwarden.url, session, received);
  });
}

const blob = incompressible(8 * 2 ** 20);
const part = 5 * 2 ** 20;

function startUpload(url: string): Promise<Response> {
  return fetch(`${url}/v2/any/app/blobs/uploads/`, { method: 'POST' });
}

function patch(session: URL, bytes: Buffer, offset: number): Promise<Response> {
  const headers = {
    'content-type': 'application/octet-stream',
    'content-range': `${offset}-${offset + bytes.length - 1}`,
  };
  return fetch(session, { method: 'PATCH', headers, body: bytes });
}

async function expectResumed(t: Test, url: string, session: URL, received: number): Promise<void> {
  const resumed = await patch(session, blob.subarray(received), received);
  t.equal(resumed.status, 202, await resumed.text());
  const last = sessionOf(t, resumed, url);
  last.searchParams.set('digest', digestOf(blob));
  const finished = await fetch(last, { method: 'PUT' });
  t.equal(finished.status, 201, await finished.text());
  const stored = await fetch(`${url}/v2/any/app/blobs/${digestOf(blob)}`);
  t.ok(Buffer.from(await stored.arrayBuffer()).equals(blob), 'the blob is whole');
}

function sessionOf(t: Test, response: Response, url: string): URL {
  const session = new URL(response.headers.get('location') ?? '', url);
  t.equal(session.origin, url, 'the session is at Tagwarden');
  return session;
}

/** Sends a part of a longer body, and hangs up. */
async function breakOff(session: URL, part: Buffer): Promise<void> {
  const headers = { 'content-type': 'application/octet-stream', 'content-length': part.length * 2 };
  const patch = request(session, { method: 'PATCH', headers });
  const closed = new Promise((resolve) => patch.on('error', () => undefined).on('close', resolve));
  patch.write(part, () => {
    // What was written has been handed to the kernel, and arrives before the end does.
    patch.destroy();
  });
  await closed;
}

interface Progress {
  readonly session: URL;
  /** How many bytes the registry has. */
  readonly received: number;
}

async function progressOf(t: Test, from: URL, url: string): Promise<Progress> {
  const status = await fetch(from);
  t.equal(status.status, 204);
  const end = /^(?:bytes=)?0-(\d+)$/.exec(status.headers.get('range') ?? '')?.[1];
  return { session: sessionOf(t, status, url), received: Number(end) + 1 };
}

/** The registry needs a moment to store what it has, and to see that the sender has gone. */
async function untilSettled(t: Test, from: URL, url: string): Promise<Progress> {
  let before = await progressOf(t, from, url);
  for (;;) {
    await sleep(250);
    const now = await progressOf(t, from, url);
    // Nothing at all is reported as `0-0`.
    if (now.received > 1 && now.received === before.received) return now;
    before = now;
  }
}
