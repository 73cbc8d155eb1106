/*
 * The scripts of the queue; see plum_queue.h for keys, arguments and replies.
 *
 * Each script does all its checks before its first write, so that one that
 * fails has changed nothing.  Redis runs out of memory only at the first
 * write of a script, never in the middle of one.  So what empties the queue
 * begins with a write that needs no memory (ZREM, XACK, XCLAIM, XREADGROUP):
 * else a Redis that is full would stay full.
 */

#include <plum_queue.h>


#define PLUM_QUEUE_NOW                                                        \
    "local t = redis.call('TIME')\n"                                          \
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

/* whether the entry is still held with the count in ARGV[at + 1] */

#define PLUM_QUEUE_HELD(at)                                                   \
    "local id = ARGV[" #at "]\n"                                              \
    "local p = redis.pcall('XPENDING', KEYS[1], 'plum', id, id, 1)\n"         \
    "if p.err or not p[1] or p[1][4] ~= tonumber(ARGV[" #at " + 1]) then\n"   \
    "    return 0\n"                                                          \
    "end\n"

/* the entry leaves the queue */

#define PLUM_QUEUE_REMOVE                                                     \
    "local function remove(id)\n"                                             \
    "    local held = redis.call('XACK', KEYS[1], 'plum', id)\n"              \
    "    redis.call('XDEL', KEYS[1], id)\n"                                   \
    "    redis.call('ZREM', KEYS[2], id)\n"                                   \
    "    redis.call('ZREM', KEYS[3], id)\n"                                   \
    "    redis.call('HDEL', KEYS[4], 'l:' .. id, 'f:' .. id)\n"               \
    "    return held\n"                                                       \
    "end\n"

#define PLUM_QUEUE_FIELDS                                                     \
    "local function fields(list)\n"                                           \
    "    local f = {k = '', e = '', t = '0', b = ''}\n"                       \
    "    for i = 1, #list, 2 do f[list[i]] = list[i + 1] end\n"               \
    "    return f\n"                                                          \
    "end\n"

#define PLUM_QUEUE_BURY                                                       \
    "local function bury(id, list, attempts, status, reason)\n"               \
    "    local f = fields(list)\n"                                            \
    "    remove(id)\n"                                                        \
    "    redis.call('XADD', KEYS[5], '*', 'i', id, 'a', attempts,\n"          \
    "        's', status, 'r', reason, 'k', f.k, 'e', f.e, 't', f.t,\n"       \
    "        'b', f.b)\n"                                                     \
    "end\n"


static const plum_script_t  plum_queue_accept = PLUM_SCRIPT(
    "57bd13f1fad2ad7b25c4570ec78b63f25614d2ad",
    "if redis.call('EXISTS', KEYS[1]) == 1 then\n"
    "    local left = redis.call('PTTL', KEYS[1])\n"
    "    if ARGV[4] == '1' and left > 0 then\n"
    "        redis.call('PEXPIRE', KEYS[1], left)\n"
    "    end\n"
    "    return {1}\n"
    "end\n"
    "local n = tonumber(ARGV[5])\n"
    "local reply, fresh = {0}, {}\n"
    "for i = 1, n do\n"
    "    local stream, kind = KEYS[3 * i - 1], ARGV[3 + 3 * i]\n"
    "    reply[i + 1] = redis.call('XLEN', stream)\n"
    "    if kind ~= 'p' then\n"
    "        local groups = redis.pcall('XINFO', 'GROUPS', stream)\n"
    "        local found = false\n"
    "        for j = 1, groups.err and 0 or #groups do\n"
    "            found = found or groups[j][2] == 'plum'\n"
    "        end\n"
    "        if not found then fresh[#fresh + 1] = stream end\n"
    "        reply[i + 1] = reply[i + 1]\n"
    "            + redis.call('XLEN', KEYS[3 * i])\n"
    "        if reply[i + 1] >= tonumber(ARGV[4 + 3 * i]) then\n"
    "            if kind == 'r' then return {2, i} end\n"
    "            reply[i + 1] = -1\n"
    "        end\n"
    "    end\n"
    "end\n"
    "for i = 1, #fresh do\n"
    "    redis.call('XGROUP', 'CREATE', fresh[i], 'plum', '0', 'MKSTREAM')\n"
    "end\n"
    PLUM_QUEUE_NOW
    "for i = 1, n do\n"
    "    if reply[i + 1] >= 0 then\n"
    "        redis.call('XADD', KEYS[3 * i - 1], '*', 'k', ARGV[2],\n"
    "            'e', ARGV[3], 't', string.format('%.0f', now),\n"
    "            'b', ARGV[5 + 3 * n + ARGV[5 + 3 * i]])\n"
    "        reply[i + 1] = reply[i + 1] + 1\n"
    "    else\n"
    "        redis.call('HINCRBY', KEYS[3 * i + 1], 'dropped', 1)\n"
    "    end\n"
    "end\n"
    "redis.call('SET', KEYS[1], 'd', 'PX', ARGV[1])\n"
    "return reply\n");


