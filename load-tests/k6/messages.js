// Whole Anthropic messages: k6 run load-tests/k6/messages.js
import http from 'k6/http';
import { check } from 'k6';
import { options, params, request, setting, url } from './common.js';

export { options };

const model = setting('LOAD_MODEL', 'sim-anthropic');
const body = request(model, { max_tokens: 64 }, 'Hello');

export default function () {
  const answer = http.post(url('/v1/messages'), body, params);
  check(answer, {
    'status is 200': (got) => got.status === 200,
    'the alias comes back': (got) => got.status === 200 && got.json('model') === model,
    'usage is there': (got) => got.status === 200 && got.json('usage.output_tokens') > 0,
    'something was said': (got) => got.status === 200 && got.json('content.0.text').length > 0,
  });
}
