// What config/model.mjs checks: each model as it is, with what may go wrong, and without each of its clauses. The models say at their
// beginnings what each clause and each fault is. docs/model.md has the same table, with reasons; test/tooling/model.test.ts holds
// the two together.
//
// model    the file, without .pml
// name     unique within the model
// without  clauses, or things taken for granted, that are left out
// with     faults that may happen; NAME=NUMBER where it is a number
// result   holds | breaks (a promise is broken) | deadlocks | reaches
// told     with `reaches`: when a client is told of a success. It shows that a variant that holds does not hold for nothing
// isLarge  worth a compiler that takes its time
// as       the variant's name in the model that this one began with
export const variants = [
  { model: 'first-push', name: 'as it is', result: 'holds' },
  {
    ...{ model: 'first-push', name: 'give-backs are sent twice', with: ['GIVE_BACKS_ARE_SENT_TWICE'] },
    result: 'holds',
  },
  {
    ...{ model: 'first-push', name: 'replies are lost, commands run late' },
    ...{ with: ['REPLIES_ARE_LOST', 'PENDING_CLAIMS_OUTLIVE_LAG'], result: 'holds', isLarge: true },
  },
  {
    ...{ model: 'first-push', name: 'either manifest can win', told: 'DIGEST(me) == 2 && onTheWire[0] != 0' },
    ...{ with: ['REPLIES_ARE_LOST', 'PENDING_CLAIMS_OUTLIVE_LAG'], result: 'reaches' },
  },
  ...broken('first-push', {
    'asks first, claims afterwards': { without: ['CLAIM_BEFORE_ASKING'], as: 'ASK_FIRST' },
    'a sleeper sends late': { without: ['ARM_CHECKS_THE_HOLDER'], as: 'PAUSE' },
    'only the first holder prolongs': { without: ['ARMING_PROLONGS'], as: 'NO_REFRESH' },
    'confirms what is no longer its own': { without: ['CONFIRM_CHECKS_THE_HOLDER'] },
    'forgets who has confirmed': {
      without: ['CONFIRM_IS_REMEMBERED'],
      with: ['REPLIES_ARE_LOST', 'PENDING_CLAIMS_OUTLIVE_LAG'],
    },
    'any give-back ends the claim': { without: ['LAST_HOLDER_ENDS_IT'], as: 'NOCOUNT' },
    'holders are a number': {
      without: ['HOLDERS_ARE_IDS'],
      with: ['GIVE_BACKS_ARE_SENT_TWICE'],
      as: 'COUNTER',
    },
    'holder ids are used again': {
      without: ['HOLDER_IDS_ARE_FRESH'],
      with: ['GIVE_BACKS_ARE_SENT_TWICE'],
    },
    'an unknown outcome gives back': { without: ['UNKNOWN_KEEPS_THE_CLAIM'], as: 'UNKNOWN_RELEASES' },
    'an unknown outcome is no holder': { without: ['UNKNOWN_STAYS_A_HOLDER'], as: 'UNKNOWN_NOT_HOLDER' },
    'a vague answer is a refusal': { without: ['ONLY_REFUSALS_GIVE_BACK'], as: 'LATE4XX' },
    'a tag delete is forwarded': { without: ['TAG_DELETES_ARE_ANSWERED'], as: 'TAGDEL' },
    'claims are shorter than PUTs': { without: ['CLAIMS_OUTLIVE_PUTS'] },
    'confirmed claims are shorter than lag': { without: ['CONFIRMED_CLAIMS_OUTLIVE_LAG'], as: 'LAG_SHORT' },
    'sleeps between arming and sending': { without: ['SENT_SOON_AFTER_ARMING'] },
    'goes on without the store, lag is long': { with: ['REPLIES_ARE_LOST'] },
  }),

  { model: 'several-tags', name: 'as it is', result: 'holds' },
  { model: 'several-tags', name: 'one push wants one tag', with: ['SECOND_PUSH_WANTS_ONE'], result: 'holds' },
  {
    ...{ model: 'several-tags', name: 'one after the other, in order' },
    ...{ without: ['CLAIMED_AT_ONCE', 'LEASES_LAPSE'], result: 'holds' },
  },
  {
    ...{ model: 'several-tags', name: 'one after the other, in any order' },
    ...{ without: ['CLAIMED_AT_ONCE', 'LEASES_LAPSE', 'CLAIMED_IN_ORDER'], result: 'deadlocks' },
  },
  {
    ...{ model: 'several-tags', name: 'made later, but left unknown' },
    ...{ with: ['TAGS_ARE_MADE_LATER'], without: ['UNNAMED_ARE_GIVEN_BACK'], result: 'holds' },
  },
  {
    ...{ model: 'several-tags', name: 'each push can get a tag', result: 'reaches' },
    with: ['SECOND_PUSH_WANTS_ONE'],
    told: 'me == 1 && acknowledged[1 - t] == 1',
  },
  ...broken('several-tags', {
    'only the first tag is armed': { without: ['ALL_ARE_ARMED'], with: ['SECOND_PUSH_WANTS_ONE'] },
    'confirms what was not made': { without: ['ONLY_MADE_TAGS_ARE_CONFIRMED'] },
    'made later, and given back': { with: ['TAGS_ARE_MADE_LATER'] },
  }),

  { model: 'delete', name: 'as it is', result: 'holds' },
  { model: 'delete', name: 'two deletes', with: ['DELETES=2'], result: 'holds', isLarge: true },
  { model: 'delete', name: 'the store loses marks', with: ['STORE_LOSES'], result: 'holds' },
  {
    ...{ model: 'delete', name: 'looks for marks only when claiming' },
    ...{ without: ['THEY_LOOK_AGAIN_WHEN_ARMING'], with: ['STORE_LOSES'], result: 'holds' },
  },
  {
    ...{ model: 'delete', name: 'a push can follow a delete', result: 'reaches' },
    ...{ with: ['STORE_LOSES'], told: 'DIGEST(me) == TARGET && wasLost && deleteAnswered[0]' },
  },
  ...broken('delete', {
    'pushes do not look for marks': { without: ['PUSHES_LOOK_FOR_MARKS'] },
    'reads claims after the walk': {
      without: ['CLAIMS_ARE_READ_WITH_THE_MARK'],
      as: 'CLAIMS_AFTER_WALK',
    },
    'counts pending claims alone': { without: ['CONFIRMED_CLAIMS_COUNT'], as: 'PENDING_ONLY' },
    'a mark is not armed': { without: ['MARKS_ARE_ARMED'], as: 'mark-not-armed' },
    'one mark for all deletes': { without: ['MARKS_HAVE_IDS'], with: ['DELETES=2'], as: 'MARK_BOOL' },
    'an unknown outcome ends the mark': { without: ['UNKNOWN_KEEPS_THE_MARK'], as: 'DEL_UNKNOWN_CLEARS' },
    'marks are not counted': { without: ['MARKS_ARE_COUNTED'], with: ['STORE_LOSES'] },
    'marks are shorter than deletes': { without: ['MARKS_OUTLIVE_DELETES'] },
  }),

  { model: 'new-rule', name: 'as it is', result: 'holds' },
  { model: 'new-rule', name: 'a replica starts', with: ['REPLICA_STARTS'], result: 'holds' },
  { model: 'new-rule', name: 'the store loses the rule', with: ['STORE_LOSES_THE_RULE'], result: 'holds' },
  {
    ...{ model: 'new-rule', name: 'first pushes begin', with: ['STORE_LOSES_THE_RULE'], result: 'reaches' },
    told: 'wasLost && admitsFirstPushes && me == 0',
  },
  ...broken('new-rule', {
    'first pushes do not wait': { without: ['FIRST_PUSHES_WAIT'], as: 'UNCLAIMED' },
    'they wait for the deadline alone': { without: ['THEY_WAIT_FOR_A_CLAIMS_LIFE'] },
    'they do not wait for adoption': { without: ['THEY_WAIT_FOR_ADOPTION'] },
    'rules are read before the body': { without: ['RULES_ARE_READ_AFTER_THE_BODY'] },
    'rules follow the store back': { without: ['RULES_NEVER_GO_BACK'], with: ['STORE_LOSES_THE_RULE'] },
    'a replica starts while the rule is lost': { with: ['STORE_LOSES_THE_RULE', 'REPLICA_STARTS'] },
    'a replica is cut off': { with: ['REPLICA_IS_CUT_OFF'] },
  }),

  { model: 'store-loss', name: 'as it is', result: 'holds' },
  { model: 'store-loss', name: 'loses everything', with: ['LOSSES=1'], result: 'holds' },
  {
    ...{ model: 'store-loss', name: 'loses everything, a new replica finds it first' },
    ...{
      with: ['LOSSES=1', 'REPLICAS=3', 'REPLICA_IS_NEW'],
      without: ['READS_LAG'],
      result: 'holds',
      isLarge: true,
    },
  },
  { model: 'store-loss', name: 'fails over', with: ['FAILOVERS=1'], result: 'holds' },
  {
    ...{ model: 'store-loss', name: 'fails over, a new replica' },
    ...{ with: ['FAILOVERS=1', 'REPLICA_IS_NEW'], result: 'holds' },
  },
  {
    ...{ model: 'store-loss', name: 'fails over, a replica dies' },
    ...{ with: ['FAILOVERS=1', 'REPLICA_DIES'], result: 'holds' },
  },
  {
    ...{ model: 'store-loss', name: 'fails over, clocks disagree' },
    ...{ with: ['FAILOVERS=1', 'CLOCKS_DISAGREE'], result: 'holds' },
  },
  {
    ...{ model: 'store-loss', name: 'fails over, a fixed time in place of the roll call' },
    ...{ without: ['ROLL_IS_CALLED'], with: ['FAILOVERS=1'], result: 'holds' },
  },
  {
    ...{ model: 'store-loss', name: 'fails over and loses everything' },
    ...{ with: ['FAILOVERS=1', 'LOSSES=1', 'FIRST_EPOCH_IS_FLAGGED'], without: ['READS_LAG'] },
    ...{ result: 'holds', isLarge: true },
  },
  {
    ...{ model: 'store-loss', name: 'a short split' },
    ...{ with: ['FAILOVERS=1', 'BRAIN_IS_SPLIT', 'SPLITS_ARE_SHORT'], result: 'holds' },
  },
  {
    ...{ model: 'store-loss', name: 'a long split, arms reach the copy' },
    ...{ with: ['FAILOVERS=1', 'BRAIN_IS_SPLIT', 'ARMS_REACH_THE_COPY'], result: 'holds' },
  },
  {
    ...{ model: 'store-loss', name: 'joins claims of another epoch' },
    ...{ without: ['JOINS_NEED_THE_EPOCH'], with: ['FAILOVERS=1', 'CLOCKS_DISAGREE'], result: 'holds' },
  },
  {
    ...{ model: 'store-loss', name: 'pushes go on after a loss', result: 'reaches' },
    ...{ with: ['LOSSES=1', 'REPLICA_IS_NEW'], told: 'losses == 1 && me == 1 && epochs == 3' },
  },
  {
    ...{ model: 'store-loss', name: 'pushes go on after a failover', result: 'reaches' },
    ...{ with: ['FAILOVERS=1', 'CLOCKS_DISAGREE'], told: 'failovers == 1 && me == 1 && epochs == 2' },
  },
  {
    ...{ model: 'store-loss', name: 'pushes go on after a split', result: 'reaches' },
    ...{ with: ['FAILOVERS=1', 'BRAIN_IS_SPLIT', 'ARMS_REACH_THE_COPY'] },
    told: 'failovers == 1 && me == 0 && !isCutOff',
  },
  ...broken('store-loss', {
    'no quarantine': { without: ['LOSS_BEGINS_A_QUARANTINE'], with: ['LOSSES=1'], as: 'LOSE' },
    'a short quarantine': { without: ['QUARANTINE_LASTS_A_CLAIMS_LIFE'], with: ['LOSSES=1'] },
    'a quarantine, but no arming': {
      without: ['ARM_CHECKS_THE_HOLDER'],
      with: ['LOSSES=1'],
      as: 'epoch-without-arm',
    },
    'an empty store admits at once': {
      without: ['EMPTY_STORE_WAITS'],
      with: ['LOSSES=1', 'REPLICA_IS_NEW'],
    },
    'another server admits at once': { without: ['NEW_SERVER_WAITS'], with: ['FAILOVERS=1'] },
    'arms are not counted': { without: ['ARMS_ARE_COUNTED'], with: ['FAILOVERS=1'] },
    'claims have no epoch, clocks disagree': {
      without: ['CLAIMS_HAVE_AN_EPOCH'],
      with: ['FAILOVERS=1', 'CLOCKS_DISAGREE'],
    },
    'arms do not wait, clocks disagree': {
      without: ['ARMS_WAIT_TOO'],
      with: ['FAILOVERS=1', 'CLOCKS_DISAGREE'],
    },
    'an older epoch is adopted': {
      without: ['EPOCHS_ARE_ORDERED', 'READS_LAG'],
      with: ['FAILOVERS=1', 'LOSSES=1', 'FIRST_EPOCH_IS_FLAGGED'],
      isLarge: true,
    },
    'adoption does not renew the quarantine, a short split': {
      without: ['ADOPTION_RENEWS_THE_QUARANTINE'],
      with: ['FAILOVERS=1', 'BRAIN_IS_SPLIT', 'SPLITS_ARE_SHORT'],
    },
    'a fixed time in place of the roll call, a replica dies': {
      without: ['ROLL_IS_CALLED'],
      with: ['FAILOVERS=1', 'REPLICA_DIES'],
    },
    'a roll call without the fixed time, a new replica': {
      without: ['FIXED_TIME_IS_WAITED_TOO'],
      with: ['FAILOVERS=1', 'REPLICA_IS_NEW'],
    },
    'loses everything, a replica is heard late': {
      without: ['REPLICAS_ARE_HEARD_IN_TIME'],
      with: ['LOSSES=1', 'REPLICA_IS_NEW'],
    },
    'loses everything and a replica at once': { with: ['LOSSES=1', 'REPLICA_IS_NEW', 'REPLICA_DIES'] },
    'a long split': { with: ['FAILOVERS=1', 'BRAIN_IS_SPLIT'] },
    'claims are evicted': { with: ['CLAIMS_ARE_EVICTED'] },
  }),

  { model: 'append-only', name: 'as it is', result: 'holds' },
  {
    ...{ model: 'append-only', name: 'two signatures can be there', result: 'reaches' },
    told: 'me == 0 && mine[me] == 3 && acknowledged == 2',
  },
  ...broken('append-only', {
    'asks first, claims afterwards': { without: ['CLAIMED_BEFORE_ASKING'] },
    'drops signatures': { without: ['OLD_SIGNATURES_ARE_WANTED'] },
    'believes a look-up that lags': { without: ['BASE_IS_COMPARED'] },
    'believes a look-up that shows its own digest': { without: ['ALSO_FOR_ITS_OWN_DIGEST'] },
    'swaps under a holder': { without: ['SWAPS_WAIT_FOR_HOLDERS'] },
    'a give-back forgets the base': { without: ['GIVE_BACK_RESTORES_THE_BASE'] },
    'a sleeper sends late': { without: ['ARM_CHECKS_THE_HOLDER'] },
  }),

  { model: 'unlock', name: 'as it is', result: 'holds' },
  { model: 'unlock', name: 'a replica is cut off', with: ['REPLICA_IS_CUT_OFF'], result: 'holds' },
  {
    ...{ model: 'unlock', name: 'an unlock can be used twice', result: 'reaches' },
    told: 'me == 2 && acknowledged == 2',
  },
  ...broken('unlock', {
    'everybody may swap': { without: ['UNLOCK_IS_WANTED'] },
    'the unlock is looked at once': { without: ['IT_IS_WANTED_AGAIN_WHEN_ARMING'] },
    'only the deadline ends before the unlock': { without: ['SENT_ONLY_IF_A_CLAIMS_LIFE_ENDS_BEFORE'] },
    'nothing ends before the unlock': {
      without: ['SENT_ONLY_IF_A_CLAIMS_LIFE_ENDS_BEFORE', 'SENT_ONLY_IF_THE_DEADLINE_ENDS_BEFORE'],
    },
    'swaps under a holder': { without: ['SWAPS_WAIT_FOR_HOLDERS'] },
    'a give-back forgets the base': { without: ['GIVE_BACK_RESTORES_THE_BASE'] },
    'goes on without the store, by tag': {
      without: ['UNCLAIMED_PUSHES_MOVE_NO_TAG'],
      with: ['REPLICA_IS_CUT_OFF'],
    },
  }),

  { model: 'joins', name: 'so many pushes, and no more', with: ['PUSHES=4'], result: 'holds' },
  {
    ...{ model: 'joins', name: 'a limit for ever' },
    ...{ with: ['LIMIT_IS_FOR_EVER', 'LIMIT=4'], result: 'holds' },
  },
  ...broken('joins', { 'a limit at once': {} }),
];

function broken(model, variantsByName) {
  return Object.entries(variantsByName).map(([name, variant]) => ({
    ...{ model, name, result: 'breaks' },
    ...variant,
  }));
}
