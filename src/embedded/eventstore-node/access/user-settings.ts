/** A user as whoever runs the node states it. */
export interface UserSettings {
  readonly name: string;
  readonly password: string;
  /** `$admins` may do everything, `$ops` may manage persistent subscriptions. */
  readonly groups: readonly string[];
}
