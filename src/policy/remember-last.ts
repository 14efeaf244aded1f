// Most requests of a service name the same path: what a pure function said of the last one need not
// be found out again. The text is compared by identity first where its caller keeps it
// (front/known-targets.ts), and costs nothing then.

/** The same function, which remembers what it said of the last text. */
export function rememberLast<Answer>(find: (text: string) => Answer): (text: string) => Answer {
  let last: string | undefined;
  let answer: Answer;
  return (text) => {
    if (text === last) return answer;
    answer = find(text);
    last = text;
    return answer;
  };
}
