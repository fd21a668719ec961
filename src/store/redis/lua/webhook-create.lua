-- Stores a webhook, unless its task has as many as it may have.
-- KEYS  1 what all keys begin with (they lie in one slot of a cluster):
--         :webhook:<id>  hash, the webhook
--         :task:<task>, :caller:<caller>, :untold  sorted sets of ids, all of score 0
-- ARGV  1 id  2 task  3 caller  4 most webhooks of a task
--       5... fields and values of the hash
-- Returns 1, or 0 when nothing was stored.
local root, id = KEYS[1], ARGV[1]
local ofTask = root .. ":task:" .. ARGV[2]
if redis.call("ZCARD", ofTask) >= tonumber(ARGV[4]) then
  return 0
end
redis.call("HSET", root .. ":webhook:" .. id, unpack(ARGV, 5))
redis.call("ZADD", ofTask, 0, id)
redis.call("ZADD", root .. ":caller:" .. ARGV[3], 0, id)
redis.call("ZADD", root .. ":untold", 0, id)
return 1
