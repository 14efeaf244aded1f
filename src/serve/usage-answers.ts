// Answers questions about usage in the coordinator's thread: from its own books, and from those of
// the other instances where there is a fleet. Who asks, and how questions are read, is admin/.

import { type UsageAsked, type WrittenUsage, writtenUsage } from '../admin/usage.ts';
import type { Logger } from '../log/log.ts';
import type { FleetMember } from './fleet/fleet-member.ts';
import type { UsageKeeper } from './usage-keeper.ts';

export interface UsageSources {
  readonly usage: UsageKeeper;
  /** Undefined: there is no fleet. */
  readonly siblings: FleetMember | undefined;
  /** How this instance is called. */
  readonly instance: string;
  readonly log: Logger;
}

/** Undefined: the books cannot be read. Never rejects. */
export async function answerUsage(
  asked: UsageAsked,
  { usage, siblings, instance, log }: UsageSources,
): Promise<WrittenUsage> {
  const { question, format, instance: wanted } = asked;
  try {
    const others = await siblings?.usage(usage.detailed(question), wanted);
    if (others === 'too_many') return others;
    const instances = others?.instances ?? [instance];
    const isAway = siblings !== undefined && others === undefined;
    if (wanted !== undefined && !instances.includes(wanted)) {
      return isAway ? 'away' : { instances };
    }
    const isOwn = wanted === undefined || wanted === instance;
    const answers = usage.ask(question, others?.rows, isOwn);
    if (answers === 'too_many') return answers;
    const shown = wanted === undefined ? instances : [wanted];
    const fleet = isAway ? 'away' : 'connected';
    const about = siblings === undefined ? undefined : ({ fleet, instances: shown } as const);
    return { body: writtenUsage(answers, { question, format }, about), isAway };
  } catch (error) {
    log.error('usage cannot be read', { error });
    return undefined;
  }
}
