-- Streamed chat completions: wrk -t1 -c200 -d10s --timeout 10s -s load-tests/wrk/stream.lua http://127.0.0.1:3000
-- LOAD_TOKENS (100) and LOAD_TPS (50; 0 is as fast as they come) tell the simulated provider how long and how fast.
-- A request is a whole stream: its latency is the stream's length.
dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "") .. "common.lua")

scenario {
  path = "/v1/chat/completions",
  model = "sim-openai",
  members = '"stream":true,',
  prompt = string.format("Say something. [[sim tokens=%s tps=%s]]", setting("LOAD_TOKENS", "100"), setting("LOAD_TPS", "50")),
  wanted = { '"finish_reason":"stop"', "data: [DONE]" },
}
