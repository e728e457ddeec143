import type { ManifestNeeds } from './manifest.ts';
import type { NeedFact, PartsFact, TagFact, TextFact } from './verdict.ts';
import type { HeaderList } from './header-list.ts';
import type { Digest, Repository, Tag } from './reference.ts';
import type { Caller, RuleSet } from './rule.ts';

/** Time, so that tests can hold it. */
export interface Clock {
  /** Epoch milliseconds. */
  nowMs(): number;
  sleep(ms: number): Promise<void>;
}

/** The store that replicas share cannot be reached, or did not answer in time. */
export class StoreAway extends Error {
  override readonly name = 'StoreAway';
}

/** The rules in force. */
export interface RuleSource {
  /** Read once for each request; `noRules` until there were any. */
  current(): RuleSet;
  /** Why no write can be judged by them now; undefined where it can. */
  doubt(): string | undefined;
}

/** There is no token, or none that is good. Why is private: an attacker learns nothing from it. */
export class TokenRefused extends Error {
  readonly wasGiven: boolean;

  constructor(reason: string, { wasGiven, cause }: { wasGiven: boolean; cause?: unknown }) {
    super(reason, { cause });
    this.wasGiven = wasGiven;
  }
}

/** Who sent a request, by its headers and its connection. */
export interface Callers {
  /**
   * @param certified whom the certificate of the connection names; absent: nobody
   * @throws TokenRefused where callers must have a token and this one has no good one
   */
  identify(headers: HeaderList, certified?: string): Promise<Caller>;
}

/** Verifies tokens. */
export interface TokenVerifier {
  /**
   * The claims of a good token.
   * @throws TokenRefused for any other
   */
  verify(token: string): Promise<TokenClaims>;
}

/** The claims of a token that the rest of us reads, whoever issued it. */
export type TokenClaims = Readonly<Record<string, unknown>>;

/** Digests of one manifest, by its bytes. */
export interface PushedDigests {
  readonly sha256: Digest;
  /** Whether a digest, of whatever algorithm, names these bytes. */
  includes(digest: Digest): boolean;
}

export interface TagQuestion {
  readonly repository: Repository;
  readonly tag: Tag;
  /** The caller's `Authorization` and the host that the caller addressed: it is asked as the caller would ask. */
  readonly asCaller: HeaderList;
  /** Absent where nothing is being pushed. */
  readonly pushed?: PushedDigests;
  /** Absent where the tag may move, or where only the upstream's own answer will do. */
  readonly immutable?: Immutability;
  /** What is not known by then is `unknown`. */
  readonly withinMs: number;
}

/** What an immutable tag was seen to be says something of what it is. */
export interface Immutability {
  /** Epoch milliseconds from which on the tag could not be moved through us: what was seen before says nothing. */
  readonly sinceMs: number;
  /** We verified the caller ourselves, and so may deny without asking the upstream. */
  readonly mayRecall: boolean;
  /** The name stays taken by its digest though the tag may vanish. */
  readonly tombstone: boolean;
}

/** The upstream wants other credentials (401): its challenge goes back to the client, who can answer it. */
export class CredentialsRefused extends Error {
  readonly challenges: readonly string[];

  /** @param challenges the values of its `WWW-Authenticate` fields */
  constructor(challenges: readonly string[]) {
    super('the upstream refused the credentials of a look-up');
    this.challenges = challenges;
  }
}

/** What the upstream holds. */
export interface TagFacts {
  /**
   * Never rejects but with CredentialsRefused: what cannot be learnt in time is `unknown`.
   * @throws CredentialsRefused
   */
  lookUp(question: TagQuestion): Promise<TagFact>;
  /** Hears what these immutable tags are: after a confirmed push, or seen otherwise. Takes no time, and never fails. */
  seen(repository: Repository, tags: readonly Tag[], digest: Digest): void;
  /** Hears that an immutable tag was deleted, and rightly so. Takes no time, and never fails. */
  gone(repository: Repository, tag: Tag): void;
}

