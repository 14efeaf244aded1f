// Finds the addresses of the fleet's server, one question for a name at a time: getaddrinfo holds
// one of the process's four threads for as long as a name server is silent, and requests need those
// threads for the names of their upstreams. Has the form that net.connect wants.

import dns, { type LookupAddress, type LookupOptions } from 'node:dns';

type Found = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

const asking = new Map<string, Promise<LookupAddress[]>>();

/** Answers like dns.lookup, of which it shares the question that is open already. */
export function lookupOnce(host: string, options: LookupOptions, found: Found): void {
  const open = asking.get(host) ?? ask(host);
  asking.set(host, open);
  open.then(
    (all) => {
      const { family: wanted } = options;
      const fitting = all.filter(({ family }) => (wanted || family) === family);
      const [first] = fitting;
      if (first === undefined) found(notFound(host), '');
      else if (options.all === true) found(null, fitting);
      else found(null, first.address, first.family);
    },
    (error: NodeJS.ErrnoException) => found(error, ''),
  );
}

function ask(host: string): Promise<LookupAddress[]> {
  const { promise, resolve, reject } = Promise.withResolvers<LookupAddress[]>();
  dns.lookup(host, { all: true, order: 'verbatim' }, (error, addresses) => {
    asking.delete(host);
    if (error === null) resolve(addresses);
    else reject(error);
  });
  return promise;
}

function notFound(host: string): NodeJS.ErrnoException {
  const error = new Error(`getaddrinfo ENOTFOUND ${host}`);
  return Object.assign(error, { code: 'ENOTFOUND' });
}
