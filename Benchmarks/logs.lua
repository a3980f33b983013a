-- wrk -s logs.lua URL -- PREFIX COUNT SIZE: logs of SIZE bytes with unique references; COUNT = 1
-- posts an object a request, otherwise an array of COUNT. The last line is JSON.
local prefix, count, size, number = "x", 1, 1024, 0
local before, after

function init(args)
  prefix, count, size = args[1], tonumber(args[2]), tonumber(args[3])
  before = '{"project":"bench","reference_id":"bench-' .. prefix .. '-'
  after = '","config":{"type":"model","model":"gpt-4"},"duration":1.25,' ..
    '"messages":[{"role":"user","content":"How so?"}],"output":"'
  local words = 'the model answered \\"yes\\" to café questions\\n, retrieved passage 42 🙂; '
  local room = size - #before - 12 - #after - 2
  after = after .. string.rep(words, math.floor(room / #words))
  after = after .. string.rep("x", size - #before - 12 - #after - 2) .. '"}'
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

local function log()
  number = number + 1
  return string.format("%s%012d%s", before, number, after)
end

function request()
  if count == 1 then return wrk.format(nil, nil, nil, log()) end
  local logs = {}
  for i = 1, count do logs[i] = log() end
  return wrk.format(nil, nil, nil, "[" .. table.concat(logs, ",") .. "]")
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.4f,"errors":%d,"p50_ms":%.3f,"p99_ms":%.3f}\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
