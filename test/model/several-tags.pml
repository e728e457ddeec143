/* One push, several tags (PUT by digest with ?tag=, end-7b): all are claimed or none; afterwards only those are confirmed that the
   upstream made. Two tags; one push to both, and one of another manifest to both or to the second one. */

#define REQUESTS 2
#define TAGS 2
#define DIGEST(request) (1 + (request))
#define FIRST_TAG(request) (request == 1 && SECOND_PUSH_WANTS_ONE -> 1 : 0)

#define NONE 0
#define CREATED 1
#define REFUSED 2
#define UNHEARD 4

#include "claim.pml"

#ifndef CLAIMED_AT_ONCE /* all tags in one step, or none; else one after the other */
#define CLAIMED_AT_ONCE true
#endif
#ifndef CLAIMED_IN_ORDER /* … in the order of their names */
#define CLAIMED_IN_ORDER true
#endif
#ifndef ALL_ARE_ARMED
#define ALL_ARE_ARMED true
#endif
#ifndef ONLY_MADE_TAGS_ARE_CONFIRMED /* named in OCI-Tag, or seen afterwards; a 201 may have made some, or none */
#define ONLY_MADE_TAGS_ARE_CONFIRMED true
#endif
#ifndef UNNAMED_ARE_GIVEN_BACK /* a tag that was not named, and is proven absent; else it is left unknown */
#define UNNAMED_ARE_GIVEN_BACK true
#endif

#ifndef SECOND_PUSH_WANTS_ONE
#define SECOND_PUSH_WANTS_ONE false
#endif

#ifndef NEVER_TOLD /* as in upstream.pml */
#define NEVER_TOLD false
#endif

/* What may go wrong. */
#ifndef LEASES_LAPSE /* a claim that was not armed expires; without that a deadlock would last, and so be seen */
#define LEASES_LAPSE true
#endif
#ifndef TAGS_ARE_MADE_LATER /* a registry makes a tag after its answer that did not name it */
#define TAGS_ARE_MADE_LATER false
#endif

Claim claim[TAGS];
byte tag[TAGS], visible[TAGS], acknowledged[TAGS];
bool sent[REQUESTS];
byte answer[REQUESTS];
bool named[4]; /* of each push, which tags its answer names */
bool later[4]; /* … and which may yet be made */

#define OF(request, t) (2 * (request) + (t))

inline take_all(request, outcome) {
  outcome = HELD;
  for (t : FIRST_TAG(request) .. TAGS - 1) {
    if
    :: claim[t].digest != NONE && claim[t].digest != DIGEST(request) ->
       outcome = (claim[t].confirmed -> TAKEN : (outcome == TAKEN -> TAKEN : BUSY))
    :: else
    fi
  }
  for (t : FIRST_TAG(request) .. TAGS - 1) {
    if
    :: outcome == HELD -> take(claim[t], request, outcome)
    :: else
    fi
  }
  t = 0
}

inline arm_all(request, isOurs) {
  isOurs = true;
  for (t : FIRST_TAG(request) .. TAGS - 1) {
    isOurs = isOurs && (IS_HELD_BY(claim[t], request) || (!ALL_ARE_ARMED && t > 0))
  }
  for (t : FIRST_TAG(request) .. TAGS - 1) {
    claim[t].outlives[request] = claim[t].outlives[request] || (isOurs && IS_HELD_BY(claim[t], request))
  }
  t = 0
}

inline give_all_back(request) {
  for (t : FIRST_TAG(request) .. TAGS - 1) { give_back(claim[t], request) }
  t = 0
}

#define CAN_GO_ON(t) (claim[t].digest == NONE || claim[t].digest == DIGEST(me) || claim[t].confirmed)