static const plum_script_t  plum_queue_take = PLUM_SCRIPT(
    "addaeb00c27fa9990f043acaaf5cc41688e9c3b7",
    PLUM_QUEUE_NOW
    "local pause = redis.call('HMGET', KEYS[4], 'paused', 'until')\n"
    "if pause[1] then\n"
    "    local till = tonumber(pause[2]) or 0\n"
    "    if till == 0 then return {1, -1, pause[1]} end\n"
    "    if till > now then return {1, till - now, pause[1]} end\n"
    "    redis.call('HDEL', KEYS[4], 'paused', 'until')\n"
    "end\n"
    PLUM_QUEUE_FIELDS
    PLUM_QUEUE_REMOVE
    PLUM_QUEUE_BURY
    "local want, bytes = tonumber(ARGV[2]), tonumber(ARGV[3])\n"
    "local reply = {0, -1}\n"
    "local function full() return #reply - 2 >= want or bytes <= 0 end\n"
    "local function give(id, list, count)\n"
    "    local f = fields(list)\n"
    "    local free = redis.call('HGET', KEYS[4], 'f:' .. id)\n"
    "    redis.call('ZADD', KEYS[2], now + ARGV[1], id)\n"
    "    redis.call('ZREM', KEYS[3], id)\n"
    "    bytes = bytes - #f.b\n"
    "    reply[#reply + 1] = {id, count, count - (free or 0),\n"
    "        now - (tonumber(f.t) or now), f.k, f.e, f.b}\n"
    "end\n"
    "local function claim(id, lapsed)\n"
    "    local e = redis.call('XCLAIM', KEYS[1], 'plum', 'plum', 0, id)[1]\n"
    "    if not e then\n"
    "        redis.call('ZREM', KEYS[2], id)\n"
    "        redis.call('ZREM', KEYS[3], id)\n"
    "        return\n"
    "    end\n"
    "    local p = redis.call('XPENDING', KEYS[1], 'plum', id, id, 1)[1]\n"
    "    local deaths = lapsed and\n"
    "        redis.call('HINCRBY', KEYS[4], 'l:' .. id, 1) or 0\n"
    "    if deaths >= 3 then\n"
    "        return bury(id, e[2], p[4] - 1, 0, 'poison')\n"
    "    end\n"
    "    give(id, e[2], p[4])\n"
    "end\n"
    "local group = redis.pcall('XPENDING', KEYS[1], 'plum')\n"
    "if group.err then\n"
    "    redis.call('XGROUP', 'CREATE', KEYS[1], 'plum', '0', 'MKSTREAM')\n"
    "end\n"
    "for set = 2, 3 do\n"
    "    local ids = redis.call('ZRANGEBYSCORE', KEYS[set], '-inf', now,\n"
    "        'LIMIT', 0, want)\n"
    "    for i = 1, #ids do\n"
    "        if full() then break end\n"
    "        claim(ids[i], set == 2)\n"
    "    end\n"
    "end\n"
    "while not full() do\n"
    "    local r = redis.call('XREADGROUP', 'GROUP', 'plum', 'plum', 'COUNT',\n"
    "        math.min(4, want + 2 - #reply), 'STREAMS', KEYS[1], '>')\n"
    "    if not r then break end\n"
    "    local list = r[1][2]\n"
    "    for i = 1, #list do give(list[i][1], list[i][2], 1) end\n"
    "end\n"
    "for set = 2, 3 do\n"
    "    local z = redis.call('ZRANGE', KEYS[set], 0, 0, 'WITHSCORES')\n"
    "    if z[2] then\n"
    "        local left = math.max(z[2] - now, 0)\n"
    "        if reply[2] < 0 or left < reply[2] then reply[2] = left end\n"
    "    end\n"
    "end\n"
    "return reply\n");


