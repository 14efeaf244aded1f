// What the server does in one step, in its own Lua. All keys of a script carry one hash tag, so
// that a cluster keeps them together; the server's clock is the fleet's.

/**
 * KEYS: instances, born, roll. ARGV: id, mark of the secret, silence (ms) after which one is gone,
 * what others are told, a random word. The reply: the time in ms, the word that was given when the
 * data began, the number of times that somebody came or went since, then id and what it told of
 * every other instance. One of another secret is an error.
 */
export const BEAT = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
local out = {string.format('%d', now), '', ''}
local isNew = true
local goes = 0
for i = 1, #all, 2 do
  if all[i] == ARGV[1] then isNew = false
  else
    local seen, mark, told = string.match(all[i + 1], '^(%d+)|([^|]*)|(.*)$')
    if not seen or now - tonumber(seen) > tonumber(ARGV[3]) then
      redis.call('HDEL', KEYS[1], all[i])
      goes = goes + 1
    elseif mark ~= ARGV[2] then
      return redis.error_reply('OTHERSECRET ' .. all[i] .. ' has another secret')
    else
      out[#out + 1] = all[i]
      out[#out + 1] = told
    end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d', now) .. '|' .. ARGV[2] .. '|' .. ARGV[4])
redis.call('SET', KEYS[2], ARGV[5], 'NX')
out[2] = redis.call('GET', KEYS[2])
if isNew then goes = goes + 1 end
out[3] = tostring(redis.call('INCRBY', KEYS[3], goes))
return out
`;

/** KEYS: instances, roll. ARGV: id of the one that goes. */
export const LEAVE = `
if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 then redis.call('INCRBY', KEYS[2], 1) end
return 0
`;

/** Fields of one record in the arguments of {@link TELL}. */
export const TELL_FIELDS = 6;

/**
 * KEYS: records, news, and the bell that is rung when there are any. ARGV: who tells, the length
 * that the stream is kept at, then for each record its field, the generation that its teller knew,
 * when it happened, state, end, and the rest of it. The reply: each record's generation; 0 where
 * another one wins.
 *
 * Who knew the newest generation wins. Of two that did not know each other: a blacklisting over a
 * rest, the later end over the earlier, and over a clear only what happened after it.
 */
export const TELL = `
local out = {}
local isNews = false
for i = 3, #ARGV, ${TELL_FIELDS} do
  local field, base, at = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local state, ends, rest = ARGV[i + 3], tonumber(ARGV[i + 4]), ARGV[i + 5]
  local now = redis.call('HGET', KEYS[1], field)
  local gen, nowAt, nowState, nowEnds = 0, 0, 'ok', 0
  if now then
    local a, b, c, d = string.match(now, '^(%d+)|(%d+)|(%a+)|(%d+)|')
    if a then gen, nowAt, nowState, nowEnds = tonumber(a), tonumber(b), c, tonumber(d)
    else now = false end
  end
  local wins
  if not now then wins = state ~= 'ok'
  elseif base >= gen then wins = state ~= nowState or ends ~= nowEnds
  elseif state == 'ok' then wins = false
  elseif nowState == 'ok' then wins = at > nowAt
  elseif state == nowState then wins = ends > nowEnds
  else wins = state == 'dead' end
  if wins then
    gen = math.max(gen, base) + 1
    local value = string.format('%d|%d|%s|%d|', gen, at, state, ends) .. rest .. '|' .. ARGV[1]
    redis.call('HSET', KEYS[1], field, value)
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'f', field, 'v', value)
    isNews = true
    out[#out + 1] = gen
  elseif base >= gen and now then out[#out + 1] = gen
  else out[#out + 1] = 0 end
end
if isNews then redis.call('PUBLISH', KEYS[3], '') end
return out
`;

/** KEYS: records. ARGV: field and value in turn: forgotten if that is still its value. */
export const FORGET = `
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return 0
`;
