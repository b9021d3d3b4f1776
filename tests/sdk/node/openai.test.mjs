// The OpenAI SDK for Node, unmodified.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';

const model = 'sim-openai';
const options = { apiKey: process.env.GATEWAY_KEY, baseURL: `${process.env.GATEWAY_URL}/v1`, maxRetries: 0 };
const client = new OpenAI(options);
const say = (content) => [{ role: 'user', content }];
const create = (more) => client.chat.completions.create({ model, ...more });
const tools = [
  {
    type: 'function',
    function: {
      name: 'forecast',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];

test('a plain answer has text and usage', async () => {
  const answer = await create({ messages: say('hello') });
  assert.equal(answer.model, model);
  assert.ok(answer.choices[0].message.content);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  assert.ok(answer._request_id);
});

test('a stream gives the same text as a plain answer', async () => {
  const plain = await create({ messages: say('same') });
  let text = '';
  for await (const chunk of await create({ messages: say('same'), stream: true })) {
    assert.ok(chunk.choices.length > 0, 'the usage chunk is hidden from who did not ask');
    text += chunk.choices[0].delta.content ?? '';
  }
  assert.equal(text, plain.choices[0].message.content);
});

test('usage of a stream comes when asked for', async () => {
  let last;
  const stream = await create({ messages: say('hi'), stream: true, stream_options: { include_usage: true } });
  for await (const chunk of stream) last = chunk;
  assert.deepEqual(last.choices, []);
  assert.ok(last.usage.completion_tokens > 0);
});

test('a tool loop closes', async () => {
  const messages = say('what is the weather?');
  const first = await create({ messages, tools });
  const [call] = first.choices[0].message.tool_calls;
  assert.equal(call.function.name, 'forecast');
  assert.ok('city' in JSON.parse(call.function.arguments));
  messages.push(first.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'sunny, 21 degrees' });
  const second = await create({ messages, tools });
  assert.match(second.choices[0].message.content, /sunny/);
});

test('the SDK accumulates a streamed tool call', async () => {
  const final = await client.chat.completions.stream({ model, messages: say('weather?'), tools }).finalChatCompletion();
  const [call] = final.choices[0].message.tool_calls;
  assert.equal(call.function.name, 'forecast');
  assert.ok('city' in JSON.parse(call.function.arguments));
});

test('the models are listed', async () => {
  const ids = [];
  for await (const entry of client.models.list()) ids.push(entry.id);
  assert.ok(ids.includes('sim-openai') && ids.includes('sim-anthropic'));
});

const upstreamErrors = [
  [400, OpenAI.BadRequestError],
  [403, OpenAI.PermissionDeniedError],
  [404, OpenAI.NotFoundError],
  [409, OpenAI.ConflictError],
  [422, OpenAI.UnprocessableEntityError],
  [429, OpenAI.RateLimitError],
  [500, OpenAI.InternalServerError],
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
  const stranger = new OpenAI({ ...options, apiKey: 'sk-wrong' });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  await assert.rejects(create({ model: 'no-such-model', messages: say('hi') }), OpenAI.NotFoundError);
  await assert.rejects(create({ messages: [] }), OpenAI.BadRequestError);
});

test('a stream that breaks rejects', async () => {
  const stream = await create({ messages: say('[[sim tokens=20 hangup=5]]'), stream: true });
  await assert.rejects(async () => {
    for await (const _ of stream);
  }, OpenAI.APIError);
});

test('a stream left in the middle does no harm', async () => {
  const stream = await create({ messages: say('[[sim tokens=200 tps=50]]'), stream: true });
  for await (const _ of stream) break;
  assert.ok((await create({ messages: say('next') })).choices.length);
});
