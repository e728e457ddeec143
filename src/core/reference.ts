import { RegistryError } from './errors.ts';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** A repository's full path, as `flightjs/flight` or `Host.example:5000/app`. */
export type Repository = Branded<'Repository'>;
export type Tag = Branded<'Tag'>;
/** `algorithm:encoded`, as `sha256:<64 hex>`. */
export type Digest = Branded<'Digest'>;
export type Reference = { readonly tag: Tag } | { readonly digest: Digest };

// distribution-spec, "Pulling manifests"; the first component may be a host with a port and capitals,
// as the registry's own grammar allows (distribution/reference, NameRegexp).
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const hostLabel = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const host = `${hostLabel}(?:\\.${hostLabel})*(?::[0-9]+)?`;
const repositoryGrammar = new RegExp(`^(?:${host}/)?${component}(?:/${component})*$`);
const tagGrammar = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
// At least 32 characters, as distribution asks (DigestRegexp): shorter ones could be a tag with a colon.
const digestGrammar = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]{32,}$/;
const encodedGrammar: Readonly<Record<string, RegExp>> = {
  sha256: /^[a-f0-9]{64}$/,
  sha384: /^[a-f0-9]{96}$/,
  sha512: /^[a-f0-9]{128}$/,
};
const repositoryLengthLimit = 255;

export function isRepository(text: string): text is Repository {
  return text.length <= repositoryLengthLimit && repositoryGrammar.test(text);
}

export function isTag(text: string): text is Tag {
  return tagGrammar.test(text);
}

export function isDigest(text: string): text is Digest {
  if (!digestGrammar.test(text)) return false;
  const colon = text.indexOf(':');
  return encodedGrammar[text.slice(0, colon)]?.test(text.slice(colon + 1)) ?? true;
}

/** @throws RegistryError NAME_INVALID */
export function parseRepository(text: string): Repository {
  if (isRepository(text)) return text;
  throw new RegistryError('NAME_INVALID', { message: `invalid repository name "${text}"` });
}

/** @throws RegistryError TAG_INVALID */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text;
  throw new RegistryError('TAG_INVALID', { message: `invalid tag "${text}"` });
}

/** @throws RegistryError NAME_INVALID, where the text is neither a tag nor a digest */
export function parseReference(text: string): Reference {
  if (isDigest(text)) return { digest: text };
  if (isTag(text)) return { tag: text };
  throw new RegistryError('NAME_INVALID', { message: `invalid tag or digest "${text}"` });
}

export function formatReference(reference: Reference): string {
  return 'tag' in reference ? reference.tag : reference.digest;
}

/** The algorithm that a digest names, as `sha256`. */
export function digestAlgorithm(digest: Digest): string {
  return digest.slice(0, digest.indexOf(':'));
}

/** A digest short enough for a message: `sha256:dbd5b5cd7fff…`. */
export function abbreviateDigest(digest: Digest): string {
  const end = digest.indexOf(':') + 13;
  return end < digest.length ? `${digest.slice(0, end)}…` : digest;
}
