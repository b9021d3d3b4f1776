// What the suites of all pairs have in common.

import { test } from 'node:test';
import { z } from 'zod';

export const url = process.env.GATEWAY_URL;
export const apiKey = process.env.GATEWAY_KEY;
// The simulated provider in each format that providers speak.
export const aliases = ['sim-openai', 'sim-responses', 'sim-anthropic', 'sim-gemini', 'sim-bedrock'];
export const results = ['sunny, 21 degrees', 'rainy, 9 degrees'];
export const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const Leg = z.object({ city: z.string(), days: z.number() });
// A form for answers.
export const Trip = z.object({ name: z.string(), abroad: z.boolean(), legs: z.array(Leg), first: Leg });
export const say = (content) => [{ role: 'user', content }];

// One test for each alias, and for each way to ask.
export function pairs(name, ways, body) {
  for (const alias of aliases) {
    for (const [kind, way] of Object.entries(ways)) test(`${name} [${alias}, ${kind}]`, () => body(alias, way));
  }
}
