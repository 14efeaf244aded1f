// The vocabulary of blame: what an attempt came to, and what that means for key, upstream and
// request. Nothing is decided here: classify.ts turns an answer or a fault into a Verdict,
// retry.ts acts on it.

import type { Reason } from './reason.ts';

/**
 * Whose fault an attempt's result is, and for how long. Durations in milliseconds; null: not named.
 */
export type Verdict =
  | { readonly kind: 'success' }
  | ({ readonly kind: 'key_dead'; readonly reason: Reason } & Grounds)
  | ({
      readonly kind: 'key_cooldown';
      readonly reason: Reason;
      /** Which requests must leave this key alone: those for the same model, or all. */
      readonly scope: 'model' | 'account';
      readonly retryAfterMs: number | null;
      /** A day or a month of a quota ends then: RETRY_AFTER_MAX does not count. */
      readonly isPeriodEnd?: boolean;
    } & Grounds)
  | ({ readonly kind: 'model_access'; readonly reason: Reason } & Grounds)
  | ({
      readonly kind: 'upstream_fault';
      readonly reason: Reason;
      readonly retryAfterMs: number | null;
      /**
       * The upstream may already be working on the request: ask another one, never this one again.
       */
      readonly ambiguous: boolean;
      /**
       * The way there failed (egress address, outgoing proxy): neither upstream nor key is to
       * blame.
       */
      readonly route: boolean;
    } & Grounds)
  | ({ readonly kind: 'client_fault'; readonly reason: Reason } & Grounds)
  | ({ readonly kind: 'excluded'; readonly reason: Reason } & Grounds);

/** What a verdict stands on, for those who ask why; nothing is decided by it. */
export interface Grounds {
  /** The name of the rule that fitted (policy/answers), or `fault_` and the fault's code. */
  readonly rule?: string;
  /** The answer's first machine-readable code, in lower case; undefined: it has none. */
  readonly code?: string | undefined;
}

export type VerdictKind = Verdict['kind'];

/** An upstream's answer as the classifier sees it; nothing here is the original that is relayed. */
export interface AnswerView {
  readonly status: number;
  /** Flat name, value, name, value list as received. */
  readonly rawHeaders: readonly string[];
  /**
   * Decoded text of at most the first 64 KiB; for an in-stream error, the event's data (and name).
   */
  readonly text: string;
  /** True when the error arrived as an event of a 200 stream. */
  readonly inStream: boolean;
}

/** How an attempt without an answer ended. */
export type FaultCode =
  | 'dns'
  | 'connect'
  | 'connect_timeout'
  | 'tls'
  | 'route'
  | 'reset'
  | 'refused_stream'
  | 'headers_timeout'
  | 'total_timeout'
  | 'idle_timeout'
  | 'first_event_timeout'
  | 'protocol'
  | 'client_left'
  /** This process may open no more files or sockets. */
  | 'descriptors'
  | 'shutdown';

/** An attempt that ended without a usable answer. */
export interface Fault {
  readonly kind: 'fault';
  readonly code: FaultCode;
  /** True once any byte of the request may have reached the upstream. */
  readonly sent: boolean;
  /** For people; never contains a credential. */
  readonly message: string;
}
