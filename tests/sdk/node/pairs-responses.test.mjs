// OpenAI's Responses to a provider of each format, through the SDK.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { Trip, apiKey, pairs, parameters, results, say, url } from './pairs.mjs';

const client = new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });
const ways = {
  whole: (request) => client.responses.create(request),
  streamed: (request) => client.responses.stream(request).finalResponse(),
};
const named = (name) => ({ type: 'function', name, parameters, strict: false });

function callsOf(answer, count) {
  const calls = answer.output.filter((item) => item.type === 'function_call');
  assert.equal(new Set(calls.map((call) => call.call_id)).size, count);
  for (const call of calls) assert.ok('city' in JSON.parse(call.arguments));
  return calls;
}

const resultsOf = (calls, texts) =>
  calls.map((call, nth) => ({ type: 'function_call_output', call_id: call.call_id, output: texts[nth] }));
// What the SDK has parsed is its own, and OpenAI knows no such parameter.
const said = (answer) =>
  answer.output.map(({ parsed_arguments, ...item }) => {
    if (item.type !== 'message') return item;
    return { ...item, content: item.content.map(({ parsed, ...part }) => part) };
  });

pairs('a question is answered', ways, async (model, way) => {
  const answer = await way({ model, instructions: 'be short', input: 'hello' });
  assert.deepEqual([answer.model, answer.status], [model, 'completed']);
  assert.ok(answer.output_text);
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
  assert.equal(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens);
});

pairs('a tool loop of several turns ends with the results', ways, async (model, way) => {
  const tools = [named('forecast')];
  const input = [];
  for (const result of results) {
    input.push(...say('what is the weather?'));
    const call = await way({ model, input, tools });
    input.push(...said(call), ...resultsOf(callsOf(call, 1), [result]));
    const answer = await way({ model, input, tools });
    assert.ok(answer.output_text.includes(result));
    input.push(...said(answer));
  }
});

pairs('tools are called in parallel', ways, async (model, way) => {
  const tools = [named('forecast'), named('traffic')];
  const input = say('weather and traffic? [[sim parallel]]');
  const call = await way({ model, input, tools });
  const calls = callsOf(call, 2);
  assert.deepEqual(calls.map((one) => one.name).sort(), ['forecast', 'traffic']);
  const answer = await way({ model, input: [...input, ...said(call), ...resultsOf(calls, results)], tools });
  for (const result of results) assert.ok(answer.output_text.includes(result));
});

pairs('a response goes on from a previous one', ways, async (model, way) => {
  const tools = [named('forecast')];
  const call = await way({ model, input: 'weather?', tools });
  const input = resultsOf(callsOf(call, 1), results);
  const answer = await way({ model, input, tools, previous_response_id: call.id });
  assert.ok(answer.output_text.includes(results[0]));
  callsOf(await way({ model, input: 'and tomorrow?', tools, previous_response_id: answer.id }), 1);
});

pairs('an unknown previous response is not found', ways, async (model, way) => {
  const previous_response_id = 'resp_0000000000000000000000000000000000';
  await assert.rejects(way({ model, input: 'hi', previous_response_id }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
    assert.equal(error.code, 'previous_response_not_found');
    return true;
  });
});

const parsing = { whole: (request) => client.responses.parse(request), streamed: ways.streamed };
pairs('an answer is parsed into its form', parsing, async (model, way) => {
  const answer = await way({ model, input: 'a trip', text: { format: zodTextFormat(Trip, 'trip') } });
  assert.ok(Trip.parse(answer.output_parsed));
});

pairs("a refusal is the SDK's exception", ways, async (model, way) => {
  await assert.rejects(way({ model, input: '[[sim status=400]]' }), OpenAI.BadRequestError);
  await assert.rejects(way({ model, input: '[[sim status=429]]' }), OpenAI.RateLimitError);
});

test('an unknown model is not found', async () => {
  await assert.rejects(ways.whole({ model: 'no-such-model', input: 'hi' }), OpenAI.NotFoundError);
});
