// The Anthropic SDK for Node, unmodified.

import Anthropic from '@anthropic-ai/sdk';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const model = 'sim-anthropic';
const options = { apiKey: process.env.GATEWAY_KEY, baseURL: process.env.GATEWAY_URL, maxRetries: 0 };
const client = new Anthropic(options);
const say = (content) => [{ role: 'user', content }];
const create = (more) => client.messages.create({ model, max_tokens: 300, ...more });
const input_schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools = [{ name: 'forecast', input_schema }];

test('a plain answer has text and usage', async () => {
  const answer = await create({ messages: say('hello') });
  assert.equal(answer.model, model);
  assert.ok(answer.content[0].text);
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
  assert.ok(answer._request_id);
});

test('a stream gives the same text as a plain answer', async () => {
  const plain = await create({ messages: say('same') });
  const stream = client.messages.stream({ model, max_tokens: 300, messages: say('same') });
  assert.equal(await stream.finalText(), plain.content[0].text);
  const final = await stream.finalMessage();
  assert.deepEqual([final.model, final.stop_reason], [model, 'end_turn']);
});

test('a tool loop closes', async () => {
  const messages = say('what is the weather?');
  const first = await create({ messages, tools });
  assert.equal(first.stop_reason, 'tool_use');
  const call = first.content.find((block) => block.type === 'tool_use');
  assert.ok('city' in call.input);
  const result = { type: 'tool_result', tool_use_id: call.id, content: 'sunny, 21 degrees' };
  messages.push({ role: 'assistant', content: first.content }, { role: 'user', content: [result] });
  assert.match((await create({ messages, tools })).content[0].text, /sunny/);
});

test('the SDK accumulates a streamed tool call', async () => {
  const final = await client.messages.stream({ model, max_tokens: 300, messages: say('weather?'), tools }).finalMessage();
  const call = final.content.find((block) => block.type === 'tool_use');
  assert.equal(call.name, 'forecast');
  assert.ok('city' in call.input);
});

test('tokens are counted and the models listed', async () => {
  assert.ok((await client.messages.countTokens({ model, messages: say('hi') })).input_tokens > 0);
  const ids = [];
  for await (const entry of client.models.list()) ids.push(entry.id);
  assert.ok(ids.includes('sim-anthropic'));
});

const upstreamErrors = [
  [400, Anthropic.BadRequestError],
  [403, Anthropic.PermissionDeniedError],
  [404, Anthropic.NotFoundError],
  [429, Anthropic.RateLimitError],
  [529, Anthropic.InternalServerError],
];
for (const [status, expected] of upstreamErrors) {
  test(`an upstream ${status} is ${expected.name}`, async () => {
    await assert.rejects(create({ messages: say(`[[sim status=${status}]]`) }), (error) => {
      assert.ok(error instanceof expected, `${error}`);
      assert.ok(error.requestID);
      return true;
    });
  });
}

test("the gateway's own errors are the SDK's exceptions", async () => {
  const stranger = new Anthropic({ ...options, apiKey: 'sk-wrong' });
  await assert.rejects(stranger.models.list(), Anthropic.AuthenticationError);
  await assert.rejects(create({ model: 'no-such-model', messages: say('hi') }), Anthropic.NotFoundError);
  await assert.rejects(create({ messages: [] }), Anthropic.BadRequestError);
});

test('a stream that breaks rejects', async () => {
  const stream = client.messages.stream({ model, max_tokens: 300, messages: say('[[sim tokens=20 hangup=5]]') });
  await assert.rejects(stream.finalMessage(), Anthropic.APIError);
});

test('a stream left in the middle does no harm', async () => {
  const stream = await create({ messages: say('[[sim tokens=200 tps=50]]'), stream: true });
  for await (const _ of stream) break;
  assert.ok((await create({ messages: say('next') })).content.length);
});
