/* A rule comes into force: a tag that anybody could move becomes immutable while pushes are under way that were judged without the
   rule, and so made no claim. (The same for the switch being turned on, and for a rule that goes from warn to deny.)

   Two replicas follow the rules' revision in the store: 0 has no rule for the tag, 1 has one. One push through each. */

#define REQUESTS 2
#define DIGEST(request) (1 + (request))
#define REPLICA(request) (request)

#include "upstream.pml"
#include "claim.pml"

#ifndef FIRST_PUSHES_WAIT /* under a new rule: until what was judged without it is over */
#define FIRST_PUSHES_WAIT true
#endif
#ifndef THEY_WAIT_FOR_A_CLAIMS_LIFE /* not for the PUT's deadline alone: what was cut off then may still be committed */
#define THEY_WAIT_FOR_A_CLAIMS_LIFE true
#endif
#ifndef THEY_WAIT_FOR_ADOPTION /* … which begins when every replica has the rule, not when it is published */
#define THEY_WAIT_FOR_ADOPTION true
#endif
#ifndef RULES_ARE_READ_AFTER_THE_BODY /* a body may take hours to come */
#define RULES_ARE_READ_AFTER_THE_BODY true
#endif
#ifndef RULES_NEVER_GO_BACK /* a store with an older revision has lost one: it is published again, not followed */
#define RULES_NEVER_GO_BACK true
#endif

/* What may go wrong. */
#ifndef STORE_LOSES_THE_RULE /* a failover: the store is at the older revision again */
#define STORE_LOSES_THE_RULE false
#endif
#ifndef REPLICA_STARTS /* the other replica is started anew: it knows what the store knows */
#define REPLICA_STARTS false
#endif
#ifndef REPLICA_IS_CUT_OFF /* the other replica does not reach the store; its rules stay in force for max_age_seconds */
#define REPLICA_IS_CUT_OFF false
#endif

Claim theClaim;
byte published;                 /* the revision in the store */
byte known[2];                  /* the revision that each replica judges by */
bool wasPublished, wasLost;
bool admitsFirstPushes;
bool isUnclaimed[REQUESTS];     /* its PUT was judged without the rule */
bool isAboutToSend[REQUESTS];

inline read_rules() { revision = known[REPLICA(me)]; isUnclaimed[me] = (revision == 0) }

proctype Push(byte me) {
  byte revision;
  byte seen;
  byte outcome;
  bool isOurs;
  bool isPromised;

  if
  :: !RULES_ARE_READ_AFTER_THE_BODY -> d_step { read_rules() }
  :: RULES_ARE_READ_AFTER_THE_BODY
  fi;
  /* Here comes the body. */
  atomic {
    if
    :: RULES_ARE_READ_AFTER_THE_BODY -> d_step { read_rules(); isAboutToSend[me] = isUnclaimed[me] }
    :: !RULES_ARE_READ_AFTER_THE_BODY
    fi
  }
  if
  :: revision == 0 -> d_step { sent[me] = true; isAboutToSend[me] = false }
     if
     :: answer[me] != NONE
     :: answer[me] == NONE -> answer[me] = UNHEARD /* its deadline */
     fi;
     goto over
  :: else
  fi;

claiming:
  d_step { take(theClaim, me, outcome) }
  if
  :: outcome == HELD
  :: else -> goto over
  fi;
  d_step { seen = visible; isPromised = admitsFirstPushes || !FIRST_PUSHES_WAIT }
  if
  :: (seen == NONE && isPromised) || seen == DIGEST(me)
  :: else -> d_step { give_back(theClaim, me) } goto over
  fi;
  d_step { arm(theClaim, me, isOurs); sent[me] = isOurs }
  if
  :: isOurs
  :: else -> goto over
  fi;
  if
  :: answer[me] == CREATED -> d_step { confirm(theClaim, me, isOurs) }
     /* The promise begins when first pushes do: a tag that is there already may be moved until then, by what was judged earlier. */
     if
     :: isOurs && isPromised -> d_step { acknowledge(me) }
     :: else
     fi
  :: answer[me] == REFUSED -> d_step { give_back(theClaim, me) }
  :: answer[me] == NONE || answer[me] == VAGUE -> d_step { answer[me] = UNHEARD; leave_unknown(theClaim, me) }
  fi;

over:
  skip
}

/* Each replica polls the revision; it is heard of within a second, unless the replica is cut off. */
#define FOLLOW(replica)                                                                                    \
  :: atomic { known[replica] < published && !(REPLICA_IS_CUT_OFF && replica == 1) ->                       \
       known[replica] = published }                                                                        \
  :: atomic { known[replica] > published && !RULES_NEVER_GO_BACK -> known[replica] = published }           \
  :: atomic { known[replica] > published && RULES_NEVER_GO_BACK -> published = known[replica] }

#define IS_ADOPTED (known[0] == 1 && (known[1] == 1 || REPLICA_IS_CUT_OFF))
#define MAY_YET_BE_COMMITTED(request) \
  (isUnclaimed[request] && (isAboutToSend[request] || sent[request] && (THEY_WAIT_FOR_A_CLAIMS_LIFE || answer[request] == NONE)))
#define IS_DRAINED (!MAY_YET_BE_COMMITTED(0) && !MAY_YET_BE_COMMITTED(1))

active proctype Rules() {
end_following:
  do
  :: atomic { !wasPublished -> wasPublished = true; published = 1 }
  FOLLOW(0)
  FOLLOW(1)
  :: atomic { wasPublished && !admitsFirstPushes && (IS_ADOPTED || !THEY_WAIT_FOR_ADOPTION) && IS_DRAINED -> admitsFirstPushes = true }
  :: atomic { STORE_LOSES_THE_RULE && wasPublished && !wasLost -> wasLost = true; published = 0 }
  :: atomic { REPLICA_STARTS && known[1] != published -> known[1] = published }
  od
}

#define IS_OUTLIVED(request) !(theClaim.outlives[request] && sent[request])

active proctype Time() {
end_ticking:
  do
  :: d_step { theClaim.digest != NONE && IS_OUTLIVED(0) && IS_OUTLIVED(1) && (!theClaim.confirmed || visible == tag) ->
       end_claim(theClaim) }
  od
}

init {
  atomic {
    run Push(0);
    run Push(1)
  }
}