static const plum_script_t  plum_queue_renew = PLUM_SCRIPT(
    "4f32210524fcc1d238d9e4e482141a107270fb60",
    PLUM_QUEUE_NOW
    PLUM_QUEUE_HELD(2)
    "redis.call('ZREM', KEYS[3], id)\n"
    "redis.call('ZADD', KEYS[2], now + ARGV[1], id)\n"
    "return 1\n");


static const plum_script_t  plum_queue_done = PLUM_SCRIPT(
    "06457df11fbd2268d862d3941fbbca0e8f8d0234",
    PLUM_QUEUE_REMOVE
    "return remove(ARGV[1])\n");


static const plum_script_t  plum_queue_again = PLUM_SCRIPT(
    "c36e1b15dd42d00ed595a62d1d6d6f721601ef00",
    PLUM_QUEUE_NOW
    PLUM_QUEUE_HELD(1)
    "local leased = redis.call('ZREM', KEYS[2], id)\n"
    "redis.call('ZADD', KEYS[3], now + ARGV[3], id)\n"
    "redis.call('HDEL', KEYS[4], 'l:' .. id)\n"
    "if ARGV[4] == '1' and leased == 1 then\n"
    "    redis.call('HINCRBY', KEYS[4], 'f:' .. id, 1)\n"
    "end\n"
    "local pause = tonumber(ARGV[5])\n"
    "if pause ~= 0 then\n"
    "    local old = redis.call('HMGET', KEYS[4], 'paused', 'until')\n"
    "    local till = pause < 0 and 0 or now + pause\n"
    "    local ends = tonumber(old[2] or '') or 0\n"
    "    if not old[1] or ends ~= 0 and (till == 0 or till > ends) then\n"
    "        redis.call('HSET', KEYS[4], 'paused', ARGV[6],\n"
    "            'until', string.format('%.0f', till))\n"
    "    end\n"
    "end\n"
    "return 1\n");


static const plum_script_t  plum_queue_dead = PLUM_SCRIPT(
    "40647d5686830b4f38b279195922f147d65745e4",
    PLUM_QUEUE_FIELDS
    PLUM_QUEUE_REMOVE
    PLUM_QUEUE_BURY
    PLUM_QUEUE_HELD(1)
    "local e = redis.call('XRANGE', KEYS[1], id, id)[1]\n"
    "if e then\n"
    "    bury(id, e[2], ARGV[3], ARGV[4], ARGV[5])\n"
    "else\n"
    "    remove(id)\n"
    "end\n"
    "return 1\n");


