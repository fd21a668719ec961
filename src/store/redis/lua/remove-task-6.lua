-- Forgets a task.
-- KEYS   task (hash), its segments (list), tasks of its caller (sorted by id), unfinished tasks (sorted by id),
--        ended tasks (by time), load (hash: bytes, of:<caller>)
-- ARGV   id
-- Returns nothing
local task = redis.call('HMGET', KEYS[1], 'caller', 'bytes')
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
if redis.call('ZREM', KEYS[4], ARGV[1]) == 1 then
  if redis.call('HINCRBY', KEYS[6], 'of:' .. task[1], -1) <= 0 then
    redis.call('HDEL', KEYS[6], 'of:' .. task[1])
  end
  redis.call('HINCRBY', KEYS[6], 'bytes', -task[2])
end
