import { createHash } from 'node:crypto';
import { digestAlgorithm, type Digest } from '../core/reference.ts';
import type { PushedDigests } from '../core/ports.ts';

const algorithms = ['sha256', 'sha384', 'sha512'];

/** The digests of a manifest by its exact bytes, each computed when it is first asked for. */
export function digestsOf(bytes: Uint8Array): PushedDigests {
  const known = new Map<string, string>();
  const digestBy = (algorithm: string): string => {
    const digest =
      known.get(algorithm) ?? `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
    known.set(algorithm, digest);
    return digest;
  };
  return {
    sha256: digestBy('sha256') as Digest,
    includes(digest) {
      const algorithm = digestAlgorithm(digest);
      return algorithms.includes(algorithm) && digestBy(algorithm) === digest;
    },
  };
}
