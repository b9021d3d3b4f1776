// Anthropic's messages to a provider of each format, through the SDK.

import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Trip, apiKey, pairs, parameters, results, say, url } from './pairs.mjs';

const client = new Anthropic({ apiKey, baseURL: url, maxRetries: 0 });
const max_tokens = 300;
const ways = {
  whole: (request) => client.messages.create({ max_tokens, ...request }),
  streamed: (request) => client.messages.stream({ max_tokens, ...request }).finalMessage(),
};
const named = (name) => ({ name, input_schema: parameters });
const textOf = (answer) => answer.content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('');

function callsOf(answer, count) {
  assert.equal(answer.stop_reason, 'tool_use');
  const calls = answer.content.filter((block) => block.type === 'tool_use');
  assert.equal(new Set(calls.map((call) => call.id)).size, count);
  for (const call of calls) assert.ok('city' in call.input);
  return calls;
}

function withResults(messages, answer, texts) {
  const calls = answer.content.filter((block) => block.type === 'tool_use');
  const told = calls.map((call, nth) => ({ type: 'tool_result', tool_use_id: call.id, content: texts[nth] }));
  return [...messages, { role: 'assistant', content: answer.content }, ...say(told)];
}

pairs('a question is answered', ways, async (model, way) => {
  const answer = await way({ model, system: 'be short', messages: say('hello') });
  assert.deepEqual([answer.model, answer.stop_reason], [model, 'end_turn']);
  assert.ok(textOf(answer));
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
});

pairs('a tool loop of several turns ends with the results', ways, async (model, way) => {
  const tools = [named('forecast')];
  let messages = [];
  for (const result of results) {
    messages.push(...say('what is the weather?'));
    const call = await way({ model, messages, tools });
    callsOf(call, 1);
    messages = withResults(messages, call, [result]);
    const answer = await way({ model, messages, tools });
    assert.ok(textOf(answer).includes(result));
    messages.push({ role: 'assistant', content: answer.content });
  }
});

pairs('tools are called in parallel', ways, async (model, way) => {
  const tools = [named('forecast'), named('traffic')];
  const messages = say('weather and traffic? [[sim parallel]]');
  const call = await way({ model, messages, tools });
  assert.deepEqual(callsOf(call, 2).map((one) => one.name).sort(), ['forecast', 'traffic']);
  const answer = await way({ model, messages: withResults(messages, call, results), tools });
  for (const result of results) assert.ok(textOf(answer).includes(result));
});

const parsing = { whole: (request) => client.messages.parse({ max_tokens, ...request }), streamed: ways.streamed };
pairs('an answer is parsed into its form', parsing, async (model, way) => {
  const output_config = { format: zodOutputFormat(Trip) };
  const answer = await way({ model, messages: say('a trip'), output_config });
  assert.ok(Trip.parse(answer.parsed_output));
});

pairs("a refusal is the SDK's exception", ways, async (model, way) => {
  await assert.rejects(way({ model, messages: say('[[sim status=400]]') }), Anthropic.BadRequestError);
  await assert.rejects(way({ model, messages: say('[[sim status=429]]') }), Anthropic.RateLimitError);
});

pairs('a stream that fails rejects', { streamed: ways.streamed }, async (model, way) => {
  await assert.rejects(way({ model, messages: say('[[sim tokens=20 error=3]]') }), Anthropic.AnthropicError);
});

test('an unknown model is not found', async () => {
  await assert.rejects(ways.whole({ model: 'no-such-model', messages: say('hi') }), Anthropic.NotFoundError);
});
