-- The same job for NGINX's Lua module, as cheap as it can be done there:
-- HMAC by FFI in NGINX's own libcrypto with one keyed context, lua-cjson for
-- JSON, Redis spoken over pooled sockets by hand, settled in batches after
-- the answer.
--
-- store: "redis", "memory" (a shared dictionary) or "none".

local ffi = require "ffi"
local bit = require "bit"
local cjson = require "cjson.safe"

ffi.cdef [[
    typedef struct evp_mac_st EVP_MAC;
    typedef struct evp_mac_ctx_st EVP_MAC_CTX;
    typedef struct {
        const char *key; unsigned type; void *data; size_t size;
        size_t returned;
    } OSSL_PARAM;
    EVP_MAC *EVP_MAC_fetch(void *lib, const char *name, const char *query);
    EVP_MAC_CTX *EVP_MAC_CTX_new(EVP_MAC *mac);
    int EVP_MAC_init(EVP_MAC_CTX *ctx, const char *key, size_t len,
        const OSSL_PARAM *params);
    int EVP_MAC_update(EVP_MAC_CTX *ctx, const char *data, size_t len);
    int EVP_MAC_final(EVP_MAC_CTX *ctx, unsigned char *out, size_t *len,
        size_t size);
    OSSL_PARAM OSSL_PARAM_construct_utf8_string(const char *key, char *text,
        size_t size);
    OSSL_PARAM OSSL_PARAM_construct_end(void);
    int CRYPTO_memcmp(const void *a, const void *b, size_t len);
]]

local C = ffi.C
local find, byte, sub = string.find, string.byte, string.sub
local abs = math.abs

local TOLERANCE, LEASE, RETENTION = 300, 30, 7 * 86400
local SETTLE_AFTER = 0.005

local DIGITS = ffi.new("unsigned char[16]", { byte("0123456789abcdef", 1, 16) })
local mac_bytes = ffi.new("unsigned char[32]")
local mac_hex = ffi.new("unsigned char[64]")
local mac_len = ffi.new("size_t[1]")

local Gateway = {}
Gateway.__index = Gateway


