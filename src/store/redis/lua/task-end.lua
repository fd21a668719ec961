-- Ends a task: the current attempt with its outcome, or whoever cancels it.
-- KEYS  1 task: hash
--       2 unfinished tasks, 4 load: see task-create
--       3 ended tasks: sorted set of ids by the time when they ended, Unix milliseconds
-- ARGV  1 id  2 attempt, "any": also of a queued one  3 time in Unix milliseconds
--       4... fields and values of the outcome, status among them
-- Returns 1, or 0 when nothing was stored: it has ended, is gone, or the attempt is not the current one.
local task = redis.call("HMGET", KEYS[1], "status", "attempt", "caller", "bytes")
if task[1] ~= "running" and not (task[1] == "queued" and ARGV[2] == "any") then
  return 0
end
if ARGV[2] ~= "any" and task[2] ~= ARGV[2] then
  return 0
end
redis.call("HSET", KEYS[1], "finishedAtMs", ARGV[3], unpack(ARGV, 4))
redis.call("ZREM", KEYS[2], ARGV[1])
redis.call("ZADD", KEYS[3], ARGV[3], ARGV[1])
if redis.call("HINCRBY", KEYS[4], "of:" .. task[3], -1) <= 0 then
  redis.call("HDEL", KEYS[4], "of:" .. task[3])
end
redis.call("HINCRBY", KEYS[4], "bytes", -task[4])
return 1
