-- Appends an attempt to a delivery that is there.
-- KEYS  1 what all keys begin with: see delivery-add
-- ARGV  1 id  2 the attempt, a line of JSON with its end  3 status  4 time of the next attempt, empty: none
-- Returns nothing.
local root, id = KEYS[1], ARGV[1]
local key = root .. ":delivery:" .. id
if redis.call("EXISTS", key) == 0 then
  return
end
local attempts = redis.call("HGET", key, "attempts")
redis.call("HSET", key, "attempts", attempts .. ARGV[2], "status", ARGV[3], "nextAtMs", ARGV[4])
if ARGV[4] == "" then
  redis.call("ZREM", root .. ":due", id)
else
  redis.call("ZADD", root .. ":due", ARGV[4], id)
end
