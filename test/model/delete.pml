/* A delete by digest, and first pushes of the same manifest. A registry deletes a digest with every tag that points to it, so a
   delete must not be sent when a tag has been acknowledged, nor while one may be. The delete announces itself with a mark, and
   then counts what is claimed and what is tagged; a push that finds a mark on what it needs does not begin. */

#ifndef REQUESTS
#define REQUESTS 2
#endif
#define DIGEST(request) (1 + (request) % 2)
#define TARGET 1 /* what is deleted */
#define ANSWERS_ARE_VAGUE false
#ifndef DELETES
#define DELETES 1
#endif

#include "upstream.pml"
#include "claim.pml"

#ifndef PUSHES_LOOK_FOR_MARKS /* in the same step as they claim */
#define PUSHES_LOOK_FOR_MARKS true
#endif
#ifndef THEY_LOOK_AGAIN_WHEN_ARMING
#define THEY_LOOK_AGAIN_WHEN_ARMING true
#endif
#ifndef CLAIMS_ARE_READ_WITH_THE_MARK /* else after the walk through the tags */
#define CLAIMS_ARE_READ_WITH_THE_MARK true
#endif
#ifndef CONFIRMED_CLAIMS_COUNT /* the walk may not show their tags yet */
#define CONFIRMED_CLAIMS_COUNT true
#endif
#ifndef MARKS_ARE_ARMED /* right before the delete is sent: is the mark still there? */
#define MARKS_ARE_ARMED true
#endif
#ifndef MARKS_HAVE_IDS /* else there is one for all deletes */
#define MARKS_HAVE_IDS true
#endif
#ifndef UNKNOWN_KEEPS_THE_MARK
#define UNKNOWN_KEEPS_THE_MARK true
#endif

#ifndef MARKS_ARE_COUNTED /* as armings of claims are (store-loss.pml): a store that has lost one is found out */
#define MARKS_ARE_COUNTED true
#endif

/* What may go wrong. */
#ifndef STORE_LOSES /* all marks and claims, once; a quarantine follows if an arming that was counted is lost */
#define STORE_LOSES false
#endif

/* What is taken for granted. */
#ifndef MARKS_OUTLIVE_DELETES /* as claims do PUTs */
#define MARKS_OUTLIVE_DELETES true
#endif

Claim theClaim;
bool mark[2];
bool markOutlives[2];
bool deleteSent[2];
bool deleteAnswered[2];
bool wasLost, isQuarantined;
bool wasCounted; /* an arming, of a claim or of a mark */

#define IS_MARKED (DIGEST(me) == TARGET && (mark[0] || mark[1]))

inline set_mark(delete, isThere) {
  mark[delete] = isThere;
  mark[1 - delete] = (MARKS_HAVE_IDS -> mark[1 - delete] : isThere)
}

proctype Push(byte me) {
  byte seen;
  byte outcome;
  bool isOurs;

  d_step {
    if
    :: isQuarantined || PUSHES_LOOK_FOR_MARKS && IS_MARKED -> outcome = BUSY
    :: else -> take(theClaim, me, outcome)
    fi
  }
  if
  :: outcome == HELD
  :: else -> goto over
  fi;
  seen = visible;
  if
  :: seen == NONE || seen == DIGEST(me)
  :: else -> goto givingBack
  fi;
  d_step {
    if
    :: PUSHES_LOOK_FOR_MARKS && THEY_LOOK_AGAIN_WHEN_ARMING && IS_MARKED -> isOurs = false
    :: else -> arm(theClaim, me, isOurs)
    fi;
    sent[me] = isOurs;
    wasCounted = wasCounted || (STORE_LOSES && isOurs)
  }
  if
  :: isOurs
  :: else -> goto givingBack
  fi;
  if
  :: answer[me] == CREATED -> d_step { confirm(theClaim, me, isOurs) }
     if
     :: isOurs -> d_step { acknowledge(me) }
     :: else
     fi;
     goto over
  :: answer[me] == REFUSED -> goto givingBack
  :: answer[me] == NONE -> d_step { answer[me] = UNHEARD; leave_unknown(theClaim, me) } goto over
  fi;
givingBack:
  atomic { give_back(theClaim, me) }
over:
  skip
}

#define IS_CLAIMED (theClaim.digest == TARGET && (CONFIRMED_CLAIMS_COUNT || !theClaim.confirmed))

proctype Delete(byte me) {
  bool isNeeded;

  atomic { !isQuarantined; set_mark(me, true); isNeeded = CLAIMS_ARE_READ_WITH_THE_MARK && IS_CLAIMED }
  isNeeded = isNeeded || visible == TARGET; /* the walk */
  if
  :: !CLAIMS_ARE_READ_WITH_THE_MARK -> isNeeded = isNeeded || IS_CLAIMED
  :: else
  fi;
  if
  :: isNeeded -> d_step { set_mark(me, false) }
  :: else ->
     d_step {
       if
       :: mark[me] || !MARKS_ARE_ARMED -> markOutlives[me] = mark[me];
          deleteSent[me] = true;
          wasCounted = wasCounted || (STORE_LOSES && MARKS_ARE_COUNTED)
       :: else
       fi
     }
     if
     :: deleteAnswered[me] || !UNKNOWN_KEEPS_THE_MARK -> d_step { set_mark(me, false) }
     :: true /* the outcome is unknown: the mark goes with its time */
     fi
  fi
}

#define DELETE(request) \
  :: d_step { deleteSent[request] -> deleteSent[request] = false; deleteAnswered[request] = true; \
       if \
       :: tag == TARGET -> assert(acknowledged != TARGET); tag = NONE \
       :: else \
       fi }

active proctype Deletes() {
end_deleting:
  do
  DELETE(0)
  DELETE(1)
  od
}

#define IS_OUTLIVED(request) !(theClaim.outlives[request] && sent[request])
#if REQUESTS > 2
#define ARE_ALL_OUTLIVED (IS_OUTLIVED(0) && IS_OUTLIVED(1) && IS_OUTLIVED(2))
#else
#define ARE_ALL_OUTLIVED (IS_OUTLIVED(0) && IS_OUTLIVED(1))
#endif
#define MARK_EXPIRES(delete) \
  :: d_step { mark[delete] && !(MARKS_OUTLIVE_DELETES && markOutlives[delete] && deleteSent[delete]) -> set_mark(delete, false) }

active proctype Time() {
end_ticking:
  do
  :: d_step { theClaim.digest != NONE && ARE_ALL_OUTLIVED && (!theClaim.confirmed || visible == tag) ->
       end_claim(theClaim) }
  MARK_EXPIRES(0)
  MARK_EXPIRES(1)
  :: d_step { STORE_LOSES && !wasLost ->
       wasLost = true;
       isQuarantined = wasCounted;
       mark[0] = false;
       mark[1] = false;
       end_claim(theClaim) }
  :: atomic { isQuarantined && !sent[0] && !sent[1] && !deleteSent[0] && !deleteSent[1] && visible == tag -> isQuarantined = false }
  od
}

init {
  atomic {
    run Push(0);
    run Push(1);
#if REQUESTS > 2
    run Push(2);
#endif
    run Delete(0);
#if DELETES > 1
    run Delete(1)
#endif
  }
}
