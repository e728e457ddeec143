/* The claim on one tag: what src/core/claim.ts, and the scripts of src/adapters/redis/claim-scripts.ts, do to it. Each inline is one
   atomic step of the store. Its clauses can be left out one by one (-DCLAUSE=false), to see what each of them is for. */

#ifndef ARM_CHECKS_THE_HOLDER /* right before the PUT: is the claim still ours? */
#define ARM_CHECKS_THE_HOLDER true
#endif
#ifndef ARMING_PROLONGS /* every holder's arming gives the claim its full life; else the first holder's alone */
#define ARMING_PROLONGS true
#endif
#ifndef CONFIRM_CHECKS_THE_HOLDER /* after a 2xx: is the claim still ours? */
#define CONFIRM_CHECKS_THE_HOLDER true
#endif
#ifndef CONFIRM_IS_REMEMBERED /* who has confirmed stays in the claim as such, so that a second confirm is a yes as well */
#define CONFIRM_IS_REMEMBERED true
#endif
#ifndef LAST_HOLDER_ENDS_IT /* a give-back ends the claim only if nobody else holds it */
#define LAST_HOLDER_ENDS_IT true
#endif
#ifndef HOLDERS_ARE_IDS /* else they are a number, that each give-back lowers */
#define HOLDERS_ARE_IDS true
#endif
#ifndef UNKNOWN_KEEPS_THE_CLAIM /* an unknown outcome is no give-back */
#define UNKNOWN_KEEPS_THE_CLAIM true
#endif
#ifndef UNKNOWN_STAYS_A_HOLDER /* … and its request still counts as a holder, until the claim expires */
#define UNKNOWN_STAYS_A_HOLDER true
#endif

/* What a request is in a claim. */
#define NOBODY 0
#define LIVE 1
#define UNKNOWN 2
#define CONFIRMED 3

/* What a request hears when it claims. */
#define HELD 1
#define BUSY 2  /* another digest is being pushed */
#define TAKEN 3 /* another digest has been acknowledged */
#define AWAY 4  /* the store did not answer */

typedef Claim {
  byte digest; /* NONE: the tag is not claimed */
  bool confirmed;
  byte holder[REQUESTS];
  bool outlives[REQUESTS]; /* its time is up only after this request's PUT can no longer be committed */
  byte holders;            /* only where HOLDERS_ARE_IDS is false */
  bool wasConfirmed[REQUESTS] /* for the checker alone */
}

hidden byte each;

#define IS_HELD_BY(c, request) (c.digest == DIGEST(request) && c.holder[request] != NOBODY)

#if REQUESTS == 2
#define HAS_A_HOLDER(c) (c.holder[0] != NOBODY || c.holder[1] != NOBODY)
#elif REQUESTS == 3
#define HAS_A_HOLDER(c) (c.holder[0] != NOBODY || c.holder[1] != NOBODY || c.holder[2] != NOBODY)
#endif
#define IS_HELD(c) (HOLDERS_ARE_IDS -> HAS_A_HOLDER(c) : c.holders > 0)

inline end_claim(c) {
  for (each : 0 .. REQUESTS - 1) {
    c.holder[each] = NOBODY;
    c.outlives[each] = false;
    c.wasConfirmed[each] = false
  }
  c.digest = NONE;
  c.confirmed = false;
  c.holders = 0
}

inline take(c, request, outcome) {
  if
  :: c.digest != NONE && c.digest != DIGEST(request) -> outcome = (c.confirmed -> TAKEN : BUSY)
  :: else ->
     c.outlives[request] = c.outlives[request] || (!ARMING_PROLONGS && c.digest == NONE);
     c.digest = DIGEST(request);
     c.holders = c.holders + (HOLDERS_ARE_IDS -> 0 : 1);
     if
     :: c.holder[request] == NOBODY -> c.holder[request] = LIVE
     :: else
     fi;
     outcome = HELD
  fi
}

inline arm(c, request, isOurs) {
  isOurs = IS_HELD_BY(c, request);
  c.outlives[request] = c.outlives[request] || (isOurs && ARMING_PROLONGS);
  isOurs = isOurs || !ARM_CHECKS_THE_HOLDER
}

inline confirm(c, request, isOurs) {
  isOurs = IS_HELD_BY(c, request) || (!CONFIRM_CHECKS_THE_HOLDER && (c.digest == DIGEST(request) || c.digest == NONE));
  if
  :: isOurs ->
     c.digest = DIGEST(request);
     c.confirmed = true;
     c.wasConfirmed[request] = true;
     c.holder[request] = (CONFIRM_IS_REMEMBERED -> CONFIRMED : NOBODY)
  :: else
  fi
}

inline give_back(c, request) {
  if
  :: c.digest == DIGEST(request) && (c.holder[request] == LIVE || !HOLDERS_ARE_IDS) ->
     c.holder[request] = NOBODY;
     c.holders = (c.holders > 0 -> c.holders - 1 : 0);
     if
     :: c.confirmed || (LAST_HOLDER_ENDS_IT && IS_HELD(c))
     :: else -> end_claim(c)
     fi
  :: else
  fi
}

inline leave_unknown(c, request) {
  if
  :: !UNKNOWN_KEEPS_THE_CLAIM -> give_back(c, request)
  :: UNKNOWN_KEEPS_THE_CLAIM && c.digest == DIGEST(request) && c.holder[request] == LIVE ->
     c.holder[request] = (UNKNOWN_STAYS_A_HOLDER -> UNKNOWN : NOBODY)
  :: else
  fi
}
