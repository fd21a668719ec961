-- Sets a field of a webhook that is there.
-- KEYS  1 what all keys begin with: see webhook-create
-- ARGV  1 id  2 time in Unix milliseconds, empty: it is enabled
-- Returns nothing.
local key = KEYS[1] .. ":webhook:" .. ARGV[1]
if redis.call("EXISTS", key) == 1 then
  redis.call("HSET", key, "disabledAtMs", ARGV[2])
end
