-- Whole Anthropic messages: wrk -t1 -c32 -d10s -s load-tests/wrk/messages.lua http://127.0.0.1:3000
dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "") .. "common.lua")

scenario {
  path = "/v1/messages",
  model = "sim-anthropic",
  members = '"max_tokens":64,',
  prompt = "Hello",
  wanted = { '"output_tokens"', '"end_turn"' },
}
