// The official anthropic SDK against the scripted upstream and against the running proxy.
// The facts are in anthropic-facts.ts, the two ways in sdk-ways.ts.

import { anthropicFacts } from './anthropic-facts.ts';
import { checkStraight, checkThroughProxy } from './sdk-ways.ts';

checkStraight('anthropic', anthropicFacts);
checkThroughProxy('anthropic', anthropicFacts);
