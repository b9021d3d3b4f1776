// Whole chat completions: k6 run load-tests/k6/chat.js
import http from 'k6/http';
import { check } from 'k6';
import { options, params, request, setting, url } from './common.js';

export { options };

const model = setting('LOAD_MODEL', 'sim-openai');
const body = request(model, { temperature: 0.7, max_tokens: 64 }, 'Hello');

export default function () {
  const answer = http.post(url('/v1/chat/completions'), body, params);
  check(answer, {
    'status is 200': (got) => got.status === 200,
    'the alias comes back': (got) => got.status === 200 && got.json('model') === model,
    'usage is there': (got) => got.status === 200 && got.json('usage.completion_tokens') > 0,
    'something was said': (got) => got.status === 200 && got.json('choices.0.message.content').length > 0,
  });
}
