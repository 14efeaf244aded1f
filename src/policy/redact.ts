// Takes credentials out of text before anybody reads it: by their look (redact), or by value
// (redactExact). Deciding which text needs it is the caller's: log.ts prints nothing that did not
// pass through here. Every pattern has bounded repetitions or disjoint character classes, so time
// grows linearly with the text.

const PREVIEW_MIN_LENGTH = 13;
const MASK = '****';

/** Shorter "secrets" would tear ordinary words apart, and no provider issues them. */
const EXACT_MIN_LENGTH = 4;

/** First four and last four characters; `****` for keys of 12 characters or fewer. */
export function previewKey(key: string): string {
  if (key.length < PREVIEW_MIN_LENGTH) return MASK;
  return `${key.slice(0, 4)}...${key.slice(-4)}`;
}

/** Each pattern's group 1 is kept and group 2 is masked. */
const CREDENTIALS: readonly RegExp[] = [
  // Header or field: value, also inside JSON, with an optional scheme before the credential.
  /((?:authorization|api[_-]?key|access[_-]?token|secret[_-]?key|password|cf-aig-token)\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?(?:(?:bearer|basic|token)\s{1,4})?)([^\s"'\\,;&<>()]{4,})/gi,
  /(\b(?:bearer|basic)\s{1,4})([\w.~+/=|-]{8,})/gi,
  /(cookie\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?)([^\r\n"\\]{4,})/gi,
  // Query parameters of a URL.
  /([?&](?:key|token|auth|sig|signature|subscription-key)=)([^\s"'&#\\<>]{4,})/gi,
  // The shapes of providers' keys: OpenAI, Anthropic, OpenRouter and everybody after them (sk-),
  // Google (AIza, AQ., ya29.), Groq, xAI, Hugging Face, Perplexity, NVIDIA, Replicate, Cerebras,
  // Fireworks, Together, Moonshot (ak-), AWS (ABSK, AKIA).
  /(^|[^A-Za-z0-9]|%[0-9A-F]{2})((?:sk|rk|pk|ak|csk|xai|pplx|nvapi|sess)-[\w-]{8,}|(?:gsk|hf|fw|r8|tgp_v1|jina|sk)_[\w-]{12,}|AIza[\w-]{16,}|AQ\.[\w-]{16,}|ya29\.[\w.-]{16,}|ABSK[\w+/=]{16,}|A[KS]IA[A-Z0-9]{12,})/g,
  // JSON Web Tokens, and Zhipu's "id.secret".
  /(^|[^A-Za-z0-9]|%[0-9A-F]{2})(eyJ[\w-]{8,256}\.[\w-]{8,}(?:\.[\w-]{4,})?|[0-9a-f]{32}\.[A-Za-z0-9]{16})/g,
];

/** What previewKey has made, so that text that is redacted twice reads the same. */
const PREVIEW = /^(?:\*{4}|.{4}\.{3}.{4})$/;

/** The password (and what stands for one) in a URL's userinfo. */
const USERINFO = /(\b[a-z][a-z0-9+.-]{0,15}:\/\/)([^\s/?#"'<>]{1,256})@/gi;

/** Masks everything that looks like a credential, whoever issued it. */
export function redact(text: string): string {
  let result = text.replace(USERINFO, `$1${MASK}@`);
  for (const pattern of CREDENTIALS) {
    result = result.replace(pattern, (match, kept: string, secret: string) =>
      PREVIEW.test(secret) ? match : kept + previewKey(secret),
    );
  }
  return result;
}

/** Text that everybody writes as it is, in URLs and in JSON. */
const PLAIN = /^[\w.~-]*$/;

/**
 * How a secret may be written by those who quote it, the longest first: as it is, URL-encoded with
 * digits of either case, and escaped as in JSON, where PHP adds slashes, and Go and Gson what HTML
 * might read.
 */
export function writtenForms(secret: string): readonly string[] {
  if (PLAIN.test(secret)) return [secret];
  const inUrl = encodeURIComponent(secret);
  const inJson = JSON.stringify(secret).slice(1, -1);
  const unicode = (characters: RegExp) =>
    inJson.replace(characters, (one) => `\\u00${one.charCodeAt(0).toString(16)}`);
  const forms = new Set([
    secret,
    inUrl,
    inUrl.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    inJson,
    inJson.replaceAll('/', '\\/'),
    secret.replaceAll('/', '\\/'),
    unicode(/[<>&]/g),
    unicode(/[<>&='+]/g),
    unicode(/[<>&=']/g),
  ]);
  return [...forms].sort((a, b) => b.length - a.length);
}

/**
 * Replaces every occurrence of each secret by its preview, in each of its written forms. Secrets of
 * fewer than 4 characters are left alone.
 */
export function redactExact(text: string, secrets: readonly string[]): string {
  const longestFirst = secrets
    .filter(({ length }) => length >= EXACT_MIN_LENGTH && length <= text.length)
    .sort((a, b) => b.length - a.length);
  let result = text;
  for (const secret of longestFirst) {
    const preview = previewKey(secret);
    for (const form of writtenForms(secret)) result = result.replaceAll(form, () => preview);
  }
  return result;
}
