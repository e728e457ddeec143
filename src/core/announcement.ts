import type { Tag } from './reference.ts';

/**
 * What a push reserves that takes no immutable tag: a name that no tag can have, and so nobody else's. It tells deletes
 * what is about to be needed.
 */
export function announcementOf(holder: string): Tag {
  return `@${holder}` as Tag;
}

export function isAnnouncement(tag: Tag): boolean {
  return tag.startsWith('@');
}