static const plum_script_t  plum_queue_sweep = PLUM_SCRIPT(
    "5f08171c82dc2a9409740002d94f1b470a9984d9",
    PLUM_QUEUE_NOW
    "local from = ARGV[2] == '-' and '-' or '(' .. ARGV[2]\n"
    "local p = redis.pcall('XPENDING', KEYS[1], 'plum', from, '+', 1000)\n"
    "if p.err then return {'-', 0} end\n"
    "local found = 0\n"
    "for i = 1, #p do\n"
    "    local id = p[i][1]\n"
    "    if not redis.call('ZSCORE', KEYS[2], id)\n"
    "        and not redis.call('ZSCORE', KEYS[3], id)\n"
    "    then\n"
    "        redis.call('ZREM', KEYS[3], id)\n"
    "        redis.call('ZADD', KEYS[2], now + ARGV[1], id)\n"
    "        found = found + 1\n"
    "    end\n"
    "end\n"
    "return {#p == 1000 and p[1000][1] or '-', found}\n");


static const plum_script_t  plum_queue_trim = PLUM_SCRIPT(
    "f39fbd8083dd2a2026f8a2f8239b04f033112285",
    PLUM_QUEUE_NOW
    "local ms, seq = now - ARGV[1], 0\n"
    "local function keep(id, after)\n"
    "    local m, s = string.match(id, '^(%d+)-(%d+)$')\n"
    "    m, s = tonumber(m), tonumber(s) + after\n"
    "    if m < ms or m == ms and s < seq then ms, seq = m, s end\n"
    "end\n"
    "local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])\n"
    "if groups.err then return 0 end\n"
    "for a = 2, #ARGV do\n"
    "    local found = false\n"
    "    for i = 1, #groups do\n"
    "        local g = {}\n"
    "        for j = 1, #groups[i], 2 do\n"
    "            g[groups[i][j]] = groups[i][j + 1]\n"
    "        end\n"
    "        if g.name == ARGV[a] then\n"
    "            found = true\n"
    "            keep(g['last-delivered-id'], 1)\n"
    "            local p = redis.call('XPENDING', KEYS[1], ARGV[a])\n"
    "            if p[1] > 0 then keep(p[2], 0) end\n"
    "        end\n"
    "    end\n"
    "    if not found then return 0 end\n"
    "end\n"
    "if ms <= 0 then return 0 end\n"
    "local first = string.format('%.0f-%.0f', ms, seq)\n"
    "local n = redis.call('XTRIM', KEYS[1], 'MINID', '~', first,\n"
    "    'LIMIT', 10000)\n"
    "if n > 0 then return n end\n"
    "return redis.call('XTRIM', KEYS[1], 'MINID', first)\n");


/* only commands that the other scripts use, so that no ACL need change */

static const plum_script_t  plum_queue_watch = PLUM_SCRIPT(
    "914af4ca64e9faacaf17504135d73add425fbfb0",
    PLUM_QUEUE_NOW
    "local held = #redis.call('ZRANGE', KEYS[2], 0, -1)\n"
    "local n = redis.call('XLEN', KEYS[1])\n"
    "local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]\n"
    "local age = 0\n"
    "if first then\n"
    "    age = math.max(0, now - string.match(first[1], '^%d+'))\n"
    "end\n"
    "local pause = redis.call('HMGET', KEYS[3], 'paused', 'until')\n"
    "local till = tonumber(pause[2] or 0) or 0\n"
    "local paused = pause[1] and (till == 0 or till > now)\n"
    "return {math.max(0, n - held), held, redis.call('XLEN', KEYS[4]), age,\n"
    "    paused and 1 or 0}\n");


/* t/unit/test_queue.c compares each SHA-1 with its text */

static const plum_script_t *const  plum_queue_scripts[PLUM_QUEUE_OPS] = {
    &plum_queue_accept,
    &plum_queue_take,
    &plum_queue_renew,
    &plum_queue_done,
    &plum_queue_again,
    &plum_queue_dead,
    &plum_queue_sweep,
    &plum_queue_trim,
    &plum_queue_watch
};


const plum_script_t *
plum_queue_script(plum_queue_op_t op)
{
    return plum_queue_scripts[op];
}
