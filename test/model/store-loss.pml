/* A store that loses what it was told: it is restarted without its data, or another server takes over that had not heard of the last
   writes. Replicas find out by what they know themselves; see `attend` in src/adapters/redis/epoch-script.ts.

   Two replicas are running, a third one may start; one push through each. The first server of the store has a copy that lags behind,
   and that may take over. */

#ifndef REPLICAS
#define REPLICAS 2
#endif
#define REQUESTS REPLICAS
#define DIGEST(request) (1 + ((request) > 0))
#define ANSWERS_ARE_VAGUE false

#include "upstream.pml"
#include "claim.pml"

/* What replicas do about it. */
#ifndef CLAIMS_HAVE_AN_EPOCH /* to arm and to confirm needs a claim of the epoch that is in force */
#define CLAIMS_HAVE_AN_EPOCH true
#endif
#ifndef JOINS_NEED_THE_EPOCH /* a claim that is left over from an earlier epoch is not joined */
#define JOINS_NEED_THE_EPOCH true
#endif
#ifndef ARMS_ARE_COUNTED /* a store that knows of fewer armings of a replica than the replica itself has lost some */
#define ARMS_ARE_COUNTED true
#endif
#ifndef LOSS_BEGINS_A_QUARANTINE
#define LOSS_BEGINS_A_QUARANTINE true
#endif
#ifndef QUARANTINE_LASTS_A_CLAIMS_LIFE
#define QUARANTINE_LASTS_A_CLAIMS_LIFE true
#endif
#ifndef EMPTY_STORE_WAITS /* before the first claim in a store that its finder does not know: somebody else may know another one */
#define EMPTY_STORE_WAITS true
#endif
#ifndef NEW_SERVER_WAITS /* before the first claim on another server: somebody may know that it lacks something */
#define NEW_SERVER_WAITS true
#endif
#ifndef ROLL_IS_CALLED /* … until every replica that the store remembers has been heard, or a claim's life is over; else for a fixed time */
#define ROLL_IS_CALLED true
#endif
#ifndef FIXED_TIME_IS_WAITED_TOO /* for a replica that the store does not remember either */
#define FIXED_TIME_IS_WAITED_TOO true
#endif
#ifndef ARMS_WAIT_TOO /* as first claims do */
#define ARMS_WAIT_TOO true
#endif
#ifndef EPOCHS_ARE_ORDERED /* only a later flagged epoch is adopted; an earlier one is a loss */
#define EPOCHS_ARE_ORDERED true
#endif
#ifndef ADOPTION_RENEWS_THE_QUARANTINE /* where the replica has armed claims that this epoch does not know of */
#define ADOPTION_RENEWS_THE_QUARANTINE true
#endif
#ifndef ARMS_REACH_THE_COPY /* redis.wait_replicas */
#define ARMS_REACH_THE_COPY false
#endif

/* What may go wrong. */
#ifndef LOSSES /* how often the store is found empty */
#define LOSSES 0
#endif
#ifndef FAILOVERS
#define FAILOVERS 0
#endif
#ifndef FIRST_EPOCH_IS_FLAGGED /* it began, long ago, with a quarantine */
#define FIRST_EPOCH_IS_FLAGGED false
#endif
#ifndef REPLICA_IS_NEW /* the last one: it knows no epoch yet, and the store does not know it */
#define REPLICA_IS_NEW false
#endif
#ifndef REPLICA_DIES /* the first replica, at any moment */
#define REPLICA_DIES false
#endif
#ifndef BRAIN_IS_SPLIT /* the first replica goes on with the old server for a while */
#define BRAIN_IS_SPLIT false
#endif
#ifndef CLAIMS_ARE_EVICTED /* a store that is full drops what would expire anyway */
#define CLAIMS_ARE_EVICTED false
#endif
#ifndef CLOCKS_DISAGREE /* what has expired on one server is still there on the other */
#define CLOCKS_DISAGREE false
#endif

