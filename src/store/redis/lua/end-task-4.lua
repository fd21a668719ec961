-- Ends a task: the current attempt with its outcome, or whoever cancels it.
-- KEYS   task (hash), unfinished tasks (sorted by id), ended tasks (by time), load (hash: bytes, of:<caller>)
-- ARGV   id, attempt ("any": also a queued one), time, then fields and values of the outcome, status among them
-- Returns 1; 0, and nothing is written, when it has ended, is gone, or the attempt is not the current one
local task = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'caller', 'bytes')
if task[1] ~= 'running' and not (task[1] == 'queued' and ARGV[2] == 'any') then
  return 0
end
if ARGV[2] ~= 'any' and task[2] ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], 'finishedAtMs', ARGV[3], unpack(ARGV, 4))
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
if redis.call('HINCRBY', KEYS[4], 'of:' .. task[3], -1) <= 0 then
  redis.call('HDEL', KEYS[4], 'of:' .. task[3])
end
redis.call('HINCRBY', KEYS[4], 'bytes', -task[4])
return 1
