// OpenAI's chat completions to a provider of each format, through the SDK.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { Trip, apiKey, pairs, parameters, results, say, url } from './pairs.mjs';

const client = new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });
const completions = client.chat.completions;
const ways = {
  whole: (request) => completions.create(request),
  streamed: (request) =>
    completions.stream({ ...request, stream_options: { include_usage: true } }).finalChatCompletion(),
};
const named = (name) => ({ type: 'function', function: { name, parameters } });

function callsOf(answer, count) {
  assert.equal(answer.choices[0].finish_reason, 'tool_calls');
  const calls = answer.choices[0].message.tool_calls;
  assert.equal(new Set(calls.map((call) => call.id)).size, count);
  for (const call of calls) assert.ok('city' in JSON.parse(call.function.arguments));
  return calls;
}

// `parsed` is the SDK's own, and OpenAI knows no such parameter.
function said(answer) {
  const { parsed, ...message } = answer.choices[0].message;
  return message;
}

function withResults(messages, answer, texts) {
  const calls = answer.choices[0].message.tool_calls;
  const told = calls.map((call, nth) => ({ role: 'tool', tool_call_id: call.id, content: texts[nth] }));
  return [...messages, said(answer), ...told];
}

pairs('a question is answered', ways, async (model, way) => {
  const answer = await way({ model, messages: say('hello') });
  assert.equal(answer.model, model);
  assert.ok(answer.choices[0].message.content);
  assert.equal(answer.choices[0].finish_reason, 'stop');
  assert.ok(answer.usage.prompt_tokens > 0 && answer.usage.completion_tokens > 0);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

pairs('a tool loop of several turns ends with the results', ways, async (model, way) => {
  const tools = [named('forecast')];
  let messages = [];
  for (const result of results) {
    messages.push(...say('what is the weather?'));
    const call = await way({ model, messages, tools });
    assert.equal(callsOf(call, 1)[0].function.name, 'forecast');
    messages = withResults(messages, call, [result]);
    const answer = await way({ model, messages, tools });
    assert.ok(answer.choices[0].message.content.includes(result));
    messages.push(said(answer));
  }
});

pairs('tools are called in parallel', ways, async (model, way) => {
  const tools = [named('forecast'), named('traffic')];
  const messages = say('weather and traffic? [[sim parallel]]');
  const call = await way({ model, messages, tools });
  assert.deepEqual(callsOf(call, 2).map((one) => one.function.name).sort(), ['forecast', 'traffic']);
  const answer = await way({ model, messages: withResults(messages, call, results), tools });
  for (const result of results) assert.ok(answer.choices[0].message.content.includes(result));
});

pairs('the runner runs the tools', { whole: false, streamed: true }, async (model, stream) => {
  const asked = [];
  const forecast = {
    name: 'forecast',
    description: 'the weather of a city',
    parameters,
    parse: JSON.parse,
    function: ({ city }) => (asked.push(city), results[0]),
  };
  const runner = completions.runTools({
    model,
    stream,
    messages: say('weather?'),
    tools: [{ type: 'function', function: forecast }],
  });
  assert.ok((await runner.finalContent()).includes(results[0]));
  assert.deepEqual(asked, ['simulated']);
});

const parsing = { whole: (request) => completions.parse(request), streamed: ways.streamed };
pairs('an answer is parsed into its form', parsing, async (model, way) => {
  const answer = await way({ model, messages: say('a trip'), response_format: zodResponseFormat(Trip, 'trip') });
  assert.ok(Trip.parse(answer.choices[0].message.parsed));
});

pairs("a refusal is the SDK's exception", ways, async (model, way) => {
  await assert.rejects(way({ model, messages: say('[[sim status=400]]') }), OpenAI.BadRequestError);
  await assert.rejects(way({ model, messages: say('[[sim status=429]]') }), OpenAI.RateLimitError);
});

pairs('a stream that fails rejects', { streamed: ways.streamed }, async (model, way) => {
  await assert.rejects(way({ model, messages: say('[[sim tokens=20 error=3]]') }), OpenAI.OpenAIError);
});

test('an unknown model is not found', async () => {
  await assert.rejects(ways.whole({ model: 'no-such-model', messages: say('hi') }), OpenAI.NotFoundError);
});
