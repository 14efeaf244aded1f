// GET /v1/models without a prefix, where groups are chosen by model: one list of all that this
// client may ask for, each model from the group that would serve it.

import { sendJson } from '../proxy/answer/own-answer.ts';
import type { Client } from '../proxy/client.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { type ListedModel, plainModel } from '../proxy/model-lists.ts';
import type { Routing } from '../proxy/routing.ts';

/** The models of groups, by their names; a group that could not say is not there. */
export type ListsOfModels = Readonly<Record<string, readonly ListedModel[]>>;

/** Whether a request asks for the list of all groups. */
export function asksForModels({ method, target }: Exchange, routing: Routing): boolean {
  return routing.byModel && target.path === '/v1/models' && method === 'GET';
}

/** Answers with the list, in a form that OpenAI's and Anthropic's SDKs both read. */
export function sendModels(exchange: Exchange, routing: Routing, lists: ListsOfModels): void {
  const data = mergedModels(routing, lists, exchange.client);
  const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
  const body = JSON.stringify({ object: 'list', data, has_more: false, ...ends });
  exchange.bytesOut = Buffer.byteLength(body);
  sendJson(exchange.response, 200, body, ['X-Request-Id', exchange.id]);
}

function mergedModels(
  routing: Routing,
  lists: ListsOfModels,
  client: Client | undefined,
): ListedModel[] {
  const merged = new Map<string, ListedModel>();
  for (const group of routing.groups) {
    if (client?.groups?.has(group.name) === false) continue;
    const listed = lists[group.name] ?? [];
    const aliases = [...group.settings.alias].map(([name, target]) => {
      const known = listed.find(({ id }) => id === target) ?? plainModel(name, group.name);
      return { ...known, id: name };
    });
    for (const model of [...aliases, ...listed]) {
      const isServed = routing.ofModel(model.id) === group && !merged.has(model.id);
      if (isServed && client?.models?.matches(model.id) !== false) merged.set(model.id, model);
    }
  }
  return [...merged.values()];
}
