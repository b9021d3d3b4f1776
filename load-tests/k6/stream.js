// Streamed chat completions: k6 run -e LOAD_VUS=200 load-tests/k6/stream.js
//
// LOAD_TOKENS (100) and LOAD_TPS (50; 0 is as fast as they come) tell the simulated provider how long and how fast to
// speak. k6 reads a stream to its end before the script sees it: `http_req_waiting` is the time to its first byte,
// `http_req_duration` its length.
import http from 'k6/http';
import { check } from 'k6';
import { Counter } from 'k6/metrics';
import { options, params, request, setting, url } from './common.js';

export { options };

const frames = new Counter('content_frames');
const model = setting('LOAD_MODEL', 'sim-openai');
const tokens = Number(setting('LOAD_TOKENS', '100'));
const prompt = `Say something. [[sim tokens=${tokens} tps=${setting('LOAD_TPS', '50')}]]`;
const body = request(model, { stream: true }, prompt);

export default function () {
  const answer = http.post(url('/v1/chat/completions'), body, params);
  const seen = answer.status === 200 ? events(answer.body) : [];
  const chunks = seen.filter((data) => data !== '[DONE]').map((data) => JSON.parse(data));
  const content = chunks.filter((chunk) => chunk.choices.length > 0 && chunk.choices[0].delta.content);
  frames.add(content.length);
  check(answer, {
    'status is 200': (got) => got.status === 200,
    'the alias comes back in every chunk': () => chunks.length > 0 && chunks.every((chunk) => chunk.model === model),
    'no frame is lost or doubled': () => content.length === tokens,
    'it ends, once': () => seen.indexOf('[DONE]') === seen.length - 1 && seen.length > 0,
  });
}

// The data of every event.
function events(text) {
  return text
    .split('\n\n')
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice('data: '.length));
}
