/* A claim whose digest takes the place of another one that was confirmed: what append-only tags (design section 6) and unlocks need
   beside claim.pml. The digest that was confirmed before is kept as the claim's base. */

#ifndef SWAPS_WAIT_FOR_HOLDERS /* until nobody who pushed the digest before may still write it */
#define SWAPS_WAIT_FOR_HOLDERS true
#endif
#ifndef GIVE_BACK_RESTORES_THE_BASE /* else nothing shields it from look-ups that lag */
#define GIVE_BACK_RESTORES_THE_BASE true
#endif

byte base; /* NONE: nothing is known to have been confirmed before */

#define MAY_WRITE(c, request) (c.holder[request] == LIVE || c.holder[request] == UNKNOWN)
#define MAY_BE_WRITTEN(c) (SWAPS_WAIT_FOR_HOLDERS && (MAY_WRITE(c, 0) || MAY_WRITE(c, 1) || MAY_WRITE(c, 2)))

inline swap(c, request, outcome) {
  if
  :: c.confirmed && c.digest != DIGEST(request) && MAY_BE_WRITTEN(c) -> outcome = BUSY
  :: c.confirmed && c.digest != DIGEST(request) && !MAY_BE_WRITTEN(c) ->
     base = c.digest;
     end_claim(c);
     take(c, request, outcome)
  :: else -> take(c, request, outcome)
  fi
}

inline confirm_swap(c, request, isOurs) {
  confirm(c, request, isOurs);
  base = (isOurs -> NONE : base)
}

inline give_swap_back(c, request) {
  give_back(c, request);
  if
  :: c.digest == NONE && base != NONE && GIVE_BACK_RESTORES_THE_BASE -> c.digest = base; c.confirmed = true; base = NONE
  :: c.digest == NONE && !GIVE_BACK_RESTORES_THE_BASE -> base = NONE
  :: else
  fi
}

inline end_swap(c) {
  end_claim(c);
  base = NONE
}
