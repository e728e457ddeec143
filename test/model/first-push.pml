/* Create once, under a race: three pushes of one new tag, two of them of the same manifest.

   A process that crashes is one that takes no further step: the checker looks at that too, everywhere. So does a process that
   sleeps: a claim that was not armed may expire under it at any moment. */

#define REQUESTS 3
#define DIGEST(request) (1 + (request) % 2)

#include "upstream.pml"
#include "claim.pml"

#ifndef CLAIM_BEFORE_ASKING
#define CLAIM_BEFORE_ASKING true
#endif
#ifndef HOLDER_IDS_ARE_FRESH /* no two requests, nor two tries of one, have the same */
#define HOLDER_IDS_ARE_FRESH true
#endif
#ifndef ONLY_REFUSALS_GIVE_BACK /* a vague answer is an unknown outcome, not a refusal */
#define ONLY_REFUSALS_GIVE_BACK true
#endif
#ifndef TAG_DELETES_ARE_ANSWERED /* a delete of a tag that seems absent is answered with our own 404, not forwarded */
#define TAG_DELETES_ARE_ANSWERED true
#endif

/* What may go wrong beside that. */
#ifndef REPLIES_ARE_LOST /* a command is not heard of: it was executed, or it will be, at any later moment, or never */
#define REPLIES_ARE_LOST false
#endif
#ifndef GIVE_BACKS_ARE_SENT_TWICE
#define GIVE_BACKS_ARE_SENT_TWICE false
#endif

/* What is taken for granted. */
#ifndef CLAIMS_OUTLIVE_PUTS /* claims.ttl_seconds > put_deadline_seconds + what an upstream takes to commit what it has got */
#define CLAIMS_OUTLIVE_PUTS true
#endif
#ifndef CONFIRMED_CLAIMS_OUTLIVE_LAG /* … and longer than a look-up may lag behind */
#define CONFIRMED_CLAIMS_OUTLIVE_LAG true
#endif
#ifndef PENDING_CLAIMS_OUTLIVE_LAG /* ttl_seconds > deadline + commit + lag: wanted only by what goes on without the store */
#define PENDING_CLAIMS_OUTLIVE_LAG false
#endif
#ifndef SENT_SOON_AFTER_ARMING /* nothing stops the process for long between the arming and the first byte of the PUT */
#define SENT_SOON_AFTER_ARMING true
#endif

Claim theClaim;
bool isAboutToSend[REQUESTS];

/* Commands that were given up, and may still be executed. */
#define TAKING 1
#define ARMING 2
#define CONFIRMING 4
#define GIVING_BACK 8
byte onTheWire[REQUESTS];

