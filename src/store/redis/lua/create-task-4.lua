-- Stores a new task, unless its caller has too many that have not ended, or all recordings together would be too large.
-- KEYS   task (hash), tasks of the caller (sorted by id), unfinished tasks (sorted by id), load (hash: bytes, of:<caller>)
-- ARGV   id, caller, bytes, most tasks of a caller, most bytes, then fields and values of the hash
-- Returns "created", "too many" or "too large"
if tonumber(redis.call('HGET', KEYS[4], 'of:' .. ARGV[2]) or 0) >= tonumber(ARGV[4]) then
  return 'too many'
end
if tonumber(redis.call('HGET', KEYS[4], 'bytes') or 0) + tonumber(ARGV[3]) > tonumber(ARGV[5]) then
  return 'too large'
end
redis.call('HSET', KEYS[1], 'status', 'queued', unpack(ARGV, 6))
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
redis.call('HINCRBY', KEYS[4], 'of:' .. ARGV[2], 1)
redis.call('HINCRBY', KEYS[4], 'bytes', ARGV[3])
return 'created'
