/* An unlock (issue E): for a while, one caller may replace an immutable tag that has been acknowledged. Two pushes under the unlock,
   of two other manifests; one push of the manifest that the tag has, by somebody whom the unlock does not concern. */

#define REQUESTS 3
#define DIGEST(request) (1 + (request))
#define IS_UNDER_THE_UNLOCK(request) (request > 0)
#define IS_KEPT_BY(digest) (acknowledged == NONE || acknowledged == digest || isUnlocked && digest != 1)
#define ANSWERS_ARE_VAGUE false

bool isUnlocked = true;

#include "upstream.pml"
#include "claim.pml"
#include "swap.pml"

#ifndef UNLOCK_IS_WANTED /* for another digest than the tag has */
#define UNLOCK_IS_WANTED true
#endif
#ifndef IT_IS_WANTED_AGAIN_WHEN_ARMING
#define IT_IS_WANTED_AGAIN_WHEN_ARMING true
#endif
#ifndef SENT_ONLY_IF_THE_DEADLINE_ENDS_BEFORE
#define SENT_ONLY_IF_THE_DEADLINE_ENDS_BEFORE true
#endif
#ifndef SENT_ONLY_IF_A_CLAIMS_LIFE_ENDS_BEFORE /* what was cut off at its deadline may still be committed */
#define SENT_ONLY_IF_A_CLAIMS_LIFE_ENDS_BEFORE true
#endif
#ifndef UNCLAIMED_PUSHES_MOVE_NO_TAG /* a push that goes on without the store is sent by its digest */
#define UNCLAIMED_PUSHES_MOVE_NO_TAG true
#endif

/* What may go wrong. */
#ifndef REPLICA_IS_CUT_OFF /* of the push that the unlock does not concern */
#define REPLICA_IS_CUT_OFF false
#endif

Claim theClaim;

#define MAY_PASS(request, digest) \
  (digest == DIGEST(request) || !UNLOCK_IS_WANTED || IS_UNDER_THE_UNLOCK(request) && isUnlocked)

proctype Push(byte me) {
  byte seen;
  byte outcome;
  bool isOurs;

  if
  :: me == 0 && REPLICA_IS_CUT_OFF ->
     if
     :: visible == DIGEST(me) -> sent[me] = !UNCLAIMED_PUSHES_MOVE_NO_TAG
     :: visible != DIGEST(me)
     fi;
     goto over
  :: else
  fi;
  d_step {
    if
    :: IS_UNDER_THE_UNLOCK(me) && isUnlocked || !UNLOCK_IS_WANTED -> swap(theClaim, me, outcome)
    :: else -> take(theClaim, me, outcome)
    fi
  }
  if
  :: outcome == HELD
  :: else -> goto over
  fi;
  seen = visible;
  if
  :: MAY_PASS(me, seen)
  :: else -> goto givingBack
  fi;
  d_step {
    if
    :: MAY_PASS(me, seen) || !IT_IS_WANTED_AGAIN_WHEN_ARMING -> arm(theClaim, me, isOurs)
    :: else -> isOurs = false
    fi;
    sent[me] = isOurs
  }
  if
  :: isOurs
  :: else -> goto givingBack
  fi;
  if
  :: answer[me] == CREATED ->
     d_step {
       confirm_swap(theClaim, me, isOurs);
       if
       :: isOurs ->
          assert(!(NEVER_TOLD));
          assert(tag == DIGEST(me));
          acknowledged = DIGEST(me)
       :: else
       fi
     }
     goto over
  :: answer[me] == REFUSED -> goto givingBack
  :: answer[me] == NONE -> d_step { answer[me] = UNHEARD; leave_unknown(theClaim, me) } goto over
  fi;
givingBack:
  atomic { give_swap_back(theClaim, me) }
over:
  skip
}

#define IS_OUTLIVED(request) !(theClaim.outlives[request] && sent[request])
#define MAY_BE_LATE(request) \
  (IS_UNDER_THE_UNLOCK(request) && sent[request] && \
   (SENT_ONLY_IF_A_CLAIMS_LIFE_ENDS_BEFORE || SENT_ONLY_IF_THE_DEADLINE_ENDS_BEFORE && answer[request] == NONE))

active proctype Time() {
end_ticking:
  do
  :: d_step { theClaim.digest != NONE && IS_OUTLIVED(0) && IS_OUTLIVED(1) && IS_OUTLIVED(2) &&
       (visible == tag || !theClaim.confirmed && base == NONE) -> end_swap(theClaim) }
  :: d_step { isUnlocked && !MAY_BE_LATE(1) && !MAY_BE_LATE(2) -> isUnlocked = false }
  od
}

/* The tag was pushed just now. */
init {
  atomic {
    tag = 1;
    acknowledged = 1;
    theClaim.digest = 1;
    theClaim.confirmed = true;
    run Push(0);
    run Push(1);
    run Push(2)
  }
}
