import type { Test } from 'tap';
import { ask, refusalOf, type Answer } from '../fixtures/ask.ts';
import { imageOf, indexOf, pushImage, putManifest } from '../fixtures/image.ts';
import { startRegistry, type RegistryRelease } from '../fixtures/registry.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';

const rules = `tag_rules:
  - id: releases
    tag_name_pattern: ^v
    tag_name_exclude_pattern: -rc$
    immutable: true
`;

/** A digest does not become free by a tag that may be deleted. */
export function launderingScenario(t: Test, release: RegistryRelease): void {
  t.test(`${release.name}: no other tag makes free what a protected tag needs`, async (t) => {
    const registry = await startRegistry(t, release);
    const { url } = await startTagwarden(t, { upstream: registry.url, rules });
    const remove = (path: string): Promise<Answer> => ask(`${url}/v2/a/b/${path}`, { method: 'DELETE' });
    const [index, other] = [indexOf('released'), imageOf('not released')];
    const [child] = index.manifests;
    if (!child) throw new Error('an index of nothing');
    t.equal((await pushImage(url, 'a/b', 'v1', index)).status, 201);
    t.equal((await pushImage(url, 'a/b', 'v2-rc', other)).status, 201);
    // On what is protected, and on what that needs.
    for (const tag of ['v1-rc', 'dev']) t.equal((await putManifest(url, 'a/b', tag, index)).status, 201);
    for (const tag of ['v3-rc', 'child']) t.equal((await putManifest(url, 'a/b', tag, child)).status, 201);

    const paths = [index, child, ...child.blobs].map(({ descriptor }) => descriptor.digest);
    for (const path of paths.flatMap((digest) => [`manifests/${digest}`, `blobs/${digest}`])) {
      const denied = /^403 DENIED: \S+ is needed by immutable tag a\/b:v1 \(rule releases\)/;
      t.match(refusalOf(await remove(path)), denied, path);
    }
    t.equal((await remove(`manifests/${other.descriptor.digest}`)).status, 202, 'an excluded tag alone');
    const requests = await registry.requests();
    t.equal(requests.filter((line) => line.startsWith('DELETE')).length, 1);
  });
}
