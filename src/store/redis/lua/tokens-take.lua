-- Takes tokens from all buckets of a caller, or none from any; gives them back when the amount is negative.
-- Time is Redis's own: all who share it share its clock.
-- KEYS  1 buckets of the caller: hash, name -> <tokens>@<when they were counted, ms>; expires when all are full
-- ARGV  1 amount
--       2... name, capacity and window (ms) of each bucket
-- Returns 1 or 0 (granted or not), ms until it would be granted, then for each bucket: whole tokens in it, ms until it is full.
local amount = tonumber(ARGV[1])
local time = redis.call("TIME")
local now = time[1] * 1000 + time[2] / 1000

local buckets, retry = {}, 0
for i = 2, #ARGV, 3 do
  local bucket = { name = ARGV[i], capacity = tonumber(ARGV[i + 1]) }
  bucket.perToken = tonumber(ARGV[i + 2]) / bucket.capacity
  bucket.tokens = bucket.capacity
  local stored = redis.call("HGET", KEYS[1], bucket.name)
  if stored then
    local tokens, at = string.match(stored, "(.*)@(.*)")
    local elapsed = math.max(0, now - tonumber(at))
    bucket.tokens = math.min(bucket.capacity, tonumber(tokens) + elapsed / bucket.perToken)
  end
  bucket.wanted = math.min(amount, bucket.capacity)
  retry = math.max(retry, (bucket.wanted - bucket.tokens) * bucket.perToken)
  buckets[#buckets + 1] = bucket
end

local isGranted = retry == 0
local result = { isGranted and 1 or 0, math.ceil(retry) }
local ttl = math.max(0, redis.call("PTTL", KEYS[1]))
for _, bucket in ipairs(buckets) do
  if isGranted and amount ~= 0 then
    bucket.tokens = math.min(bucket.capacity, bucket.tokens - bucket.wanted)
    -- as many digits as a double has: rounding would add up
    redis.call("HSET", KEYS[1], bucket.name, string.format("%.17g@%.3f", bucket.tokens, now))
  end
  local reset = math.ceil((bucket.capacity - bucket.tokens) * bucket.perToken)
  ttl = math.max(ttl, reset)
  result[#result + 1] = math.floor(bucket.tokens)
  result[#result + 1] = reset
end
if isGranted and amount ~= 0 then
  redis.call("PEXPIRE", KEYS[1], math.max(1, ttl))
end
return result
