/* How long a claim can be kept alive by joining it. Each join prolongs it by a lease, each arming by a life; whoever waits with
   another manifest wants to know that this ends. Time counts here, in steps: a lease is one, a life is two. */

#define LEASE 1
#define LIFE 2

#ifndef LIMIT /* so many may hold a claim at once */
#define LIMIT 2
#endif
#ifndef LIMIT_IS_FOR_EVER /* … or hold it ever: a place that is given back stays taken */
#define LIMIT_IS_FOR_EVER false
#endif
#ifndef PUSHES /* 0: there is no end of pushes of the claimed manifest, and the upstream refuses each of them */
#define PUSHES 0
#endif

#if PUSHES
#define LONGEST (PUSHES * (LEASE + LIFE))
#else
#define LONGEST (LIMIT * (LEASE + LIFE))
#endif

bool isClaimed;
byte live, sent;      /* its holders: who has not armed yet, and who has */
byte joined;          /* … and how many ever were */
byte left;            /* of the claim's time */
byte age;
byte pushed;

#define HOLDERS (live + sent)

inline check_empty() {
  if
  :: HOLDERS == 0 -> isClaimed = false; left = 0
  :: else
  fi
}

active proctype Pushes() {
end_pushing:
  do
  :: atomic { (!PUSHES || pushed < PUSHES) && (LIMIT_IS_FOR_EVER -> joined : HOLDERS) < LIMIT && (age == 0 || isClaimed) ->
       isClaimed = true;
       pushed = pushed + (PUSHES -> 1 : 0);
       live++;
       joined = joined + (LIMIT_IS_FOR_EVER -> 1 : 0);
       left = (left > LEASE -> left : LEASE) }
  :: atomic { live > 0 -> live--; sent++; left = LIFE }
  :: atomic { live > 0 -> live--; check_empty() /* not armed, and given back */ }
  :: atomic { sent > 0 -> sent--; check_empty() /* refused, and given back */ }
  od
}

active proctype Time() {
end_ticking:
  do
  :: atomic { isClaimed ->
       age++;
       assert(age <= LONGEST);
       left--;
       if
       :: left == 0 -> isClaimed = false; live = 0; sent = 0
       :: else
       fi }
  od
}