local function keyed_context(secret)
    local params = ffi.new("OSSL_PARAM[2]")
    local digest = ffi.new("char[7]", "SHA256")
    params[0] = C.OSSL_PARAM_construct_utf8_string("digest", digest, 0)
    params[1] = C.OSSL_PARAM_construct_end()

    local ctx = C.EVP_MAC_CTX_new(C.EVP_MAC_fetch(nil, "HMAC", nil))
    assert(C.EVP_MAC_init(ctx, secret, #secret, params) == 1)
    return ctx
end


function Gateway.new(secret_file, store, redis)
    local file = assert(io.open(secret_file, "rb"))
    local secret = file:read("*a")
    file:close()

    return setmetatable({
        mac = keyed_context(secret), store = store, redis = redis,
        pending = {}, armed = false,
    }, Gateway)
end


function Gateway:verified(timestamp, body, signature)
    local mac = self.mac
    C.EVP_MAC_init(mac, nil, 0, nil)
    C.EVP_MAC_update(mac, timestamp, #timestamp)
    C.EVP_MAC_update(mac, ".", 1)
    C.EVP_MAC_update(mac, body, #body)
    if C.EVP_MAC_final(mac, mac_bytes, mac_len, 32) ~= 1 then
        return false
    end

    for i = 0, 31 do
        local b = mac_bytes[i]
        mac_hex[2 * i] = DIGITS[bit.rshift(b, 4)]
        mac_hex[2 * i + 1] = DIGITS[bit.band(b, 15)]
    end
    return C.CRYPTO_memcmp(mac_hex, signature, 64) == 0
end


-- the allowlist

local function project(event)
    local clean = {
        id = event.id, type = event.type, createdAt = event.createdAt,
    }
    local data = event.data
    if type(data) ~= "table" then
        return clean
    end

    clean.data = {
        orderId = data.orderId, currency = data.currency,
        amount = data.amount,
    }
    local items = data.items
    if type(items) == "table" then
        local kept = {}
        for i = 1, #items do
            kept[i] = { sku = items[i].sku, qty = items[i].qty }
        end
        clean.data.items = kept
    end
    return clean
end


-- Redis over a pooled socket

local function connect(path)
    local socket = ngx.socket.tcp()
    socket:settimeout(500)
    local ok, err = socket:connect("unix:" .. path)
    if not ok then
        ngx.log(ngx.ERR, "redis: ", err)
        return nil
    end
    return socket
end


local CLAIM = "\r\n$1\r\np\r\n$2\r\nNX\r\n$3\r\nGET\r\n$2\r\nEX\r\n$2\r\n"
    .. LEASE .. "\r\n"
local DONE = "\r\n$1\r\nd\r\n$2\r\nEX\r\n$6\r\n" .. RETENTION .. "\r\n"


-- "new", "p" (pending), "d" (done), or nil

function Gateway:claim_redis(key)
    local socket = connect(self.redis)
    if not socket then
        return nil
    end

    socket:send("*7\r\n$3\r\nSET\r\n$" .. #key .. "\r\n" .. key .. CLAIM)
    local line = socket:receive()
    local state
    if line == "$-1" then
        state = "new"
    elseif line == "$1" then
        state = sub(socket:receive(3) or "", 1, 1)
    else
        ngx.log(ngx.ERR, "redis: ", line)
        return nil
    end
    socket:setkeepalive(30000, 128)
    return state
end


function Gateway:claim_memory(key)
    local events = ngx.shared.events
    if events:add(key, "p", LEASE) then
        return "new"
    end
    return events:get(key) or "p"
end


function Gateway:settle_memory(key, success)
    if success then
        ngx.shared.events:set(key, "d", RETENTION)
    else
        ngx.shared.events:delete(key)
    end
end


-- all that was answered since the timer was set, in one write

local function settle_redis(premature, self)
    local list = self.pending
    self.pending, self.armed = {}, false

    local socket = connect(self.redis)
    if not socket then
        return
    end

    local out = {}
    for i = 1, #list do
        local key, success = list[i][1], list[i][2]
        out[i] = (success and "*5\r\n$3\r\nSET\r\n$" or "*2\r\n$3\r\nDEL\r\n$")
            .. #key .. "\r\n" .. key .. (success and DONE or "\r\n")
    end
    socket:send(out)
    for _ = 1, #list do
        if not socket:receive() then
            return
        end
    end
    socket:setkeepalive(30000, 128)
end


local function answer(status)
    ngx.status = status
    ngx.header["Content-Length"] = 0
    return ngx.exit(status)
end


local function read_body()
    ngx.req.read_body()
    return ngx.req.get_body_data()
end


function Gateway:access()
    local var = ngx.var
    local timestamp, signature = var.http_x_plum_timestamp,
        var.http_x_plum_signature
    if not timestamp or not signature or #signature ~= 64
        or not find(timestamp, "^%d+$")
        or abs(ngx.time() - tonumber(timestamp)) > TOLERANCE
    then
        return answer(401)
    end

    local body = read_body()
    if not body then
        return answer(400)
    end
    if not self:verified(timestamp, body, signature) then
        return answer(401)
    end

    local event = cjson.decode(body)
    if type(event) ~= "table" or type(event.id) ~= "string" then
        return answer(400)
    end

    if self.store ~= "none" then
        local key = "plum:" .. event.id
        local state
        if self.store == "redis" then
            state = self:claim_redis(key)
        else
            state = self:claim_memory(key)
        end

        if state ~= "new" then
            return answer(state == "d" and 200 or state and 409 or 503)
        end
        ngx.ctx.key = key
    end

    ngx.req.set_body_data(cjson.encode(project(event)))
end


function Gateway:log()
    local key = ngx.ctx.key
    if not key then
        return
    end

    local success = ngx.status >= 200 and ngx.status < 300
    if self.store == "memory" then
        return self:settle_memory(key, success)
    end

    local list = self.pending
    list[#list + 1] = { key, success }
    if not self.armed then
        self.armed = ngx.timer.at(SETTLE_AFTER, settle_redis, self)
    end
end


return Gateway
