import type { Test } from 'tap';
import { startRegistry, type Registry, type RegistryRelease } from '../fixtures/registry.ts';
import { startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';

/** Releases are immutable under flightjs/, nothing may be pushed under frozen/, all else is free. */
export const frontDoorRules = `repository_rules:
  - id: frozen
    repository_path_pattern: frozen/*
    minimum_access_level_for_push: no_access
tag_rules:
  - id: releases
    repository_path_pattern: flightjs/*
    tag_name_pattern: ^v\\d+\\.\\d+
    immutable: true
`;

export interface FrontDoor {
  readonly upstream: Registry;
  readonly tagwarden: Tagwarden;
  /** `127.0.0.1:PORT` of Tagwarden. */
  readonly address: string;
}

/** A registry, and Tagwarden in front of it. */
export async function startFrontDoor(t: Test, release: RegistryRelease): Promise<FrontDoor> {
  const upstream = await startRegistry(t, release);
  const tagwarden = await startTagwarden(t, { upstream: upstream.url, rules: frontDoorRules });
  return { upstream, tagwarden, address: new URL(tagwarden.url).host };
}

const shown = (digest: string): string => `${digest.slice(0, 'sha256:'.length + 12)}…`;

/** What a client is told that pushes another manifest to flightjs/flight:v1.0. */
export function immutableMessage(stored: string, pushed: string): string {
  return (
    `tag is immutable; flightjs/flight:v1.0 is ${shown(stored)} and cannot become ${shown(pushed)} ` +
    '(rule releases); use a new tag'
  );
}

/** The uploads that reached the upstream. */
export async function startedUploads(upstream: Registry): Promise<readonly string[]> {
  return (await upstream.requests()).filter((line) => /^POST \S+\/uploads\//.test(line));
}
