import { RegistryError } from '../core/errors.ts';
import { resolveTarget, splitReference } from '../core/location.ts';
import { printOperation, type Operation } from '../core/operation.ts';
import { parseOperation } from '../core/parse-operation.ts';
import type { Repository } from '../core/reference.ts';
import { parseTarget } from '../core/target.ts';
import { sealSession, type UploadSeals } from '../core/upload-seals.ts';
import { whyNoUpload } from '../core/upload-target.ts';
import type { Rewriting } from './headers.ts';

/** By what clients come back to an upload that the upstream keeps at an address of its own form. */
export interface UploadPorts {
  readonly seals: UploadSeals;
  /** Paths outside `/v2/` that the operator passes through, by rules of their own. */
  readonly closedPrefixes: readonly string[];
}

/** An upload whose answer says where it goes on. */
export interface OngoingUpload extends UploadPorts {
  readonly repository: Repository;
  /** What the upstream was asked: its addresses may be relative to that. */
  readonly askedTarget: string;
}

/** Undefined where the answer to an operation says nothing of the kind. */
export function ongoingUpload(operation: Operation, ports: UploadPorts): OngoingUpload | undefined {
  if (operation.kind !== 'startUpload' && operation.kind !== 'upload') return undefined;
  const { repository } = operation;
  return { ...ports, repository, askedTarget: printOperation(operation).target };
}

/**
 * The address of an upload session as the client is told it: one that we will read as the same upload in the same
 * repository. What is kept elsewhere, as on object storage, is left alone.
 * @throws RegistryError UNAVAILABLE, as 502 where it leads to something else of the upstream's
 */
export function uploadLocation(location: string, upload: OngoingUpload, rewriting: Rewriting): string {
  const { addressed } = rewriting;
  const { repository, askedTarget, seals, closedPrefixes } = upload;
  const reference = splitReference(location);
  const isRelative = reference.authority === undefined;
  if (isRelative && reference.scheme !== undefined) return location;
  const target = resolveTarget(reference, askedTarget);
  const refusal = isPlain(target) ? undefined : whyNoUpload(repository, target, closedPrefixes);
  if (!isRelative && !isOwn(location, rewriting)) {
    // The upstream under a name that we do not know it by; else it is nothing of the upstream's.
    if (!target.startsWith('/v2/') || refusal !== undefined) return location;
  }
  if (refusal !== undefined) {
    const message = `the upstream gave an address for the upload that ${refusal}`;
    throw new RegistryError('UNAVAILABLE', { status: 502, message });
  }
  const told = isPlain(target)
    ? target
    : `/v2/${repository}/blobs/uploads/${sealSession(seals, repository, target)}`;
  return isRelative ? told : `${addressed.protocol}://${addressed.host}${told}`;
}

/** Of distribution's form, and printed as it was written: it needs no seal, whatever repository it names. */
function isPlain(target: string): boolean {
  try {
    const operation = parseOperation('PATCH', parseTarget(target));
    return operation.kind === 'upload' && printOperation(operation).target === target;
  } catch (error) {
    // With a name of ours among them, which nothing here opens.
    if (error instanceof RegistryError) return false;
    throw error;
  }
}

/** Whether a client that goes there comes to the upstream, or to us: by whatever scheme, which proxies before it get wrong. */
function isOwn(location: string, { addressed, upstreamOrigin }: Rewriting): boolean {
  const host = hostOf(location, upstreamOrigin);
  if (host === undefined) return false;
  return (
    host === hostOf(upstreamOrigin, upstreamOrigin) ||
    host === hostOf(`${addressed.protocol}://${addressed.host}`, upstreamOrigin)
  );
}

function hostOf(address: string, base: string): string | undefined {
  return URL.canParse(address, base) ? new URL(address, base).host : undefined;
}
