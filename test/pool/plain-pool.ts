// A key pool in the plainest words: maps and loops, one thread, no memory to share. The tests hold
// the real one against it.

import type { Verdict } from '../../src/policy/verdict.ts';
import type { Lease } from '../../src/pool/lease.ts';
import { LIMITS } from './pool-fixture.ts';

export const MODELS = [undefined, 'm1', 'm2'] as const;
export const THRESHOLD = 2;

interface Status {
  state: 'ready' | 'cooling' | 'dead';
  rests: number;
  deaths: number;
  era: number;
  until: number;
}

export interface Held {
  readonly lease: Lease;
  readonly key: string;
  readonly model: string | undefined;
  readonly life: number;
  readonly eras: ReadonlyMap<string, number>;
}

function fresh(era: number): Status {
  return { state: 'ready', rests: 0, deaths: 0, era, until: 0 };
}

/** What the pool should be, in the plainest words. */
export class PlainPool {
  /** By key and model; '' is the account. A key that is not in the file has no entry. */
  readonly statuses = new Map<string, Map<string, Status>>();
  readonly lives = new Map<string, number>();
  readonly #eras = { next: 1 };

  load(keys: readonly string[]): void {
    for (const key of this.statuses.keys()) if (!keys.includes(key)) this.statuses.delete(key);
    for (const key of keys) {
      if (this.statuses.has(key)) continue;
      this.statuses.set(key, new Map());
      this.lives.set(key, (this.lives.get(key) ?? 0) + 1);
    }
  }

  status(key: string, model: string): Status {
    const own = this.statuses.get(key) ?? new Map<string, Status>();
    const status = own.get(model) ?? fresh(0);
    own.set(model, status);
    return status;
  }

  isAvailable(key: string, model: string | undefined, now: number): boolean {
    return ['', model ?? ''].every((m) => {
      const { state, until } = this.status(key, m);
      return state === 'ready' || until <= now;
    });
  }

  /** When the first key returns by itself; null: none will. */
  firstReturn(model: string | undefined, now: number): number | null {
    const returns = [...this.statuses.keys()].flatMap((key) => {
      const both = ['', model ?? ''].map((m) => this.status(key, m));
      if (both.some(({ state, until }) => state === 'dead' && until > now)) return [];
      return [Math.max(...both.map(({ until }) => until))];
    });
    return returns.length === 0 ? null : Math.min(...returns);
  }

  claim(key: string, model: string | undefined, now: number): boolean {
    let isProbe = false;
    for (const m of new Set(['', model ?? ''])) {
      const status = this.status(key, m);
      if (status.state !== 'dead') continue;
      this.#begin(status, 'dead', now + 120_000);
      // A model without access is tried half-open too; a probe is of the account.
      if (m === '') isProbe = true;
    }
    return isProbe;
  }

  eras(key: string): Map<string, number> {
    return new Map(MODELS.map((m) => [m ?? '', this.status(key, m ?? '').era]));
  }

  reset(): void {
    for (const own of this.statuses.values()) {
      for (const [model, status] of own) {
        const spotless = status.state === 'ready' && status.rests + status.deaths === 0;
        if (!spotless) own.set(model, fresh(this.#eras.next++));
      }
    }
  }

  settle(held: Held, verdict: Verdict, now: number): void {
    if (!this.statuses.has(held.key) || this.lives.get(held.key) !== held.life) return;
    const own = held.model ?? '';
    const isCurrent = (m: string) => this.status(held.key, m).era === held.eras.get(m);
    switch (verdict.kind) {
      case 'success':
        for (const m of new Set(['', own])) {
          if (!isCurrent(m)) continue;
          Object.assign(this.status(held.key, m), fresh(this.status(held.key, m).era));
        }
        return;
      case 'key_dead': {
        if (!isCurrent('')) return;
        const status = this.status(held.key, '');
        status.deaths++;
        const isDead = status.state === 'dead' || status.deaths >= THRESHOLD;
        if (isDead) this.#begin(status, 'dead', now + LIMITS.deadKeyProbeMs);
        else this.#begin(status, 'cooling', now + 5_000 * 2 ** status.rests++);
        return;
      }
      case 'key_cooldown': {
        const m = verdict.scope === 'model' ? own : '';
        const status = this.status(held.key, m);
        if (!isCurrent(m)) {
          const named = now + (verdict.retryAfterMs ?? 0);
          if (status.state === 'cooling' && named > status.until)
            this.#begin(status, 'cooling', named);
          return;
        }
        const restMs = verdict.retryAfterMs ?? Math.min(600_000, 5_000 * 2 ** status.rests);
        status.rests++;
        this.#begin(status, 'cooling', now + restMs);
        return;
      }
      case 'model_access': {
        if (own === '' || !isCurrent(own)) return;
        const status = this.status(held.key, own);
        status.deaths++;
        this.#begin(status, 'dead', now + LIMITS.modelAccessMs);
        return;
      }
      default:
        return;
    }
  }

  #begin(status: Status, state: Status['state'], until: number): void {
    Object.assign(status, { state, until: Math.ceil(until / 32) * 32, era: this.#eras.next++ });
  }
}