proctype Push(byte me) {
  byte seen;
  byte outcome;
  bool isOurs;
  bool isSecondTry;

  if
  :: CLAIM_BEFORE_ASKING
  :: !CLAIM_BEFORE_ASKING ->
     seen = visible;
     if
     :: seen != NONE && seen != DIGEST(me) -> goto over
     :: else
     fi
  fi;

claiming:
  atomic {
    if
    :: d_step { take(theClaim, me, outcome) }
    :: REPLIES_ARE_LOST -> onTheWire[me] = onTheWire[me] | TAKING; outcome = AWAY
    fi
  }
  if
  :: outcome == HELD
  :: outcome == TAKEN -> goto over
  :: outcome == BUSY ->
     if
     :: theClaim.digest == NONE || theClaim.digest == DIGEST(me) || theClaim.confirmed -> goto claiming
     :: goto over /* it has waited for long enough */
     fi
  :: outcome == AWAY ->
     /* What is there already needs no claim: it is sent by its digest, and moves no tag. */
     if
     :: visible == DIGEST(me) -> d_step { acknowledge(me) }
     :: visible != DIGEST(me)
     fi;
     goto over
  fi;

asking:
  if
  :: CLAIM_BEFORE_ASKING -> seen = visible
  :: !CLAIM_BEFORE_ASKING
  fi;
  if
  :: seen == NONE || seen == DIGEST(me)
  :: seen != NONE && seen != DIGEST(me) -> goto givingBack
  :: goto givingBack /* it could not be learnt */
  fi;

arming:
  atomic {
    if
    :: d_step { arm(theClaim, me, isOurs); isAboutToSend[me] = isOurs }
    :: REPLIES_ARE_LOST -> onTheWire[me] = onTheWire[me] | ARMING; isOurs = false
    fi
  }
  if
  :: isOurs
  :: !isOurs -> goto givingBack
  fi;
  if
  :: d_step { isAboutToSend[me] = false; sent[me] = true }
  :: isAboutToSend[me] = false; goto over /* it ended here: the claim's time must not wait for it */
  fi;

hearing:
  if
  :: answer[me] == CREATED -> goto confirming
  :: answer[me] == REFUSED -> goto givingBack
  :: answer[me] == VAGUE && !ONLY_REFUSALS_GIVE_BACK -> goto givingBack
  :: (answer[me] == NONE || (answer[me] == VAGUE && ONLY_REFUSALS_GIVE_BACK)) ->
     d_step { answer[me] = UNHEARD; leave_unknown(theClaim, me) }
     goto over
  fi;

confirming:
  atomic {
    if
    :: d_step { confirm(theClaim, me, isOurs) }
    :: REPLIES_ARE_LOST -> onTheWire[me] = onTheWire[me] | CONFIRMING; goto confirmingAgain
    fi
  }
  goto acknowledging;
confirmingAgain:
  atomic {
    d_step { confirm(theClaim, me, isOurs) }
    /* Where the first one was executed after all, the second one says so. */
    assert(isOurs || !theClaim.wasConfirmed[me])
  }
acknowledging:
  if
  :: isOurs -> d_step { acknowledge(me) }
  :: else
  fi;
  goto over;

givingBack:
  atomic {
    if
    :: d_step { give_back(theClaim, me) }
    :: REPLIES_ARE_LOST || GIVE_BACKS_ARE_SENT_TWICE ->
       d_step { give_back(theClaim, me); onTheWire[me] = onTheWire[me] | GIVING_BACK }
    :: REPLIES_ARE_LOST -> onTheWire[me] = onTheWire[me] | GIVING_BACK
    fi
  }
  if
  :: !HOLDER_IDS_ARE_FRESH && !isSecondTry && answer[me] == NONE -> isSecondTry = true; goto claiming
  :: else
  fi;
over:
  skip
}

/* What is on the wire arrives at any moment, in any order. */
#define CARRY(request)                                                                                                     \
  :: d_step { onTheWire[request] & TAKING -> onTheWire[request] = onTheWire[request] & ~TAKING;                            \
       take(theClaim, request, ignored); ignored = 0 }                                                                     \
  :: d_step { onTheWire[request] & ARMING -> onTheWire[request] = onTheWire[request] & ~ARMING;                            \
       arm(theClaim, request, ignored); ignored = 0 }                                                                      \
  :: d_step { onTheWire[request] & CONFIRMING -> onTheWire[request] = onTheWire[request] & ~CONFIRMING;                    \
       confirm(theClaim, request, ignored); ignored = 0 }                                                                  \
  :: d_step { onTheWire[request] & GIVING_BACK -> onTheWire[request] = onTheWire[request] & ~GIVING_BACK;                  \
       give_back(theClaim, request) }

active proctype Wire() {
  byte ignored;
end_carrying:
  do
  CARRY(0)
  CARRY(1)
  CARRY(2)
  od
}

#define MAY_YET_HAPPEN(request) (theClaim.outlives[request] && \
  (sent[request] && CLAIMS_OUTLIVE_PUTS || isAboutToSend[request] && SENT_SOON_AFTER_ARMING))
#define IS_OUTLIVED (!MAY_YET_HAPPEN(0) && !MAY_YET_HAPPEN(1) && !MAY_YET_HAPPEN(2))

#define LAG_IS_OUTLIVED \
  (visible == tag || (theClaim.confirmed -> !CONFIRMED_CLAIMS_OUTLIVE_LAG : !PENDING_CLAIMS_OUTLIVE_LAG))

active proctype Time() {
end_ticking:
  do
  :: d_step { theClaim.digest != NONE && IS_OUTLIVED && LAG_IS_OUTLIVED -> end_claim(theClaim) }
  od
}

active proctype TagDelete() {
end_deleting:
  atomic { !TAG_DELETES_ARE_ANSWERED && visible == NONE -> assert(acknowledged == NONE); tag = NONE }
}

init {
  atomic {
    run Push(0);
    run Push(1);
    run Push(2)
  }
}
