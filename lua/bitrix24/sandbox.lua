--- A Bitrix24 portal on this machine, for trying and testing scripts without
-- an account: the real wire format over HTTP or HTTPS on loopback, served in
-- the background of the same process by threads with a Lua state of their own.
--
--     local sandbox = require "bitrix24.sandbox"
--     local sb <close> = sandbox.start { contacts = 1000, tls = true }
--     local portal = sb:connect()
--
-- A script that connects by itself runs on it unchanged:
--
--     bitrix24.connect = function() return sb:connect() end
--     dofile "script.lua"

local error, ipairs, pairs, pcall, setmetatable, type = error, ipairs, pairs, pcall, setmetatable, type
local package = package
local bitrix24 = require "bitrix24"
local errors = require "bitrix24.errors"
local json = require "bitrix24.json"
local checks = require "bitrix24.sandbox.checks"
local journal = require "bitrix24.sandbox.journal"
local server = require "bitrix24.sandbox.server"

--- A test may put sb:connect in the place of it later.
local connect = bitrix24.connect

local _ENV = nil -- luacheck: ignore

local sandbox = {}

---@class bitrix24.Sandbox
---@field url string origin, "http://127.0.0.1:PORT" or "https://localhost:PORT"
---@field webhook string address of an inbound webhook of user 1
---@field ca_file string? the authority that signed the certificate, with tls
---@field oauth table domain, client_id, client_secret and oauth_url as connect takes them; access_token,
---  refresh_token, expires, client_endpoint, member_id as a store keeps them; code, expired_token
local Sandbox = {}
local Meta = { __name = "bitrix24.sandbox", __index = Sandbox }

-- A portal connected to a sandbox keeps it running.
local anchors = setmetatable({}, { __mode = "k" })

local CHUNK = 'return require("bitrix24.sandbox.host")(...)'

local function running_server(self)
  if not self.server then errors.config("the sandbox is stopped") end
  return self.server
end

--- Ask the portal's side.
local function control(self, order)
  local running = running_server(self)
  local text, where, why = json.encode(order)
  if not text then errors.config(("sandbox: cannot send %s: %s"):format(where, why)) end
  local answer, problem = running:control(text)
  answer = answer and json.decode(answer, { nulls = order.nulls }) or { refused = { text = problem } }
  local refused = answer.refused
  if refused then
    local nearest = refused.kinds and errors.nearest(refused.kind, refused.kinds)
    errors.config("sandbox: " .. refused.text, nearest and ("did you mean '%s'?"):format(nearest))
  end
  return answer.answer
end

--- Start a portal. Stops at `sb:stop()`, at the end of a `<close>` variable, or when collected.
--
-- Options: how many records of a kind there are (contacts = 300, chats = 40, users = 60, … all are below),
-- `seed`; `fixture`, the records themselves, { contacts = { { ID = 5, NAME = "Ada" }, … }, … } or a JSON
-- file of that (kinds and fields are those of sb:records, and LAST_NAME may be written lastName; kinds that
-- it leaves out are made); `limits` as connect takes them, `latency` and `token_ttl` in seconds, `tls`,
-- `port`; `operating` (working time), `scope`.
---@param given table?
---@return bitrix24.Sandbox
function sandbox.start(given)
  if given ~= nil and type(given) ~= "table" then error("sandbox.start: options must be a table", 2) end
  local checked = checks.options(given or {})
  local text, where, why = json.encode(checked)
  if not text then errors.config(("sandbox.start: %s: %s"):format(where, why)) end
  local running, problem = server.start {
    path = package.path,
    cpath = package.cpath,
    chunk = CHUNK,
    options = text,
    port = checked.port or 0,
    tls = checked.tls or false,
  }
  if not running then
    if problem == "cannot listen on the port" then problem = ("%s %d"):format(problem, checked.port or 0) end
    errors.config("sandbox.start: " .. problem)
  end
  local host = checked.tls and "localhost" or "127.0.0.1"
  local domain = ("%s:%d"):format(host, running:port())
  local self = setmetatable({
    server = running,
    options = checked,
    url = (checked.tls and "https://" or "http://") .. domain,
    ca_file = running:ca_file(),
  }, Meta)
  local begun, fault = pcall(control, self, { op = "begin", url = self.url, domain = domain })
  if not begun then
    self:stop()
    errors.throw(fault)
  end
  self.webhook = ("%s/rest/1/%s/"):format(self.url, fault.code)
  self.oauth = fault.oauth
  -- A host alone means https, to `connect` too.
  self.oauth.domain = checked.tls and domain or self.url
  self.oauth.oauth_url = self.url
  self.oauth.client_endpoint = self.url .. "/rest/"
  return self
end

local APPLICATION = { "client_id", "client_secret", "oauth_url" }

--- A portal of this library connected to the sandbox, by its webhook unless
-- the options say how to authorize; of sb.oauth what they leave out.
---@param given table?
---@return table portal
function Sandbox:connect(given)
  running_server(self)
  local limits = self.options.limits
  if type(limits) == "table" then limits = { rate = limits.rate, burst = limits.burst } end
  local merged = { ca_file = self.ca_file, limits = limits }
  for name, value in pairs(given or {}) do merged[name] = value end
  if merged.domain or merged.access_token or merged.tokens then
    merged.domain = merged.domain or self.oauth.domain
    for _, name in ipairs(merged.tokens and APPLICATION or {}) do
      merged[name] = merged[name] or self.oauth[name]
    end
  else
    merged.webhook = merged.webhook or self.webhook
  end
  local portal = connect(merged)
  anchors[portal] = self
  return portal
