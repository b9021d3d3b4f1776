-- What the scenarios share: settings from the environment, the request, and a look at every answer.
--
--   LOAD_KEY    caller key                                  (sk-local)
--   LOAD_MODEL  alias to ask for                            (the scenario's own)
--   LOAD_KIB    size of the request's JSON in KiB           (0: as small as it gets)
--   LOAD_CHECK  0 leaves answers unread, for wrk's own sake (1)
--
-- wrk ends with status 1 when an answer was wrong.

local SENTENCE = 'The quick brown fox said \\"jump\\" and jumped over the lazy dog, twice, to be on the safe side.\\n'

function setting(name, default)
  local value = os.getenv(name)
  if value == nil or value == "" then return default end
  return value
end

-- The request of a scenario {path, model, members, prompt, wanted}: `members` go into the JSON as they are, and every
-- text of `wanted` must be in every answer.
function scenario(told)
  local model = setting("LOAD_MODEL", told.model)
  local prompt = told.prompt
  local missing = tonumber(setting("LOAD_KIB", "0")) * 1024 - #prompt - 100
  if missing > 0 then prompt = prompt .. " " .. SENTENCE:rep(math.floor(missing / #SENTENCE)) end

  wrk.method = "POST"
  wrk.path = told.path
  wrk.body = string.format('{"model":"%s",%s"messages":[{"role":"user","content":"%s"}]}', model, told.members, prompt)
  wrk.headers["Authorization"] = "Bearer " .. setting("LOAD_KEY", "sk-local")
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["anthropic-version"] = "2023-06-01"

  wanted = { '"' .. model .. '"' }
  for _, text in ipairs(told.wanted) do table.insert(wanted, text) end
end

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

wrong, example = 0, ""

if setting("LOAD_CHECK", "1") ~= "0" then
  function response(status, _, body)
    local fine = status == 200
    for _, text in ipairs(wanted) do fine = fine and body:find(text, 1, true) ~= nil end
    if not fine then
      wrong = wrong + 1
      example = status .. " " .. body:sub(1, 200)
    end
  end
end

function done(summary, latency)
  local count, shown = 0, ""
  for _, thread in ipairs(threads) do
    count = count + thread:get("wrong")
    if thread:get("example") ~= "" then shown = thread:get("example") end
  end
  local errors = summary.errors
  count = count + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("p50 %d us, p99 %d us, %d wrong answers or errors\n",
    latency:percentile(50), latency:percentile(99), count))
  if count > 0 then
    io.write(shown, "\n")
    os.exit(1)
  end
end
