-- wrk script, argument "put" or "get": 1,000 keys in turn, 256-byte values. Prints one line
--   RESULT <requests/s> <p50 µs> <p99 µs> <answers that were not 200> <broken connections>
local body = '{"value":"' .. string.rep("x", 254) .. '"}'
local headers = { ["Content-Type"] = "application/json" }
local sent = 0
local method = "GET"

local threads = {}
setup = function(thread) table.insert(threads, thread) end

init = function(args)
  refused = 0
  if args[1] == "put" then method = "PUT" else body, headers = nil, nil end
end

request = function()
  sent = sent + 1
  return wrk.format(method, "/key/bench/" .. (sent % 1000), headers, body)
end

response = function(status) if status ~= 200 then refused = refused + 1 end end

done = function(summary, latency)
  local not_200 = 0
  for _, thread in ipairs(threads) do not_200 = not_200 + thread:get("refused") end
  io.write(string.format("RESULT %.0f %.0f %.0f %d %d\n",
    summary.requests / (summary.duration / 1e6), latency:percentile(50), latency:percentile(99),
    not_200, summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.timeout))
end
