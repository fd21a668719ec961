-- queued or running -> running, as a new attempt. Whoever ran it until now is lost.
-- KEYS  1 task: hash
-- ARGV  1 time in Unix milliseconds
-- Returns the hash as fields and values, empty when the task has ended or is gone.
local status = redis.call("HGET", KEYS[1], "status")
if status ~= "queued" and status ~= "running" then
  return {}
end
if status == "running" then
  redis.call("HINCRBY", KEYS[1], "losses", 1)
end
redis.call("HINCRBY", KEYS[1], "attempt", 1)
redis.call("HSETNX", KEYS[1], "startedAtMs", ARGV[1])
redis.call("HSET", KEYS[1], "status", "running")
return redis.call("HGETALL", KEYS[1])
