// What tokens cost, from a file in the shape of LiteLLM's model_prices_and_context_window.json: an
// object by model, with prices in dollars for one token. A model that is not in it has no cost,
// which is not a cost of nothing.

/** Dollars for one token. */
export interface Price {
  readonly input: number;
  readonly output: number;
  readonly cached: number;
  readonly cacheWrite: number;
  readonly reasoning: number;
}

/** What is priced; cached and written tokens are part of the input, reasoning of the output. */
export interface Priced {
  readonly input: number;
  readonly cached: number;
  readonly cacheWrite: number;
  readonly output: number;
  readonly reasoning: number;
}

export type Prices = ReadonlyMap<string, Price>;

/** Reads the file's text. @throws SyntaxError that says what is wrong */
export function parsePrices(text: string): Prices {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SyntaxError('must be a JSON object keyed by model');
  }
  const prices = new Map<string, Price>();
  for (const [model, entry] of Object.entries(value)) {
    if (typeof entry !== 'object' || entry === null) continue;
    const of = (name: string, otherwise: number) => {
      const price = (entry as Record<string, unknown>)[name];
      return typeof price === 'number' && price >= 0 ? price : otherwise;
    };
    const input = of('input_cost_per_token', Number.NaN);
    const output = of('output_cost_per_token', 0);
    if (Number.isNaN(input)) continue;
    prices.set(model, {
      input,
      output,
      cached: of('cache_read_input_token_cost', input),
      cacheWrite: of('cache_creation_input_token_cost', input),
      reasoning: of('output_cost_per_reasoning_token', output),
    });
  }
  if (prices.size === 0) throw new SyntaxError('has no model with input_cost_per_token');
  return prices;
}

/** The price of a model, also where its name has a provider or a date around it. */
export function priceOf(prices: Prices, model: string): Price | undefined {
  const bare = model.slice(model.lastIndexOf('/') + 1);
  const undated = bare.replace(/-(?:\d{8}|\d{4}-\d{2}-\d{2})$/, '');
  return prices.get(model) ?? prices.get(bare) ?? prices.get(undated);
}

/** Dollars. */
export function costOf(price: Price, used: Priced): number {
  const plain = Math.max(0, used.input - used.cached - used.cacheWrite);
  const answer = Math.max(0, used.output - used.reasoning);
  return (
    plain * price.input +
    used.cached * price.cached +
    used.cacheWrite * price.cacheWrite +
    answer * price.output +
    used.reasoning * price.reasoning
  );
}
