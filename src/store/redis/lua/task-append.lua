-- Replaces the segments of a task from an index on, and tells how far the current attempt is.
-- KEYS  1 task: hash
--       2 its segments: list
-- ARGV  1 attempt  2 index  3 durationMs  4 channels  5 doneMs  6 totalMs
--       7... segments
-- Returns 1, or 0 when nothing was stored: the attempt is not the current one, or the task does not run.
local current = redis.call("HMGET", KEYS[1], "status", "attempt")
if current[1] ~= "running" or current[2] ~= ARGV[1] then
  return 0
end
local index = tonumber(ARGV[2])
if index == 0 then
  redis.call("DEL", KEYS[2])
else
  redis.call("LTRIM", KEYS[2], 0, index - 1)
end
for at = 7, #ARGV do
  redis.call("RPUSH", KEYS[2], ARGV[at])
end
redis.call("HSET", KEYS[1], "segments", index + #ARGV - 6, "durationMs", ARGV[3], "channels", ARGV[4],
  "doneMs", ARGV[5], "totalMs", ARGV[6])
return 1