/* What is taken for granted. */
#ifndef REPLICAS_ARE_HEARD_IN_TIME /* every running replica speaks within the fixed time */
#define REPLICAS_ARE_HEARD_IN_TIME true
#endif
#ifndef SPLITS_ARE_SHORT /* a replica finds the new server, and is heard there, within a claim's life */
#define SPLITS_ARE_SHORT false
#endif

typedef Store {
  byte epoch; /* NONE: the store is empty */
  byte generation;
  bool isFlagged;
  byte server; /* the one that its replicas know */
  byte claimEpoch;
  byte arms[REPLICAS];
  bool isKnown[REPLICAS]; /* the roll */

  /* Nothing is claimed, and nothing armed, in a quarantine, for a short fixed time, and while the roll is called. */
  bool isQuarantined, isFresh, isCalling;
  bool wasHeard[REPLICAS];       /* since the fixed time, or the roll call, began */
  bool isBefore[REQUESTS];      /* this request's PUT was sent before the quarantine began: it ends after that */
  bool isBeforeCall[REQUESTS]    /* … before the roll call began: it ends after that, if not earlier */
}

Store server[2];
Claim claim[2];
byte master;         /* the server that is in charge */
bool isCutOff;       /* the first replica still talks to the old one */
bool isDead;         /* the first replica is */
byte known[REPLICAS], knownGeneration[REPLICAS], armed[REPLICAS];
byte epochs = 1;
byte birth[2], births; /* which claim it is, to know it again in the copy */
byte losses, failovers;

/* The server that a replica talks to. */
#define AT (me == 0 && isCutOff -> 0 : master)
#define store server[AT]

#define IS_WAITING (store.isQuarantined || store.isFresh || store.isCalling)

inline begin_quarantine() {
  store.isQuarantined = true;
  for (each : 0 .. REQUESTS - 1) { store.isBefore[each] = sent[each] }
  skip
}

inline begin_fixed_time() {
  store.isFresh = true;
  for (each : 0 .. REPLICAS - 1) { store.wasHeard[each] = false }
  skip
}

inline begin_roll_call() {
  store.isCalling = ROLL_IS_CALLED;
  for (each : 0 .. REQUESTS - 1) { store.isBeforeCall[each] = sent[each] }
  if
  :: !ROLL_IS_CALLED || FIXED_TIME_IS_WAITED_TOO -> begin_fixed_time()
  :: else -> for (each : 0 .. REPLICAS - 1) { store.wasHeard[each] = false }
  fi
}

inline begin_epoch(isLoss) {
  epochs++;
  store.epoch = epochs;
  store.generation = 1 + (knownGeneration[me] > store.generation -> knownGeneration[me] : store.generation);
  store.isFlagged = isLoss;
  if
  :: isLoss && LOSS_BEGINS_A_QUARANTINE -> begin_quarantine()
  :: !isLoss && EMPTY_STORE_WAITS -> begin_fixed_time()
  :: else
  fi
}

#define COPY(what) server[1].what = server[0].what

inline replicate() {
  COPY(epoch);
  COPY(generation);
  COPY(isFlagged);
  COPY(isQuarantined);
  COPY(isFresh);
  COPY(isCalling);
  COPY(server);
  for (each : 0 .. REPLICAS - 1) {
    COPY(arms[each]);
    COPY(isKnown[each]);
    COPY(wasHeard[each]);
    COPY(isBefore[each]);
    COPY(isBeforeCall[each]);
    claim[1].holder[each] = claim[0].holder[each];
    claim[1].outlives[each] = claim[0].outlives[each]
  }
  claim[1].digest = claim[0].digest;
  claim[1].confirmed = claim[0].confirmed;
  birth[1] = birth[0];
  COPY(claimEpoch)
}

