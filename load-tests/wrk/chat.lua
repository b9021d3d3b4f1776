-- Whole chat completions: wrk -t1 -c32 -d10s -s load-tests/wrk/chat.lua http://127.0.0.1:3000
dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "") .. "common.lua")

scenario {
  path = "/v1/chat/completions",
  model = "sim-openai",
  members = '"temperature":0.7,"max_tokens":64,',
  prompt = "Hello",
  wanted = { '"completion_tokens"' },
}
