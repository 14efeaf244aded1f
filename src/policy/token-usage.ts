// What an answer says that it used: tokens, as OpenAI, Anthropic, Gemini, Mistral, Cohere and those
// that copy them spell it, in documents and streams. Found by the names of the numbers, whoever
// sent them; an answer that names none is unknown, never 0.

/** Tokens of one request. */
export interface TokenUsage {
  /** All that went in, cached ones among them. */
  readonly input: number;
  /** Of the input: read from the provider's prompt cache. */
  readonly cached: number;
  /** Of the input: written to it. */
  readonly cacheWrite: number;
  /** All that came out, reasoning among it. */
  readonly output: number;
  readonly reasoning: number;
}

type Numbers = Readonly<Record<string, unknown>>;

/** The model that an answer says it is of; undefined: it says none. @param head its beginning */
export function modelInAnswer(head: string): string | undefined {
  return /"model(?:Version)?"\s*:\s*"([\w./:@-]{1,128})"/.exec(head)?.[1];
}

/** How the names of the objects begin that hold the numbers. */
const MARK = '"usage';
const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN = 0x7b;
/** No request uses so many: what says so is none of its numbers, and sums of them stay exact. */
const MAX_TOKENS = 1_000_000_000;
/** Objects that are read to their end, or to find that they have none. */
const MAX_OBJECTS = 8;

/**
 * Reads the usage that an answer names.
 * @param head its beginning: Anthropic's streams name the input there
 * @param tail its end, the same text where the answer is short: the last numbers count
 */
export function tokenUsage(head: string, tail: string): TokenUsage | undefined {
  const last = lastUsage(tail);
  if (last === undefined) return head === tail ? undefined : usageFrom(lastUsage(head), undefined);
  // A message's last event repeats some numbers of the first one, and leaves others out. No
  // document is searched for it.
  const isMessage = head.charCodeAt(0) !== OPEN && head.includes('"message_start"');
  const first = isMessage ? firstUsage(head) : undefined;
  return usageFrom(last, first);
}

/** The numbers of the first object that is called so. */
function firstUsage(text: string): Numbers | undefined {
  const at = text.indexOf('"usage"');
  const from = at < 0 ? -1 : openingAt(text, at + '"usage"'.length);
  return from < 0 ? undefined : objectAt(text, from);
}

/** The numbers of the last object that is called so. */
function lastUsage(text: string): Numbers | undefined {
  // Streams that were asked for no usage say `"usage":null` in each event, also behind a real one.
  let objects = 0;
  for (let at = text.lastIndexOf(MARK); at >= 0 && objects < MAX_OBJECTS; ) {
    const name = endOfName(text, at + MARK.length);
    const from = name < 0 ? -1 : openingAt(text, name);
    if (from >= 0) {
      const found = objectAt(text, from);
      if (found !== undefined) return found;
      objects += 1;
    }
    at = at === 0 ? -1 : text.lastIndexOf(MARK, at - 1);
  }
  return undefined;
}

/** Where the name ends that begins so: `usage`, Gemini's `usageMetadata`; -1: it is another. */
function endOfName(text: string, at: number): number {
  if (text.charCodeAt(at) === QUOTE) return at + 1;
  const isGemini = text.startsWith('Metadata"', at) || text.startsWith('_metadata"', at);
  return isGemini ? text.indexOf('"', at) + 1 : -1;
}

/** Where the object behind a colon begins; -1: something else stands there. */
function openingAt(text: string, name: number): number {
  let at = name;
  for (let code = text.charCodeAt(at); code <= 0x20 || code === COLON; ) {
    at++;
    code = text.charCodeAt(at);
  }
  return text.charCodeAt(at) === OPEN ? at : -1;
}

/** An object with objects in it, and such in those: nobody's usage is deeper. */
const OBJECT = /\{[^{}]*(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}[^{}]*)*\}/y;

/** The object that begins there; undefined: it is not whole. */
function objectAt(text: string, at: number): Numbers | undefined {
  OBJECT.lastIndex = at;
  return OBJECT.test(text) ? parsed(text.slice(at, OBJECT.lastIndex)) : undefined;
}