/* Every command of a replica begins so, and a replica that has no other command beats so. */
inline attend() {
  if
  :: NEW_SERVER_WAITS && store.epoch != NONE && store.server != master && !(me == 0 && isCutOff) ->
     store.server = master;
     begin_roll_call()
  :: else
  fi;
  if
  :: store.epoch == NONE -> store.server = master; begin_epoch((known[me] != NONE))
  :: store.epoch != NONE && known[me] != NONE && store.epoch != known[me] &&
     (!store.isFlagged || EPOCHS_ARE_ORDERED && store.generation <= knownGeneration[me]) -> begin_epoch(true)
  :: store.epoch != NONE && known[me] != NONE && store.epoch == known[me] && ARMS_ARE_COUNTED && store.arms[me] < armed[me] -> begin_epoch(true)
  :: else
  fi;
  if
  :: store.epoch != known[me] ->
     if
     :: store.arms[me] < armed[me] ->
        if
        :: ADOPTION_RENEWS_THE_QUARANTINE && LOSS_BEGINS_A_QUARANTINE -> begin_quarantine()
        :: else
        fi;
        store.arms[me] = armed[me]
     :: else
     fi
  :: else
  fi;
  known[me] = store.epoch;
  knownGeneration[me] = store.generation;
  store.isKnown[me] = true;
  store.wasHeard[me] = true
}

#define IS_ALIVE !(me == 0 && isDead)

proctype Push(byte me) {
  byte seen;
  byte outcome;
  bool isOurs;

  atomic {
    IS_ALIVE;
    d_step {
      attend();
      if
      :: IS_WAITING -> outcome = AWAY
      :: !IS_WAITING && claim[AT].digest != NONE && store.claimEpoch != store.epoch && JOINS_NEED_THE_EPOCH -> outcome = AWAY
      :: else ->
         if
         :: claim[AT].digest == NONE -> store.claimEpoch = store.epoch; births++; birth[AT] = births
         :: else
         fi;
         take(claim[AT], me, outcome)
      fi
    }
  }
  if
  :: outcome == HELD
  :: else -> goto over
  fi;
  seen = visible;
  if
  :: seen == NONE || seen == DIGEST(me)
  :: else -> d_step { give_back(claim[AT], me) } goto over
  fi;
  atomic {
    IS_ALIVE;
    d_step {
      attend();
      if
      :: CLAIMS_HAVE_AN_EPOCH && store.claimEpoch != store.epoch || ARMS_WAIT_TOO && IS_WAITING -> isOurs = false
      :: else -> arm(claim[AT], me, isOurs)
      fi;
      if
      :: isOurs ->
         store.arms[me] = store.arms[me] + 1;
         isOurs = !(ARMS_REACH_THE_COPY && me == 0 && isCutOff);
         if
         :: ARMS_REACH_THE_COPY && master == 0 -> replicate()
         :: else
         fi
      :: else
      fi;
      if
      :: isOurs -> armed[me] = store.arms[me]; sent[me] = true
      :: else
      fi
    }
  }
  if
  :: isOurs
  :: else -> goto over
  fi;
  if
  :: answer[me] == CREATED ->
     atomic {
       IS_ALIVE;
       d_step {
         attend();
         if
         :: CLAIMS_HAVE_AN_EPOCH && store.claimEpoch != store.epoch -> isOurs = false
         :: else -> confirm(claim[AT], me, isOurs)
         fi
       }
     }
     if
     :: isOurs -> d_step { acknowledge(me) }
     :: else
     fi
  :: answer[me] == REFUSED -> skip
  :: answer[me] == NONE -> answer[me] = UNHEARD
  fi;
over:
  skip
}

proctype Beats() {
  byte me;
end_beating:
  do
  :: atomic { !isDead -> me = 0; d_step { attend() } }
  :: d_step { me = 1; attend(); me = 0 }
#if REPLICAS > 2
  :: d_step { me = 2; attend(); me = 0 }
#endif
  od
}

inline forget() {
  for (each : 0 .. REPLICAS - 1) {
    server[master].arms[each] = 0;
    server[master].isKnown[each] = false;
    server[master].wasHeard[each] = false;
    server[master].isBefore[each] = false;
    server[master].isBeforeCall[each] = false
  }
  server[master].epoch = NONE;
  server[master].generation = 0;
  server[master].isFlagged = false;
  server[master].isQuarantined = false;
  server[master].isFresh = false;
  server[master].isCalling = false;
  server[master].claimEpoch = NONE;
  end_claim(claim[master])
}

