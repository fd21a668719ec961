-- Stores a delivery, unless there is one of that id or its webhook is gone; of the webhook's deliveries the oldest go.
-- KEYS  1 what all keys begin with: see webhook-create, and
--         :delivery:<id>  hash, the delivery; its field attempts has a line of JSON for each
--         :deliveries:<webhook>  sorted set of ids by the time of creation
--         :due  sorted set of the ids of pending ones by the time of the next attempt
-- ARGV  1 id  2 webhook  3 time of creation  4 time of the next attempt, empty: none  5 most deliveries of a webhook
--       6... fields and values of the hash
-- Returns 1, or 0 when nothing was stored.
local root, id = KEYS[1], ARGV[1]
local key, ofWebhook = root .. ":delivery:" .. id, root .. ":deliveries:" .. ARGV[2]
if redis.call("EXISTS", key) == 1 or redis.call("EXISTS", root .. ":webhook:" .. ARGV[2]) == 0 then
  return 0
end
redis.call("HSET", key, unpack(ARGV, 6))
redis.call("ZADD", ofWebhook, ARGV[3], id)
if ARGV[4] ~= "" then
  redis.call("ZADD", root .. ":due", ARGV[4], id)
end
redis.call("ZREM", root .. ":untold", ARGV[2])
for _, old in ipairs(redis.call("ZRANGE", ofWebhook, 0, -1 - tonumber(ARGV[5]))) do
  redis.call("DEL", root .. ":delivery:" .. old)
  redis.call("ZREM", root .. ":due", old)
  redis.call("ZREM", ofWebhook, old)
end
return 1