function parsed(text: string): Numbers | undefined {
  try {
    return JSON.parse(text) as Numbers;
  } catch {
    return undefined;
  }
}

function usageFrom(last: Numbers | undefined, first: Numbers | undefined): TokenUsage | undefined {
  if (last === undefined) return undefined;
  if (last.promptTokenCount !== undefined || last.totalTokenCount !== undefined) {
    return ofGemini(last);
  }
  const numbers = first === undefined ? last : { ...first, ...withoutNulls(last) };
  if (isNumbers(numbers.tokens)) return ofCohere(numbers.tokens, numbers.cached_tokens);
  const { prompt_tokens: prompt, input_tokens: input, output_tokens: output } = numbers;
  if ((prompt ?? input ?? output ?? numbers.total_tokens ?? null) === null) return undefined;
  const { cache_read_input_tokens: read, cache_creation_input_tokens: written } = numbers;
  // LiteLLM and its like add Anthropic's names to OpenAI's, whose sum has them in it already.
  const isAnthropic = (read ?? written ?? null) !== null && (prompt ?? null) === null;
  return isAnthropic ? ofAnthropic(numbers) : ofOpenai(numbers);
}

/** https://platform.openai.com/docs/api-reference: chat and completions; responses and images. */
function ofOpenai(numbers: Numbers): TokenUsage {
  const inDetail = detail(numbers.prompt_tokens_details ?? numbers.input_tokens_details);
  const outDetail = detail(numbers.completion_tokens_details ?? numbers.output_tokens_details);
  const { cache_read_input_tokens: read, cache_creation_input_tokens: written } = numbers;
  const input = count(numbers.prompt_tokens ?? numbers.input_tokens);
  const output = count(numbers.completion_tokens ?? numbers.output_tokens);
  const reasoning = count(outDetail.reasoning_tokens);
  // xAI, and Gemini under OpenAI's names, count reasoning beside the answer: their total shows it.
  const isBeside = reasoning > 0 && numbers.total_tokens === input + output + reasoning;
  return {
    input,
    // DeepSeek names the hits beside the sum, LiteLLM what Anthropic said.
    cached: count(inDetail.cached_tokens ?? numbers.prompt_cache_hit_tokens ?? read),
    cacheWrite: count(inDetail.cache_write_tokens ?? written),
    output: isBeside ? output + reasoning : output,
    reasoning,
  };
}

/** https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching: the three are disjoint. */
function ofAnthropic(numbers: Numbers): TokenUsage {
  const cached = count(numbers.cache_read_input_tokens);
  const cacheWrite = count(numbers.cache_creation_input_tokens);
  const input = count(numbers.input_tokens) + cached + cacheWrite;
  return { input, cached, cacheWrite, output: count(numbers.output_tokens), reasoning: 0 };
}

/** https://ai.google.dev/api/generate-content#UsageMetadata: thoughts come beside candidates. */
function ofGemini(numbers: Numbers): TokenUsage {
  const reasoning = count(numbers.thoughtsTokenCount);
  return {
    input: count(numbers.promptTokenCount) + count(numbers.toolUsePromptTokenCount),
    cached: count(numbers.cachedContentTokenCount),
    cacheWrite: 0,
    output: count(numbers.candidatesTokenCount ?? numbers.responseTokenCount) + reasoning,
    reasoning,
  };
}

/** https://docs.cohere.com/reference/chat */
function ofCohere(tokens: Numbers, cached: unknown): TokenUsage {
  return {
    input: count(tokens.input_tokens),
    cached: count(cached),
    cacheWrite: 0,
    output: count(tokens.output_tokens),
    reasoning: 0,
  };
}

const NO_DETAIL: Numbers = {};

function detail(value: unknown): Numbers {
  return isNumbers(value) ? value : NO_DETAIL;
}

function isNumbers(value: unknown): value is Numbers {
  return typeof value === 'object' && value !== null;
}

function count(value: unknown): number {
  return Number.isInteger(value) && isWithin(value as number) ? (value as number) : 0;
}

function isWithin(value: number): boolean {
  return value >= 0 && value <= MAX_TOKENS;
}

function withoutNulls(numbers: Numbers): Numbers {
  return Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== null));
}
