-- Posts the same request over and over. What it posts comes from the environment:
--   LOAD_PATH, LOAD_BODY (a file), LOAD_KEY
-- and what came of it is printed as one line of JSON. wrk counts answers other than 2xx and 3xx and every
-- socket error by itself; what an answer says is checked outside of the measured window.

local prepared

function init()
  local file = assert(io.open(os.getenv("LOAD_BODY"), "rb"))
  local body = file:read("*a")
  file:close()
  local headers = {
    ["Authorization"] = "Bearer " .. os.getenv("LOAD_KEY"),
    ["Content-Type"] = "application/json",
    ["anthropic-version"] = "2023-06-01",
  }
  prepared = wrk.format("POST", os.getenv("LOAD_PATH"), headers, body)
end

function request()
  return prepared
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"max_us":%d,"connect":%d,"read":%d,"write":%d,'
      .. '"status":%d,"timeout":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