proctype Push(byte me) {
  byte t;
  byte outcome;
  bool isOurs;
  byte first = (CLAIMED_IN_ORDER -> 0 : me % 2);

  if
  :: CLAIMED_AT_ONCE -> d_step { take_all(me, outcome) }
     if
     :: outcome == HELD
     :: else -> goto over
     fi
  :: !CLAIMED_AT_ONCE ->
     atomic { CAN_GO_ON(first); take(claim[first], me, outcome) }
     if
     :: outcome == HELD
     :: else -> goto over
     fi;
     atomic { CAN_GO_ON(1 - first); take(claim[1 - first], me, outcome) }
     if
     :: outcome == HELD
     :: else -> goto givingBack
     fi
  fi;

  /* Ask: any other digest is a refusal. */
  d_step {
    isOurs = true;
    for (t : FIRST_TAG(me) .. TAGS - 1) { isOurs = isOurs && (visible[t] == NONE || visible[t] == DIGEST(me)) }
    t = 0
  }
  if
  :: isOurs
  :: else -> goto givingBack
  fi;
  d_step { arm_all(me, isOurs); sent[me] = isOurs }
  if
  :: isOurs
  :: else -> goto givingBack
  fi;

  if
  :: answer[me] == REFUSED -> goto givingBack
  :: answer[me] == NONE ->
     d_step {
       answer[me] = UNHEARD;
       for (t : FIRST_TAG(me) .. TAGS - 1) { leave_unknown(claim[t], me) }
       t = 0
     }
  :: answer[me] == CREATED ->
     t = FIRST_TAG(me);
     do
     :: t < TAGS ->
        if
        :: ONLY_MADE_TAGS_ARE_CONFIRMED && !named[OF(me, t)] && visible[t] == NONE && UNNAMED_ARE_GIVEN_BACK -> d_step { give_back(claim[t], me) }
        :: ONLY_MADE_TAGS_ARE_CONFIRMED && !named[OF(me, t)] && visible[t] != DIGEST(me) && (visible[t] != NONE || !UNNAMED_ARE_GIVEN_BACK) ->
           d_step { leave_unknown(claim[t], me) }
        :: !ONLY_MADE_TAGS_ARE_CONFIRMED || named[OF(me, t)] || visible[t] == DIGEST(me) ->
           d_step { confirm(claim[t], me, isOurs) }
           /* The client is told of the tags that the answer names. */
           if
           :: isOurs && (!ONLY_MADE_TAGS_ARE_CONFIRMED || named[OF(me, t)]) ->
              d_step {
                assert(!(NEVER_TOLD));
                assert(acknowledged[t] == NONE || acknowledged[t] == DIGEST(me));
                assert(tag[t] == DIGEST(me));
                acknowledged[t] = DIGEST(me)
              }
           :: else
           fi
        fi;
        t++
     :: t == TAGS -> break
     od
  fi;
  goto over;
givingBack:
  atomic { give_all_back(me) }
over:
  skip
}

inline make(request, t) {
  assert(acknowledged[t] == NONE || acknowledged[t] == DIGEST(request));
  tag[t] = DIGEST(request)
}

/* The upstream makes all of the tags, some, or none, and names some of those that it has made. */
#define SERVE(request, makes0, makes1, names0, names1)                                               \
  :: d_step { sent[request] ->                                                                       \
       if                                                                                            \
       :: makes0 && FIRST_TAG(request) == 0 -> make(request, 0)                                                             \
       :: else                                                                                       \
       fi;                                                                                           \
       if                                                                                            \
       :: makes1 -> make(request, 1)                                                                 \
       :: else                                                                                       \
       fi;                                                                                           \
       sent[request] = false;                                                                        \
       named[OF(request, 0)] = names0; later[OF(request, 0)] = TAGS_ARE_MADE_LATER && !makes0;       \
       named[OF(request, 1)] = names1; later[OF(request, 1)] = TAGS_ARE_MADE_LATER && !makes1;       \
       if                                                                                            \
       :: answer[request] == NONE -> answer[request] = CREATED                                       \
       :: else                                                                                       \
       fi }
#define SERVE_EACH_WAY(request)              \
  SERVE(request, true, true, true, true)     \
  SERVE(request, true, true, true, false)    \
  SERVE(request, true, false, true, false)   \
  SERVE(request, false, true, false, false)  \
  SERVE(request, false, false, false, false) \
  :: d_step { sent[request] && answer[request] == NONE -> sent[request] = false; answer[request] = REFUSED }

#define MAKE_LATER(request, t) \
  :: d_step { later[OF(request, t)] -> later[OF(request, t)] = false; make(request, t) }

active proctype Upstream() {
end_serving:
  do
  SERVE_EACH_WAY(0)
  SERVE_EACH_WAY(1)
  MAKE_LATER(0, 0)
  MAKE_LATER(0, 1)
  MAKE_LATER(1, 0)
  MAKE_LATER(1, 1)
  :: atomic { visible[0] != tag[0] -> visible[0] = tag[0] }
  :: atomic { visible[1] != tag[1] -> visible[1] = tag[1] }
  od
}

#define IS_OUTLIVED(t, request) !(claim[t].outlives[request] && (sent[request] || later[OF(request, t)]))
#define WAS_ARMED(t) (claim[t].outlives[0] || claim[t].outlives[1])
#define EXPIRE(t)                                                                                                          \
  :: d_step { claim[t].digest != NONE && (LEASES_LAPSE || WAS_ARMED(t)) && IS_OUTLIVED(t, 0) && IS_OUTLIVED(t, 1) &&       \
       (!claim[t].confirmed || visible[t] == tag[t]) -> end_claim(claim[t]) }

active proctype Time() {
end_ticking:
  do
  EXPIRE(0)
  EXPIRE(1)
  od
}

init {
  atomic {
    run Push(0);
    run Push(1)
  }
}
