// What an answer says that it used: tokens, as OpenAI, Anthropic, Gemini, Mistral, Cohere and those
// that copy them spell it, in documents and streams. Found by the names of the numbers, whoever
// sent them; an answer that names none is unknown, never 0. How they are read is usage-numbers.ts.

import { ByteText, END, Word } from './byte-text.ts';
import { placeOf, readNumbers, UsageNumbers } from './usage-numbers.ts';

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

/** The model that an answer says it is of; undefined: it says none. @param head its beginning */
export function modelInAnswer(head: string): string | undefined {
  return /"model(?:Version)?"\s*:\s*"([\w./:@-]{1,128})"/.exec(head)?.[1];
}

/** How the names of the objects begin that hold the numbers. */
const WORD = 'usage';
const MARK = `"${WORD}`;
/** How Gemini's names go on. */
const GEMINI_ENDS = [new Word('Metadata"'), new Word('_metadata"')];
const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN = 0x7b;
const SPACE = 0x20;
/** Objects that are read to their end, or to find that they have none. */
const MAX_OBJECTS = 8;
/** So much of a beginning is read, and of an end: no reader of answers keeps more. */
const MAX_CHARS = 16 * 1024;

const PROMPT = placeOf('prompt_tokens');
const COMPLETION = placeOf('completion_tokens');
const INPUT = placeOf('input_tokens');
const OUTPUT = placeOf('output_tokens');
const TOTAL = placeOf('total_tokens');
const CACHE_HIT = placeOf('prompt_cache_hit_tokens');
const CACHE_READ = placeOf('cache_read_input_tokens');
const CACHE_CREATION = placeOf('cache_creation_input_tokens');
const CACHED = placeOf('cached_tokens');
const PROMPT_CACHED = placeOf('prompt_tokens_details.cached_tokens');
const PROMPT_WRITTEN = placeOf('prompt_tokens_details.cache_write_tokens');
const INPUT_CACHED = placeOf('input_tokens_details.cached_tokens');
const INPUT_WRITTEN = placeOf('input_tokens_details.cache_write_tokens');
const COMPLETION_REASONING = placeOf('completion_tokens_details.reasoning_tokens');
const OUTPUT_REASONING = placeOf('output_tokens_details.reasoning_tokens');
const COHERE_INPUT = placeOf('tokens.input_tokens');
const COHERE_OUTPUT = placeOf('tokens.output_tokens');
const GEMINI_PROMPT = placeOf('promptTokenCount');
const GEMINI_TOOL = placeOf('toolUsePromptTokenCount');
const GEMINI_CACHED = placeOf('cachedContentTokenCount');
const GEMINI_CANDIDATES = placeOf('candidatesTokenCount');
const GEMINI_RESPONSE = placeOf('responseTokenCount');
const GEMINI_THOUGHTS = placeOf('thoughtsTokenCount');
const GEMINI_TOTAL = placeOf('totalTokenCount');

/** One text is read at a time: what is read next overwrites them. */
const numbers = new UsageNumbers();
const firstNumbers = new UsageNumbers();
const loaded = new ByteText(MAX_CHARS);
const { bytes } = loaded;

/**
 * Reads the usage that an answer names. Both texts are bytes, as Latin-1.
 * @param head its beginning: Anthropic's streams name the input there
 * @param tail its end, the same text where the answer is short: the last numbers count
 */
export function tokenUsage(head: string, tail: string): TokenUsage | undefined {
  if (!readLast(tail) && !(head !== tail && readLast(head))) return undefined;
  // A message's last event repeats some numbers of the first one, and leaves others out. No
  // document is searched for it.
  const isStream = head.charCodeAt(0) !== OPEN;
  if (isStream && head.includes('"message_start"') && readFirst(head)) numbers.fill(firstNumbers);
  return usageFrom(numbers);
}

/** Reads the numbers of the first object that is called so. @returns false: none, or no end */
function readFirst(text: string): boolean {
  loaded.load(text);
  const at = text.indexOf('"usage"');
  const from = at < 0 || at >= loaded.length ? -1 : openingAt(at + '"usage"'.length);
  firstNumbers.clear();
  return from >= 0 && readNumbers(loaded, from, firstNumbers);
}

/** Reads the numbers of the last object that is called so. @returns false: there is none */
function readLast(whole: string): boolean {
  const text = whole.length > MAX_CHARS ? whole.slice(-MAX_CHARS) : whole;
  // Forwards the engine finds it sooner, and most answers have but one.
  const first = text.indexOf(WORD);
  if (first < 0) return false;
  loaded.load(text);
  const isOnly = text.indexOf(WORD, first + WORD.length) < 0;
  if (isOnly) return readAt(first - 1) === true;
  // Streams that were asked for no usage say `"usage":null` in each event, also behind a real one.
  let objects = 0;
  for (let at = text.lastIndexOf(MARK); at >= 0 && objects < MAX_OBJECTS; ) {
    const isWhole = readAt(at);
    if (isWhole) return true;
    if (isWhole === false) objects += 1;
    at = at === 0 ? -1 : text.lastIndexOf(MARK, at - 1);
  }
  return false;
}

