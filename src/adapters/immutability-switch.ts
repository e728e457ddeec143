/** The switch for immutable rules, while we run. */
export interface ImmutabilitySwitch {
  /**
   * On every replica.
   * @throws StoreAway where replicas share it: it may not have been told to them
   */
  switchImmutability(isEnabled: boolean): Promise<void>;
}
