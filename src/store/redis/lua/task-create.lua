-- Stores a new task, unless its caller has too many that have not ended, or all recordings together would be too large.
-- KEYS  1 task: hash
--       2 tasks of the caller: sorted set of ids, all of score 0
--       3 unfinished tasks: sorted set of ids, all of score 0
--       4 load: hash, bytes and of:<caller> of the unfinished ones
-- ARGV  1 id  2 caller  3 bytes  4 most tasks of a caller  5 most bytes
--       6... fields and values of the hash
-- Returns "created", "too many" or "too large".
if tonumber(redis.call("HGET", KEYS[4], "of:" .. ARGV[2]) or 0) >= tonumber(ARGV[4]) then
  return "too many"
end
if tonumber(redis.call("HGET", KEYS[4], "bytes") or 0) + tonumber(ARGV[3]) > tonumber(ARGV[5]) then
  return "too large"
end
redis.call("HSET", KEYS[1], "status", "queued", unpack(ARGV, 6))
redis.call("ZADD", KEYS[2], 0, ARGV[1])
redis.call("ZADD", KEYS[3], 0, ARGV[1])
redis.call("HINCRBY", KEYS[4], "of:" .. ARGV[2], 1)
redis.call("HINCRBY", KEYS[4], "bytes", ARGV[3])
return "created"
