-- wrk script: sends the requests of a file in turn. The file holds each as its length in bytes, a
-- line break and the bytes. Answers above 399 are counted by wrk itself, which costs no Lua.
-- Prints one line
--   RESULT <requests> <µs> <p50 µs> <p99 µs> <longest µs> <bytes read> <above 399> <broken>
local requests, count, last = {}, 0, 0

init = function(args)
  local file = assert(io.open(args[1], "rb"))
  local length = file:read("*n")
  while length do
    file:read(1)
    count = count + 1
    requests[count] = file:read(length)
    length = file:read("*n")
  end
  file:close()
end

request = function()
  last = last % count + 1
  return requests[last]
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %.0f %.0f %.0f %d %d %d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    summary.bytes, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
