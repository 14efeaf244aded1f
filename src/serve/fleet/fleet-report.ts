// What an instance knows of its fleet, as /fleet and `gpt-load fleet` show it.

/** What `gpt-load fleet` shows. */
export interface FleetReport {
  readonly name: string;
  readonly server: string;
  readonly connected: boolean;
  /** Why not; '' where it is. */
  readonly trouble: string;
  readonly lag_ms: number | null;
  readonly clock_offset_ms: number;
  readonly instances: readonly {
    readonly name: string;
    readonly id: string;
    readonly version: string;
    readonly uptime: number;
    readonly lag_ms: number;
    readonly keys: number;
    readonly self: boolean;
  }[];
  /** Keys that this instance has, records of the fleet about them, and news since the start. */
  readonly shared: {
    readonly keys: number;
    readonly records: number;
    readonly told: number;
    readonly heard: number;
  };
}
