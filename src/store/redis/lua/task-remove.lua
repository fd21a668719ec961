-- Removes a task and its segments.
-- KEYS  1 task: hash
--       2 its segments: list
--       3 tasks of its caller, 4 unfinished tasks, 6 load: see task-create
--       5 ended tasks: see task-end
-- ARGV  1 id
-- Returns nothing.
local task = redis.call("HMGET", KEYS[1], "caller", "bytes")
redis.call("DEL", KEYS[1], KEYS[2])
redis.call("ZREM", KEYS[3], ARGV[1])
redis.call("ZREM", KEYS[5], ARGV[1])
if redis.call("ZREM", KEYS[4], ARGV[1]) == 1 then
  if redis.call("HINCRBY", KEYS[6], "of:" .. task[1], -1) <= 0 then
    redis.call("HDEL", KEYS[6], "of:" .. task[1])
  end
  redis.call("HINCRBY", KEYS[6], "bytes", -task[2])
end
