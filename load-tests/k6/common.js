// What the scenarios share: settings from the environment, headers, bodies.
//
//   LOAD_URL       the gateway                         (http://127.0.0.1:3000)
//   LOAD_KEY       caller key                          (sk-local)
//   LOAD_MODEL     alias to ask for                    (the scenario's own)
//   LOAD_KIB       size of the request's JSON in KiB   (0: as small as it gets)
//   LOAD_VUS, LOAD_DURATION  virtual users and length  (32, 10s)

const SENTENCE = 'The quick brown fox said "jump" and jumped over the lazy dog, twice, to be on the safe side.\n';

export function setting(name, fallback) {
  return __ENV[name] || fallback;
}

// One wrong answer fails the run.
export const options = {
  vus: Number(setting('LOAD_VUS', '32')),
  duration: setting('LOAD_DURATION', '10s'),
  thresholds: { checks: ['rate==1'], http_req_failed: ['rate==0'] },
  summaryTrendStats: ['med', 'p(90)', 'p(99)', 'max'],
};

export function url(path) {
  return setting('LOAD_URL', 'http://127.0.0.1:3000') + path;
}

export const params = {
  headers: {
    Authorization: `Bearer ${setting('LOAD_KEY', 'sk-local')}`,
    'Content-Type': 'application/json',
    'anthropic-version': '2023-06-01',
  },
};

// JSON of a request for `model` with further members, about LOAD_KIB KiB long.
export function request(model, members, prompt) {
  const body = { model, ...members, messages: [{ role: 'user', content: prompt }] };
  const missing = Number(setting('LOAD_KIB', '0')) * 1024 - JSON.stringify(body).length;
  if (missing > 0) {
    const each = JSON.stringify(SENTENCE).length - 2;
    body.messages[0].content += ' ' + SENTENCE.repeat(Math.floor(missing / each));
  }
  return JSON.stringify(body);
}
