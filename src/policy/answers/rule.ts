// The form of one rule about providers' answers. The rules themselves are in rules.ts.

import type { Provider } from '../provider.ts';
import type { Reason } from '../reason.ts';
import type { Sign } from './normalise.ts';
import type { Period } from './retry-after.ts';

/**
 * 'stream' is an error that came as an event of a 200, '5xx' stands for every status from 500 on.
 */
export type StatusTest = number | 'stream' | '5xx';

/** Every condition given must hold; of `codes`, `numbers`, `says` and `sign` one is enough. */
export interface Rule {
  /** Stands in trails and in what people are told: stable, and no other rule's. */
  readonly name: string;
  readonly verdict:
    | 'key_dead'
    | 'key_cooldown'
    | 'model_access'
    | 'upstream_fault'
    | 'client_fault';
  readonly reason: Reason;
  readonly status?: readonly StatusTest[];
  readonly except?: readonly StatusTest[];
  readonly host?: readonly Provider[];
  /** Whole codes in lower case; `*` at one end stands for anything. */
  readonly codes?: readonly string[];
  /** Bare numbers, by the provider that means something by them. */
  readonly numbers?: Partial<Readonly<Record<Provider, readonly number[]>>>;
  /**
   * Phrases, letter case ignored; `…` stands for up to 120 characters, a line break also for the
   * end.
   */
  readonly says?: readonly string[];
  readonly sign?: Sign;
  /** The whole key must rest, not only for this model. */
  readonly account?: true;
  /** When the allowance comes back if the answer does not say. */
  readonly resets?: Period;
  readonly route?: true;
  readonly ambiguous?: true;
}
