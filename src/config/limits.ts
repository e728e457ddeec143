import { isDefault, type KeyPath, type Values } from './schema.ts';

/** What one process lets in. 0: as much as there is. */
export interface LimitsConfig {
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly uploads: number;
  readonly uploadsPerCaller: number;
  readonly requestsPerSecond: number;
  readonly requestBurst: number;
  readonly bodyBytesPerSecond: number;
  readonly headerTimeoutSeconds: number;
  readonly keepAliveSeconds: number;
}

export function arrangeLimits(values: Values): LimitsConfig {
  return {
    connections: values['limits.connections'],
    connectionsPerAddress: values['limits.connections_per_address'],
    uploads: values['limits.uploads'],
    uploadsPerCaller: values['limits.uploads_per_caller'],
    requestsPerSecond: values['limits.requests_per_second'],
    requestBurst: values['limits.request_burst'],
    bodyBytesPerSecond: values['limits.body_bytes_per_second'],
    headerTimeoutSeconds: values['limits.header_timeout_seconds'],
    keepAliveSeconds: values['limits.keep_alive_seconds'],
  };
}

/** @param placeOf where a key was given; undefined where it was not, though it may have a default */
export function checkLimits(
  values: Partial<Values>,
  placeOf: (path: KeyPath) => string | undefined,
): string[] {
  const burst = placeOf('limits.request_burst');
  const isUnused =
    values['limits.requests_per_second'] === 0 &&
    !isDefault('limits.request_burst', values['limits.request_burst']);
  return burst !== undefined && isUnused
    ? [`${burst}: does nothing without limits.requests_per_second; give that too, or leave it out`]
    : [];
}
