// Which group serves a request: the one that its prefix names, the first whose models fit, or
// `default`; whether its client may use it; and who is asked when that group has no key to give.
// The only place, with the router, that knows how many groups there are.

import { DEFAULT_GROUP } from '../config/group-settings.ts';
import { nearest } from '../config/nearest.ts';
import { ModelPatterns } from '../policy/model-patterns.ts';
import type { RequestTarget } from '../policy/request-target.ts';
import type { Group } from '../pool/group.ts';
import type { OwnError } from './answer/own-answer.ts';
import { groupNotFound, noGroupForModel, notAllowed } from './answer/own-errors.ts';
import type { Client } from './client.ts';
import type { Plan } from './plan.ts';

const PREFIX = '/proxy/';
/** Which group a model belongs to is remembered for so many models; they come from clients. */
const MAX_REMEMBERED_MODELS = 4_096;

/** A request's group, if its path names one, and the target without that prefix. */
export interface Prefixed {
  readonly group: Group;
  readonly target: RequestTarget;
}

/** The groups and clients of one reading of the configuration; another one replaces it whole. */
export class Routing {
  readonly groups: readonly Group[];
  /** Some group is chosen by model: then requests without a prefix are looked into. */
  readonly byModel: boolean;
  readonly #hasFile: boolean;
  readonly #byName: ReadonlyMap<string, Group>;
  readonly #patterns: readonly (readonly [ModelPatterns, Group])[];
  readonly #remembered = new Map<string, Group | undefined>();
  readonly #fallbacks: ReadonlyMap<Group, readonly Group[]>;

  /** @param hasFile the groups are those of gpt-load.toml, and paths may name them */
  constructor(groups: readonly Group[], hasFile: boolean) {
    this.groups = groups;
    this.#hasFile = hasFile;
    this.#byName = new Map(groups.map((group) => [group.name, group]));
    this.#patterns = groups
      .filter(({ settings }) => settings.models.length > 0)
      .map((group) => [new ModelPatterns(group.settings.models), group]);
    this.byModel = this.#patterns.length > 0;
    this.#fallbacks = new Map(groups.map((group) => [group, this.#fallbackOf(group)]));
  }

  /** What a path's prefix says; undefined: it has none. */
  prefixed(target: RequestTarget, client: Client | undefined): Prefixed | OwnError | undefined {
    if (!this.#hasFile || !target.path.startsWith(PREFIX)) return undefined;
    const end = target.path.indexOf('/', PREFIX.length);
    const name = target.path.slice(PREFIX.length, end < 0 ? undefined : end);
    const group = this.#byName.get(name);
    if (group === undefined) return groupNotFound(name, this.#nearest(name, client));
    const path = end < 0 ? '/' : target.path.slice(end);
    return { group, target: { ...target, path } };
  }

  /** The group of a request without a prefix, as far as its model tells. */
  ofModel(model: string | undefined): Group | undefined {
    if (model === undefined || !this.byModel) return this.#byName.get(DEFAULT_GROUP);
    if (this.#remembered.has(model)) return this.#remembered.get(model);
    const found = this.#patterns.find(([patterns]) => patterns.matches(model))?.[1];
    const group = found ?? this.#byName.get(DEFAULT_GROUP);
    if (this.#remembered.size >= MAX_REMEMBERED_MODELS) this.#remembered.clear();
    this.#remembered.set(model, group);
    return group;
  }

  /** The group of a request, or why it has none. @param forced the one that its path names */
  groupFor(plan: Plan, client: Client | undefined, forced: Group | undefined): Group | OwnError {
    const group = forced ?? this.ofModel(this.byModel ? plan.model : undefined);
    if (group === undefined) return noGroupForModel(plan.model);
    if (client === undefined) return group;
    if (client.groups?.has(group.name) === false) {
      return notAllowed(`the group ${group.name}`, client.name);
    }
    if (client.models === undefined) return group;
    const { model } = plan;
    if (model === undefined) {
      return plan.hidesModel ? notAllowed('a model that cannot be read', client.name) : group;
    }
    return client.models.matches(model) ? group : notAllowed(`the model ${model}`, client.name);
  }

  /** Who is asked, in this order, when a group cannot serve; each once, never the group itself. */
  fallbackOf(group: Group): readonly Group[] {
    return this.#fallbacks.get(group) ?? [];
  }

  #fallbackOf(group: Group): Group[] {
    const names = new Set(group.settings.fallback);
    names.delete(group.name);
    return [...names].flatMap((name) => this.#byName.get(name) ?? []);
  }

  /** What a client may not use is not named to it. */
  #nearest(name: string, client: Client | undefined): string | undefined {
    const known = [...this.#byName.keys()];
    return nearest(
      name.slice(0, 64),
      known.filter((group) => client?.groups?.has(group) !== false),
    );
  }
}