proctype Servers() {
end_serving:
  do
  :: d_step { FAILOVERS > 0 && master == 0 -> replicate() }
  :: atomic { failovers < FAILOVERS -> failovers++; master = 1; isCutOff = BRAIN_IS_SPLIT }
  :: atomic { isCutOff -> isCutOff = false }
  :: d_step { losses < LOSSES -> losses++; forget() }
  :: d_step { CLAIMS_ARE_EVICTED && claim[master].digest != NONE -> end_claim(claim[master]) }
  :: atomic { REPLICA_DIES && !isDead -> isDead = true }
  od
}

#if REPLICAS > 2
#define EACH(is, at) (is(at, 0) && is(at, 1) && is(at, 2))
#else
#define EACH(is, at) (is(at, 0) && is(at, 1))
#endif

/* A claim expires after what it was armed for … */
#define IS_OUTLIVED(at, request) !(claim[at].outlives[request] && sent[request])
#define WAS_NOT_ARMED(at, request) !claim[at].outlives[request]
#define IS_EXPIRED(at) (EACH(IS_OUTLIVED, at) && (visible == tag || EACH(WAS_NOT_ARMED, at)))

/* … a quarantine ends after what was armed before it began … */
#define IS_BACK(at) (!SPLITS_ARE_SHORT || !isCutOff && server[at].wasHeard[0])
#define IS_SETTLED(at, request) !(server[at].isBefore[request] && sent[request])
#define IS_LIFE_OVER(at) (EACH(IS_SETTLED, at) && visible == tag && IS_BACK(at))

/* … a fixed time when everybody who is running has been heard, a roll call when everybody on the roll has, or a claim's life is over. */
#define IS_HEARD(at, replica) (server[at].wasHeard[replica] || known[replica] == NONE || replica == 0 && isDead)
#define IS_TIME_OVER(at) (!REPLICAS_ARE_HEARD_IN_TIME || EACH(IS_HEARD, at))
#define IS_PRESENT(at, replica) (server[at].wasHeard[replica] || !server[at].isKnown[replica])
#define IS_SETTLED_SINCE(at, request) !(server[at].isBeforeCall[request] && sent[request])
#define IS_CALL_OVER(at) (EACH(IS_PRESENT, at) || EACH(IS_SETTLED_SINCE, at) && visible == tag && IS_BACK(at))

inline expire(at) {
  if
  :: at != 1 && birth[0] == birth[1] && !CLOCKS_DISAGREE -> end_claim(claim[1])
  :: else
  fi;
  end_claim(claim[at])
}

#define TICK(at, isInUse)                                                                                                        \
  :: d_step { isInUse && claim[at].digest != NONE && IS_EXPIRED(at) -> expire(at) }                                              \
  :: atomic { isInUse && server[at].isQuarantined && (!QUARANTINE_LASTS_A_CLAIMS_LIFE || IS_LIFE_OVER(at)) ->                    \
       server[at].isQuarantined = false }                                                                                        \
  :: atomic { isInUse && server[at].isFresh && IS_TIME_OVER(at) -> server[at].isFresh = false }                                  \
  :: atomic { isInUse && server[at].isCalling && !server[at].isFresh && IS_CALL_OVER(at) -> server[at].isCalling = false }

proctype Time() {
end_ticking:
  do
  TICK(0, (master == 0 || isCutOff))
  TICK(1, (master == 1))
  od
}

init {
  atomic {
    server[0].epoch = 1;
    server[0].generation = 1;
    server[0].isFlagged = FIRST_EPOCH_IS_FLAGGED;
    for (each : 0 .. REPLICAS - (REPLICA_IS_NEW -> 2 : 1)) {
      server[0].isKnown[each] = true;
      known[each] = 1;
      knownGeneration[each] = 1
    }
    run Beats();
    run Servers();
    run Time();
    run Push(0);
    run Push(1);
#if REPLICAS > 2
    run Push(2)
#endif
  }
}
