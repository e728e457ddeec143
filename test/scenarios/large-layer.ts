import type { RegistryRelease } from '../fixtures/registry.ts';

const mebibyte = 2 ** 20;

/** `TEST_LARGE=1`: a GiB for every client. It takes half a minute each time, and so only one of them always has it. */
export function largeLayerBytes(client: string, release: RegistryRelease): number {
  const isAlways = client === 'skopeo' && release.name === 'distribution 2.8';
  return (isAlways || process.env['TEST_LARGE'] !== undefined ? 1024 : 128) * mebibyte;
}

/** For the name of a test. */
export function inMiB(bytes: number): string {
  return `${bytes / mebibyte} MiB`;
}
