// The official gemini SDK against the scripted upstream and against the running proxy.
// The facts are in gemini-facts.ts, the two ways in sdk-ways.ts.

import { geminiFacts } from './gemini-facts.ts';
import { checkStraight, checkThroughProxy } from './sdk-ways.ts';

checkStraight('gemini', geminiFacts);
checkThroughProxy('gemini', geminiFacts);
