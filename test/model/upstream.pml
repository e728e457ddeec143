/* The registry behind us, as one tag sees it: it gets PUTs, and commits or refuses each of them at any later moment, whether or
   not anybody still listens. */

#define NONE 0 /* no digest: the tag is not there; no answer yet */

/* What a requester hears of its PUT. */
#define CREATED 1 /* 2xx */
#define REFUSED 2 /* 400, 401, 403, 404, 405, 413, 415: it was not, and will not be, committed */
#define VAGUE 3   /* 408, 429, 499, 5xx, a cut connection: it may have been, or may yet be, committed */
#define UNHEARD 4 /* nobody listens any more */

#ifndef ANSWERS_ARE_VAGUE /* … at times; a model that has enough to look at does without */
#define ANSWERS_ARE_VAGUE true
#endif
#ifndef READS_LAG
#define READS_LAG true
#endif

#ifndef NEVER_TOLD /* a 2xx that is said to be impossible: so the checker shows that it is not, and that it did look there */
#define NEVER_TOLD false
#endif
#ifndef IS_KEPT_BY /* whether what was acknowledged is still there after a commit */
#define IS_KEPT_BY(digest) (acknowledged == NONE || acknowledged == digest)
#endif

byte tag;              /* what the tag points to in truth */
byte visible;          /* what a look-up reads: it may lag behind the truth */
byte acknowledged;     /* what a client was told with a 2xx that the tag is */
bool sent[REQUESTS];   /* this request's PUT may still be committed */
byte answer[REQUESTS];

/* The promise: what was acknowledged is never replaced … */
inline commit(request) {
  assert(IS_KEPT_BY(DIGEST(request)));
  tag = DIGEST(request);
  visible = (READS_LAG -> visible : tag);
  end_put(request, CREATED)
}

inline refuse(request) { end_put(request, REFUSED) }

inline end_put(request, outcome) {
  sent[request] = false;
  if
  :: answer[request] == NONE -> answer[request] = outcome
  :: else
  fi
}

/* … and no two digests are. */
inline acknowledge(request) {
  assert(!(NEVER_TOLD));
  assert(acknowledged == NONE || acknowledged == DIGEST(request));
  assert(tag == DIGEST(request));
  acknowledged = DIGEST(request)
}

#define SERVE(request)                                                       \
  :: atomic { sent[request] -> commit(request) }                             \
  :: atomic { sent[request] -> refuse(request) }                             \
  :: atomic { ANSWERS_ARE_VAGUE && sent[request] && answer[request] == NONE -> answer[request] = VAGUE }

active proctype Upstream() {
end_serving:
  do
  SERVE(0)
#if REQUESTS > 1
  SERVE(1)
#endif
#if REQUESTS > 2
  SERVE(2)
#endif
#if REQUESTS > 3
  SERVE(3)
#endif
  :: atomic { visible != tag -> visible = tag }
  od
}
