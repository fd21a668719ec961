-- Removes a webhook and its deliveries.
-- KEYS  1 what all keys begin with: see webhook-create and delivery-add
-- ARGV  1 id
-- Returns nothing.
local root, id = KEYS[1], ARGV[1]
local task, caller = unpack(redis.call("HMGET", root .. ":webhook:" .. id, "task", "caller"))
if not task then
  return
end
for _, delivery in ipairs(redis.call("ZRANGE", root .. ":deliveries:" .. id, 0, -1)) do
  redis.call("DEL", root .. ":delivery:" .. delivery)
  redis.call("ZREM", root .. ":due", delivery)
end
redis.call("DEL", root .. ":deliveries:" .. id, root .. ":webhook:" .. id)
redis.call("ZREM", root .. ":task:" .. task, id)
redis.call("ZREM", root .. ":caller:" .. caller, id)
redis.call("ZREM", root .. ":untold", id)
