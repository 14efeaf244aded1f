// What a WebSocket handshake (RFC 6455) carries that this proxy must know: the credential that
// browsers put in a subprotocol, since they cannot set header fields, and the model in the query.

/** As OpenAI's SDK does it; other providers have taken it over. */
const KEY_PREFIX = 'openai-insecure-api-key.';

const PROTOCOL_FIELD = 'sec-websocket-protocol';

/** The key in an offer of subprotocols (`realtime, openai-insecure-api-key.sk-...`), if any. */
export function subprotocolKey(offer: string | undefined): string | undefined {
  return offer === undefined ? undefined : keyToken(offer)?.slice(KEY_PREFIX.length);
}

/**
 * Puts another key where the client has its own in the offer of subprotocols.
 * @returns the fields unchanged (the same list) when there is no such place
 */
export function withSubprotocolKey(fields: string[], key: string): string[] {
  const at = fields.findIndex(
    (name, i) => i % 2 === 0 && name.toLowerCase() === PROTOCOL_FIELD && keyToken(fields[i + 1]),
  );
  if (at < 0) return fields;
  const tokens = tokensOf(fields[at + 1] as string).map((token) =>
    token.startsWith(KEY_PREFIX) ? KEY_PREFIX + key : token,
  );
  return fields.with(at + 1, tokens.join(', '));
}

/** The model that OpenAI's Realtime API is asked for: `?model=gpt-realtime`. */
export function modelInQuery(query: string | undefined): string | undefined {
  return query === undefined ? undefined : (new URLSearchParams(query).get('model') ?? undefined);
}

/** The same query with another model; byte for byte, but for its value. */
export function withModelInQuery(query: string | undefined, model: string): string | undefined {
  return query?.replace(/(^|&)model=[^&]*/, (_, before: string) => {
    return `${before}model=${encodeURIComponent(model)}`;
  });
}

function keyToken(offer: string | undefined): string | undefined {
  return tokensOf(offer ?? '').find((token) => token.startsWith(KEY_PREFIX));
}

function tokensOf(offer: string): string[] {
  return offer.split(',').map((token) => token.trim());
}
