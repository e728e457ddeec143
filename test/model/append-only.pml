/* Signatures: tags that may grow and never shrink (`sha256-<hex>`, `….sig`). A manifest is the set of its signatures, one bit each.
   A client reads the tag, adds its own, and pushes; the door lets an update through that still has all of what is there.

   The first and the third push are of one client: where the first one has sent already, the third one sends the same again. */

#define REQUESTS 3
#define DIGEST(request) mine[request]
#define SIGNATURE(request) (1 + (request) % 2)
#define IS_KEPT_BY(digest) ((digest & acknowledged) == acknowledged)
#define ANSWERS_ARE_VAGUE false

byte mine[3];

#include "upstream.pml"
#include "claim.pml"
#include "swap.pml"

#ifndef CLAIMED_BEFORE_ASKING
#define CLAIMED_BEFORE_ASKING true
#endif
#ifndef BASE_IS_COMPARED /* what the look-up shows is what was confirmed last; else it lags, and shows too little */
#define BASE_IS_COMPARED true
#endif
#ifndef ALSO_FOR_ITS_OWN_DIGEST /* a look-up that shows the very digest that is pushed may lag as well */
#define ALSO_FOR_ITS_OWN_DIGEST true
#endif
#ifndef OLD_SIGNATURES_ARE_WANTED
#define OLD_SIGNATURES_ARE_WANTED true
#endif

Claim theClaim;

#define IS_BASE(digest) (base == NONE || base == digest || !BASE_IS_COMPARED)

proctype Push(byte me) {
  byte seen;
  byte outcome;
  bool isOurs;

  d_step {
    mine[me] = SIGNATURE(me) | visible;
    if
    :: me == 2 && mine[0] != NONE -> mine[me] = mine[0]
    :: else
    fi
  }
  seen = visible;
  d_step { swap(theClaim, me, outcome) }
  if
  :: outcome == HELD
  :: else -> goto over
  fi;
  if
  :: CLAIMED_BEFORE_ASKING -> seen = visible
  :: else
  fi;
  if
  :: seen == DIGEST(me) && (IS_BASE(seen) || !ALSO_FOR_ITS_OWN_DIGEST)
  :: seen != DIGEST(me) && IS_BASE(seen) && ((seen & DIGEST(me)) == seen || !OLD_SIGNATURES_ARE_WANTED)
  :: else -> goto givingBack
  fi;
  d_step { arm(theClaim, me, isOurs); sent[me] = isOurs }
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
          assert((tag & DIGEST(me)) == DIGEST(me));
          acknowledged = acknowledged | DIGEST(me)
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

active proctype Time() {
end_ticking:
  do
  :: d_step { theClaim.digest != NONE && IS_OUTLIVED(0) && IS_OUTLIVED(1) && IS_OUTLIVED(2) &&
       (visible == tag || !theClaim.confirmed && base == NONE) -> end_swap(theClaim) }
  od
}

init {
  atomic {
    run Push(0);
    run Push(1);
    run Push(2)
  }
}
