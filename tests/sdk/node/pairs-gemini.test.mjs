// Gemini's generateContent to a provider of each format, through the SDK.

import { ApiError, GoogleGenAI } from '@google/genai';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { Trip, apiKey, pairs, parameters, results, url } from './pairs.mjs';

const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url } });
const partsOf = (answer) => answer.candidates?.[0]?.content?.parts ?? [];
const textOf = (answer) => answer.parts.flatMap((part) => (part.text && !part.thought ? [part.text] : [])).join('');

// The parts of all chunks, and the last one's ending.
async function collected(stream) {
  const parts = [];
  let last;
  for await (const chunk of stream) {
    parts.push(...partsOf(chunk));
    last = chunk;
  }
  return { last, parts };
}

const ways = {
  whole: async (chat, message) => {
    const last = await chat.sendMessage({ message });
    return { last, parts: partsOf(last) };
  },
  streamed: async (chat, message) => collected(await chat.sendMessageStream({ message })),
};
const chatWith = (model, config = {}) => client.chats.create({ model, config });
const named = (...names) => ({
  tools: [{ functionDeclarations: names.map((name) => ({ name, parametersJsonSchema: parameters })) }],
});

function callsOf(answer, count) {
  const calls = answer.parts.flatMap((part) => (part.functionCall ? [part.functionCall] : []));
  assert.equal(calls.length, count);
  for (const call of calls) assert.ok('city' in call.args);
  return calls;
}

const resultsOf = (calls, texts) =>
  calls.map(({ id, name }, nth) => ({ functionResponse: { id, name, response: { result: texts[nth] } } }));

pairs('a question is answered', ways, async (model, way) => {
  const answer = await way(chatWith(model, { systemInstruction: 'be short' }), 'hello');
  assert.equal(answer.last.modelVersion, model);
  assert.ok(textOf(answer));
  assert.equal(answer.last.candidates[0].finishReason, 'STOP');
  const usage = answer.last.usageMetadata;
  assert.ok(usage.promptTokenCount > 0 && usage.candidatesTokenCount > 0 && usage.totalTokenCount > 0);
});

pairs('a tool loop of several turns ends with the results', ways, async (model, way) => {
  const chat = chatWith(model, named('forecast'));
  for (const result of results) {
    const calls = callsOf(await way(chat, 'what is the weather?'), 1);
    assert.ok(textOf(await way(chat, resultsOf(calls, [result]))).includes(result));
  }
});

pairs('tools are called in parallel', ways, async (model, way) => {
  const chat = chatWith(model, named('forecast', 'traffic'));
  const calls = callsOf(await way(chat, 'weather and traffic? [[sim parallel]]'), 2);
  assert.deepEqual(calls.map((call) => call.name).sort(), ['forecast', 'traffic']);
  const text = textOf(await way(chat, resultsOf(calls, results)));
  for (const result of results) assert.ok(text.includes(result));
});

const asking = {
  whole: async (request) => (await client.models.generateContent(request)).text,
  streamed: async (request) => textOf(await collected(await client.models.generateContentStream(request))),
};
pairs('an answer has the form asked for', asking, async (model, way) => {
  const config = { responseMimeType: 'application/json', responseJsonSchema: z.toJSONSchema(Trip) };
  assert.ok(Trip.parse(JSON.parse(await way({ model, contents: 'a trip', config }))));
});

pairs("a refusal is the SDK's exception", ways, async (model, way) => {
  for (const status of [400, 429]) {
    await assert.rejects(way(chatWith(model), `[[sim status=${status}]]`), (error) => {
      assert.ok(error instanceof ApiError, `${error}`);
      assert.equal(error.status, status);
      return true;
    });
  }
});

pairs('a stream that fails rejects', { streamed: ways.streamed }, async (model, way) => {
  await assert.rejects(way(chatWith(model), '[[sim tokens=20 error=3]]'), Error);
});

test('an unknown model is not found', async () => {
  await assert.rejects(ways.whole(chatWith('no-such-model'), 'hi'), (error) => {
    assert.ok(error instanceof ApiError, `${error}`);
    assert.equal(error.status, 404);
    return true;
  });
});