/** The reservation of some tags of one repository for one manifest, all or none, by one request. */
export interface ClaimRequest {
  readonly repository: Repository;
  /** Sorted. */
  readonly tags: readonly Tag[];
  /** SHA-256 of the body. */
  readonly digest: Digest;
  /** What no delete may take away meanwhile: the manifest by every name, and its direct descriptors. */
  readonly needs: readonly Digest[];
  /** Unique to the request: holders are ids, for a give-back that is sent twice must not count twice. */
  readonly holder: string;
  /** May take the place of another manifest that was confirmed: only for a single tag that may grow, or move. */
  readonly swaps?: true;
}

export type ClaimAnswer =
  /** `base`: what was confirmed before, whatever a look-up shows; absent: nothing is known. */
  | { readonly outcome: 'held'; readonly base?: Digest }
  /** Another manifest has the tag: for good if confirmed, or until its request ends; who swaps always waits for an end. */
  | { readonly outcome: 'taken'; readonly tag: Tag; readonly digest: Digest; readonly confirmed: boolean }
  /** More requests push this very manifest than are let in at once. */
  | { readonly outcome: 'crowded'; readonly tag: Tag }
  /** A delete of something that this manifest needs is under way. */
  | { readonly outcome: 'marked'; readonly target: Digest }
  /** Claims may have been lost with the store that had them: what they stood for must settle first. */
  | { readonly outcome: 'quarantined'; readonly leftMs: number };

/** `lost`: the claim is no longer this holder's. `marked`: as in ClaimAnswer. Nothing may be sent in either case. */
export type Arming = 'armed' | 'lost' | 'marked';

/** The announcement of one delete by digest, which keeps pushes that need its target away. */
export interface DeleteMark {
  readonly repository: Repository;
  readonly target: Digest;
  /** Unique to the request. */
  readonly id: string;
}

/**
 * What a push reserved, pending or confirmed: a delete must count it as protected. A tag whose confirmed manifest is
 * about to be replaced has two: the old one may be what stays.
 */
export interface ClaimedManifest {
  readonly tag: Tag;
  readonly digest: Digest;
  readonly needs: readonly Digest[];
}

export type MarkAnswer =
  | { readonly outcome: 'marked'; readonly claimed: readonly ClaimedManifest[] }
  | { readonly outcome: 'quarantined'; readonly leftMs: number };

/**
 * Create-once claims, and the marks that keep deletes by digest and first pushes apart (docs/create-once.md). Every
 * method is idempotent, and throws StoreAway where the store is shared and cannot be reached.
 */
export interface ClaimStore {
  claim(request: ClaimRequest): Promise<ClaimAnswer>;
  /** Right before the PUT: prolongs the claim to its full lifetime, if it is still this holder's. */
  arm(request: ClaimRequest): Promise<Arming>;
  /** After a 2xx: whether the claim was still this holder's, now confirmed. */
  confirm(request: ClaimRequest): Promise<boolean>;
  /** After a definite refusal, or before anything was sent. */
  giveBack(request: ClaimRequest): Promise<void>;
  /** The PUT may or may not have happened: the holder stays until the claim expires. */
  leaveUnknown(request: ClaimRequest): Promise<void>;
  /** Resolves when the claim on a tag may have changed, or after the time is up. Never rejects. */
  changed(repository: Repository, tag: Tag, timeoutMs: number): Promise<void>;
  /** Announces a delete, then says what is claimed: in one step, so that a push sees the mark or the delete its claim. */
  mark(mark: DeleteMark): Promise<MarkAnswer>;
  /** Right before the delete is sent: whether the mark is still there, prolonged to its full lifetime. */
  armMark(mark: DeleteMark): Promise<boolean>;
  /** After the delete's end, if that is known; else the mark stays until it expires. */
  unmark(mark: DeleteMark): Promise<void>;
  close(): Promise<void>;
}

/**
 * Remembers for good what the tags were that a rule keeps the names of: the one digest that may come back where a tag
 * vanishes behind our back. Every method throws StoreAway where the store is shared and cannot be reached.
 */
export interface Tombstones {
  recall(repository: Repository, tag: Tag): Promise<Digest | undefined>;
  /** Of several digests the first one stays. When it resolves it is durable. */
  bury(repository: Repository, tag: Tag, digest: Digest): Promise<void>;
  /** What an unlock has made of the tag; undefined: its name is free. When it resolves it is durable. */
  replace(repository: Repository, tag: Tag, digest: Digest | undefined): Promise<void>;
  close(): Promise<void>;
}