/** Reads the object whose name begins there. @returns whether it ends; undefined: there is none */
function readAt(at: number): boolean | undefined {
  const isName = at >= 0 && bytes[at] === QUOTE;
  const from = isName ? openingAt(endOfName(at + MARK.length)) : -1;
  if (from < 0) return undefined;
  numbers.clear();
  return readNumbers(loaded, from, numbers);
}

/** Where the name ends that begins so: `usage`, Gemini's `usageMetadata`; -1: it is another. */
function endOfName(at: number): number {
  if (bytes[at] === QUOTE) return at + 1;
  const end = GEMINI_ENDS.find((known) => known.standsAt(loaded, at));
  return end === undefined ? -1 : at + end.bytes.length;
}

/** Where the object behind a name and a colon begins; -1: something else stands there. */
function openingAt(name: number): number {
  if (name < 0) return -1;
  let at = name;
  for (let code = bytes[at] as number; code === COLON || (code <= SPACE && code !== END); ) {
    at += 1;
    code = bytes[at] as number;
  }
  return bytes[at] === OPEN ? at : -1;
}

function usageFrom(named: UsageNumbers): TokenUsage | undefined {
  if (named.has(GEMINI_PROMPT) || named.has(GEMINI_TOTAL)) return ofGemini(named);
  if (named.has(COHERE_INPUT) || named.has(COHERE_OUTPUT)) return ofCohere(named);
  const isOpenai = named.has(PROMPT);
  const isAny = named.has(INPUT) || named.has(OUTPUT) || named.has(TOTAL);
  if (!isOpenai && !isAny) return undefined;
  // LiteLLM and its like add Anthropic's names to OpenAI's, whose sum has them in it already.
  const isCaching = named.has(CACHE_READ) || named.has(CACHE_CREATION);
  return isCaching && !isOpenai ? ofAnthropic(named) : ofOpenai(named);
}

/** https://platform.openai.com/docs/api-reference: chat and completions; responses and images. */
function ofOpenai(named: UsageNumbers): TokenUsage {
  const input = firstOf(named, PROMPT, INPUT);
  const output = firstOf(named, COMPLETION, OUTPUT);
  const reasoning = firstOf(named, COMPLETION_REASONING, OUTPUT_REASONING);
  // DeepSeek names the hits beside the sum, LiteLLM what Anthropic said.
  const inDetail = named.has(PROMPT_CACHED) || named.has(INPUT_CACHED);
  const cached = inDetail
    ? firstOf(named, PROMPT_CACHED, INPUT_CACHED)
    : firstOf(named, CACHE_HIT, CACHE_READ);
  const isWritten = named.has(PROMPT_WRITTEN) || named.has(INPUT_WRITTEN);
  const cacheWrite = isWritten
    ? firstOf(named, PROMPT_WRITTEN, INPUT_WRITTEN)
    : named.get(CACHE_CREATION);
  // xAI, and Gemini under OpenAI's names, count reasoning beside the answer: their total shows it.
  const isBeside = reasoning > 0 && named.get(TOTAL) === input + output + reasoning;
  return { input, cached, cacheWrite, output: isBeside ? output + reasoning : output, reasoning };
}

/** https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching: the three are disjoint. */
function ofAnthropic(named: UsageNumbers): TokenUsage {
  const cached = named.get(CACHE_READ);
  const cacheWrite = named.get(CACHE_CREATION);
  const input = named.get(INPUT) + cached + cacheWrite;
  return { input, cached, cacheWrite, output: named.get(OUTPUT), reasoning: 0 };
}

/** https://ai.google.dev/api/generate-content#UsageMetadata: thoughts come beside candidates. */
function ofGemini(named: UsageNumbers): TokenUsage {
  const reasoning = named.get(GEMINI_THOUGHTS);
  return {
    input: named.get(GEMINI_PROMPT) + named.get(GEMINI_TOOL),
    cached: named.get(GEMINI_CACHED),
    cacheWrite: 0,
    output: firstOf(named, GEMINI_CANDIDATES, GEMINI_RESPONSE) + reasoning,
    reasoning,
  };
}

/** https://docs.cohere.com/reference/chat */
function ofCohere(named: UsageNumbers): TokenUsage {
  return {
    input: named.get(COHERE_INPUT),
    cached: named.get(CACHED),
    cacheWrite: 0,
    output: named.get(COHERE_OUTPUT),
    reasoning: 0,
  };
}

/** The one that is named, the first before the second. */
function firstOf(named: UsageNumbers, first: number, second: number): number {
  return named.has(first) ? named.get(first) : named.get(second);
}