end

--- What arrived since the start or the last reset, without secrets: a list of
-- { method=, version=, params=, status=, http_method=, path=, headers=, body=,
-- commands=, at=, fault= }.
---@return table[]
function Sandbox:requests()
  local list = control(self, { op = "requests", nulls = "keep" })
  for _, entry in ipairs(list) do journal.restore(entry) end
  return list
end

--- The records of a kind: as the sandbox keeps them, not as a method shows them.
---@param kind string e.g. "contacts"
---@return table[]
function Sandbox:records(kind) return control(self, { op = "records", kind = kind }) end

--- Put a record in place of what is there or, with nil, remove it.
---@param kind string
---@param id integer
---@param fields table?
function Sandbox:set(kind, id, fields)
  checks.set(id, fields)
  control(self, { op = "set", kind = kind, id = id, fields = fields })
end

--- Let a request fail. `action` is a name, an error code of the platform, or
-- { status=, body=, headers=, error=, description=, delay=, retry_after=, depth=,
-- transfer=, every=, forget= }; `nth` matching request from now (1), `count` in a row
-- (1; for the redirects without end), `after = true` runs the method first.
--
-- Names. No answer: "reset", "hang". Instead of the method's answer: "html" (502),
-- "unavailable" (503), "empty", "gzip" (bytes that are none), "redirect" (302 to
-- itself), "redirect_new" (to a new path each time), "deep" (JSON nested 10,000), and
-- without end "flood", "flood_length" (announced as 10 GiB), "headers", "bomb"
-- (compressed). The method's answer, badly sent: "cut", "reset_body", "stall" (half
-- of it, then the connection is closed, reset, or nothing comes), "gzip_cut", "length"
-- (longer than announced), "drip" (a byte each 50 ms, or `every` seconds, for ever).
-- The method's answer, and no more on its connection: "forget" (the next request
-- is met by a reset, and is not looked at), "vanish" (by silence).
---@param spec { method: string?, nth: integer?, action: any, after: boolean?, count: integer? }
function Sandbox:fault(spec)
  checks.fault(spec)
  control(self, { op = "fault", fault = spec })
end

--- Give the portal another address: from now on requests of the API that come to
-- the present one are answered with `status` (302) and the same path at `to`, and new
-- tokens name it. `to` is "https://HOST:PORT"; without it, this server's other name
-- (127.0.0.1 or localhost). sb.url and sb.webhook keep the first address, and
-- `sb:move(false)` goes back to it.
---@param spec { status: integer?, to: string? }|false|nil
---@return string url the address from now on
function Sandbox:move(spec)
  if not spec then return control(self, { op = "move" }) end
  local status, to = checks.move(spec)
  return control(self, { op = "move", status = status, to = to })
end

--- How many bytes of broken answers ("cut" to "bomb") went out so far.
---@return integer
function Sandbox:sent()
  return running_server(self):sent()
end

---@class bitrix24.SandboxPort
---@field port integer
---@field url string "http://127.0.0.1:PORT"
---@field webhook string an address there that looks like a webhook's
local Port = {}
Port.__name = "bitrix24.sandbox.port"
Port.__index = Port

--- Give the port back. May be called again.
function Port:close() self.socket:close() end

Port.__close = Port.close
Port.__gc = Port.close

local function port_at(socket, problem)
  if not socket then errors.config("sandbox: cannot take a port: " .. problem) end
  local port = socket:port()
  local url = ("http://127.0.0.1:%d"):format(port)
  return setmetatable({ socket = socket, port = port, url = url, webhook = url .. "/rest/1/nobody/" }, Port)
end

--- A port of 127.0.0.1 that refuses connections, and that nobody else gets
-- until it is closed.
---@return bitrix24.SandboxPort
function sandbox.closed_port() return port_at(server.closed_port()) end

--- A port of 127.0.0.1 where connecting gets no answer at all.
---@return bitrix24.SandboxPort
function sandbox.blackhole() return port_at(server.blackhole()) end

--- Records, requests, faults, limits, tokens and address back to the start.
function Sandbox:reset() control(self, { op = "reset" }) end

--- Let the portal's clock run ahead: limits fall, tokens expire.
---@param seconds number
function Sandbox:time(seconds)
  checks.time(seconds)
  control(self, { op = "time", seconds = seconds })
end

--- Errors of the sandbox itself, with tracebacks; empty when all is well.
---@return string[]
function Sandbox:errors() return control(self, { op = "errors" }) end

--- Close every connection and release everything. May be called again.
function Sandbox:stop()
  local running = self.server
  self.server = nil
  if running then running:stop() end
end

Meta.__close = Sandbox.stop
Meta.__gc = Sandbox.stop

function Meta:__tostring()
  return ("bitrix24.sandbox (%s)"):format(self.server and self.url or "stopped")
end

return sandbox
