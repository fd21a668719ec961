-- Replaces the segments from an index on, and tells how far the current attempt is.
-- KEYS   task (hash), its segments (list)
-- ARGV   attempt, index, durationMs, channels, doneMs, totalMs, then segments
-- Returns 1; 0, and nothing is written, when the attempt is not the current one or the task does not run
local current = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if current[1] ~= 'running' or current[2] ~= ARGV[1] then
  return 0
end
local index = tonumber(ARGV[2])
if index == 0 then
  redis.call('DEL', KEYS[2])
else
  redis.call('LTRIM', KEYS[2], 0, index - 1)
end
for at = 7, #ARGV do
  redis.call('RPUSH', KEYS[2], ARGV[at])
end
redis.call('HSET', KEYS[1], 'segments', index + #ARGV - 6, 'durationMs', ARGV[3], 'channels', ARGV[4],
  'doneMs', ARGV[5], 'totalMs', ARGV[6])
return 1
