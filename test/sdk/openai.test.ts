// The official openai SDK against the scripted upstream and against the running proxy.
// The facts are in openai-facts.ts, the two ways in sdk-ways.ts.

import { openaiFacts } from './openai-facts.ts';
import { checkStraight, checkThroughProxy } from './sdk-ways.ts';

checkStraight('openai', openaiFacts);
checkThroughProxy('openai', openaiFacts);
