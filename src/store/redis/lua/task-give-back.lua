-- running -> queued.
-- KEYS  1 task: hash
-- ARGV  1 attempt
-- Returns 1, or 0 when nothing was stored: the attempt is not the current one, or the task does not run.
local current = redis.call("HMGET", KEYS[1], "status", "attempt")
if current[1] ~= "running" or current[2] ~= ARGV[1] then
  return 0
end
redis.call("HSET", KEYS[1], "status", "queued")
return 1
