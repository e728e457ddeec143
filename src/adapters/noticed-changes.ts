import type { Notices } from '../core/notices.ts';
import type { Announcements } from '../core/ports.ts';
import type { Repository } from '../core/reference.ts';

const topic = 'manifests';

/** What the other processes of this Tagwarden change, and hear of our changes. */
export function noticedChanges(notices: Notices): Announcements {
  return {
    announce: (repository) => notices.post({ topic, about: repository }),
    onAnnounced: (hear) => {
      notices.onNotice(topic, (about) => {
        hear(about as Repository);
      });
    },
  };
}
