-- wrk: PUT 1,000 keys in turn with 256-byte values; reports every answer that is not 200.
local body = '{"value":"' .. string.rep("x", 254) .. '"}'
local headers = { ["Content-Type"] = "application/json" }
local sent = 0

request = function()
  sent = sent + 1
  return wrk.format("PUT", "/key/bench/" .. (sent % 1000), headers, body)
end

local threads = {}
setup = function(thread) table.insert(threads, thread) end
init = function() refused = 0 end
response = function(status) if status ~= 200 then refused = refused + 1 end end

done = function(summary, latency)
  local refused = 0
  for _, thread in ipairs(threads) do refused = refused + thread:get("refused") end
  io.write(string.format("RESULT %.0f %.0f %.0f %d %d\n",
    summary.requests / (summary.duration / 1e6), latency:percentile(50), latency:percentile(99),
    refused, summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.timeout))
end