/** What the upstream was seen to show for an immutable tag. */
export interface LedgerEntry {
  readonly digest: Digest;
  /** Epoch milliseconds, by this process's clock. */
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

/** What a look-up, or a push, has just learnt of a tag. */
export interface Sighting {
  readonly repository: Repository;
  readonly tag: Tag;
  readonly digest: Digest;
  /** Epoch milliseconds, by this process's clock. */
  readonly seenMs: number;
  /** What the ledger had, as recalled before; absent: nothing. */
  readonly was?: Digest;
}

/**
 * Remembers what immutable tags pointed to. It may only ever deny: it never proves that a tag is free, or that a push
 * may pass. A change is made only while the entry is still as it was recalled: of several who see the same change, one
 * alone is told `true`, also among replicas, and who was slow does not undo what is newer.
 */
export interface Ledger {
  /** @throws StoreAway */
  recall(repository: Repository, tag: Tag): Promise<LedgerEntry | undefined>;
  /**
   * Of several tags at once, those that it knows.
   * @throws StoreAway
   */
  recallAll(repository: Repository, tags: readonly Tag[]): Promise<ReadonlyMap<Tag, LedgerEntry>>;
  /**
   * Whether it was noted; `firstSeenMs` is kept while the digest stays the same.
   * @throws StoreAway
   */
  note(sighting: Sighting): Promise<boolean>;
  /**
   * Whether there was something to forget.
   * @throws StoreAway
   */
  forget(repository: Repository, tag: Tag, was: Digest): Promise<boolean>;
  close(): Promise<void>;
}

export interface NeedQuestion {
  readonly repository: Repository;
  /** What is to be deleted. */
  readonly target: Digest;
  /** It may be a manifest, which has a name by each algorithm and may refer to others; a blob has neither. */
  readonly isManifest: boolean;
  /** The rules that bind the caller: they say which tags matter. */
  readonly rules: RuleSet;
  /** As in TagQuestion. */
  readonly asCaller: HeaderList;
  /** We verified the caller ourselves: what one such caller is shown, others may be. */
  readonly isVerified: boolean;
  /** What is being pushed at the same time. */
  readonly claimed: readonly ClaimedManifest[];
  readonly withinMs: number;
}

export interface PartsQuestion {
  readonly repository: Repository;
  /** What a manifest lists as manifests. */
  readonly children: readonly Digest[];
  /** As in TagQuestion. */
  readonly asCaller: HeaderList;
  readonly withinMs: number;
}

export interface TextQuestion extends Omit<PartsQuestion, 'children'> {
  readonly digest: Digest;
}

/** Who would miss something that is deleted. */
export interface Needs {
  /**
   * What manifests need, at any depth: their parts, and the parts of these.
   * @throws CredentialsRefused
   */
  partsOf(question: PartsQuestion): Promise<PartsFact>;
  /**
   * A manifest as text.
   * @throws CredentialsRefused
   */
  textOf(question: TextQuestion): Promise<TextFact>;
  /** Hears what a manifest needs that was pushed. Takes no time, and never fails. */
  pushed(sha256: Digest, needs: ManifestNeeds): void;
  /**
   * As of a moment after the call.
   * @throws CredentialsRefused
   */
  tagsNeeding(question: NeedQuestion): Promise<NeedFact>;
}

/** What is changed through us. */
export interface Changes {
  /**
   * Sends something that may change what a repository shows. When it is over, however it ended, nobody who could be told
   * in time answers any more with what was known before.
   */
  around<Outcome>(repository: Repository, send: () => Promise<Outcome>): Promise<Outcome>;
}

/** Tells other processes that a repository may show something else from now on. */
export interface Announcements {
  /** Resolves when they have heard, as far as that can be waited for. Never rejects. */
  announce(repository: Repository): Promise<void>;
  /** Hears what others announce; undefined: something may have been missed. */
  onAnnounced(hear: (repository: Repository | undefined) => void): void;
}
