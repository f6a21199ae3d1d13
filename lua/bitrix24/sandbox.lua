--- A Bitrix24 portal on this machine, for trying and testing scripts without
-- an account: the real wire format over HTTP or HTTPS on loopback, served in
-- the background of the same process by threads with a Lua state of their own.
--
--     local sandbox = require "bitrix24.sandbox"
--     local sb <close> = sandbox.start { contacts = 1000, tls = true }
--     local portal = sb:connect()

local error, ipairs, next, pairs, require, setmetatable, type =
  error, ipairs, next, pairs, require, setmetatable, type
local concat = table.concat
local open = io.open
local package = package
local math_type = math.type
local huge = math.huge
local errors = require "bitrix24.errors"
local json = require "bitrix24.json"
local journal = require "bitrix24.sandbox.journal"
local server = require "bitrix24.sandbox.server"
local seed = require "bitrix24.sandbox.seed"

local _ENV = nil -- luacheck: ignore

local sandbox = {}

---@class bitrix24.Sandbox
---@field url string origin, "http://127.0.0.1:PORT" or "https://localhost:PORT"
---@field webhook string address of an inbound webhook of user 1
---@field ca_file string? the authority that signed the certificate, with tls
---@field oauth table domain, client_id, client_secret, access_token, refresh_token, expired_token, code, …
local Sandbox = {}
local Meta = { __name = "bitrix24.sandbox", __index = Sandbox }

-- A portal connected to a sandbox keeps it running.
local anchors = setmetatable({}, { __mode = "k" })

local CHUNK = 'return require("bitrix24.sandbox.host")(...)'

local function bad(name, expected)
  errors.config(("sandbox.start: option '%s' must be %s"):format(name, expected))
end

local function is_number(value, low)
  return math_type(value) ~= nil and value >= low and value < huge
end

local function is_count(value)
  return math_type(value) == "integer" and value >= 0
end

local LIMITS = { rate = true, burst = true, leak = true, phase = true }
local OPERATING = { limit = true, window = true, scale = true, cost = true, charge = true }

-- Option → check; a check raises.
local checks = {
  seed = function(value, name)
    if math_type(value) ~= "integer" then bad(name, "an integer") end
  end,
  latency = function(value, name)
    if not is_number(value, 0) then bad(name, "a number of seconds") end
  end,
  token_ttl = function(value, name)
    if not is_number(value, 0) then bad(name, "a number of seconds") end
  end,
  port = function(value, name)
    if not is_count(value) or value > 65535 then bad(name, "a port number") end
  end,
  tls = function(value, name)
    if type(value) ~= "boolean" then bad(name, "true or false") end
  end,
  edition = function(value, name)
    if value ~= "seeds" and value ~= "2026" then bad(name, '"seeds" or "2026"') end
  end,
  fixture = function(value, name)
    if type(value) ~= "table" and type(value) ~= "string" then
      bad(name, "a table or the path of a JSON file")
    end
  end,
  scope = function(value, name)
    if type(value) ~= "table" then bad(name, "a list of scopes") end
  end,
  limits = function(value, name)
    if value == "standard" or value == "enterprise" or value == false then return end
    if type(value) ~= "table" then bad(name, '"standard", "enterprise", {rate=, burst=} or false') end
    errors.check_options(value, LIMITS, "sandbox.start: limits")
    if not is_number(value.rate, 0) or not is_number(value.burst, 1) then
      bad(name, "a table with the numbers rate and burst")
    end
    if value.leak ~= nil and value.leak ~= "step" and value.leak ~= "even" then
      bad("limits.leak", '"step" or "even"')
    end
    if value.phase ~= nil and not is_number(value.phase, 0) then
      bad("limits.phase", "a number of seconds")
    end
  end,
  operating = function(value, name)
    if value == false then return end
    if type(value) ~= "table" then bad(name, "a table or false") end
    errors.check_options(value, OPERATING, "sandbox.start: operating")
    if value.charge ~= nil and value.charge ~= "command" and value.charge ~= "batch" then
      bad("operating.charge", '"command" or "batch"')
    end
  end,
}

local function read_fixture(path)
  local file, why = open(path, "rb")
  if not file then errors.config("sandbox.start: cannot read the fixture: " .. why) end
  local text = file:read("a")
  file:close()
  local value, problem = json.decode(text or "")
  if type(value) ~= "table" then
    errors.config(("sandbox.start: the fixture %s is not a JSON object of records: %s")
      :format(path, problem or "a bare value"))
  end
  return value
end

--- Options checked, sizes of collections apart from the rest.
local function read_options(given)
  local known, options, sizes = {}, {}, {}
  for name in pairs(checks) do known[name] = true end
  for kind in pairs(seed.sizes) do known[kind] = true end
  errors.check_options(given, known, "sandbox.start")
  for name, value in pairs(given) do
    if checks[name] then
      checks[name](value, name)
      options[name] = value
    else
      if not is_count(value) then bad(name, "a number of records") end
      sizes[name] = value
    end
  end
  if type(options.fixture) == "string" then options.fixture = read_fixture(options.fixture) end
  options.sizes = next(sizes) and sizes or nil
  return options
end

--- Ask the portal's side.
local function control(self, order)
  local running = self.server
  if not running then errors.config("the sandbox is stopped") end
  local text, where, why = json.encode(order)
  if not text then errors.config(("sandbox: cannot send %s: %s"):format(where, why)) end
  local answer, problem = running:control(text)
  answer = answer and json.decode(answer, { nulls = order.nulls }) or { problem = problem }
  if answer.problem then errors.config("sandbox: " .. answer.problem) end
  return answer.answer
end

--- Start a portal. Stops at `sb:stop()`, at the end of a `<close>` variable, or when collected.
---@param options table?
---@return bitrix24.Sandbox
function sandbox.start(options)
  if options ~= nil and type(options) ~= "table" then error("sandbox.start: options must be a table", 2) end
  local checked = read_options(options or {})
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
  if not running then errors.config("sandbox.start: " .. problem) end
  local host = checked.tls and "localhost" or "127.0.0.1"
  local domain = ("%s:%d"):format(host, running:port())
  local self = setmetatable({
    server = running,
    options = checked,
    url = (checked.tls and "https://" or "http://") .. domain,
    ca_file = running:ca_file(),
  }, Meta)
  local begun = control(self, { op = "begin", url = self.url, domain = domain })
  self.webhook = ("%s/rest/1/%s/"):format(self.url, begun.code)
  self.oauth = begun.oauth
  self.oauth.domain = domain
  self.oauth.oauth_url = self.url
  self.oauth.client_endpoint = self.url .. "/rest/"
  return self
end

--- A portal of this library connected to the sandbox, by its webhook unless
-- the options say how to authorize.
---@param options table?
---@return table portal
function Sandbox:connect(options)
  local merged = { ca_file = self.ca_file, limits = self.options.limits }
  for name, value in pairs(options or {}) do merged[name] = value end
  if not (merged.domain or merged.access_token or merged.tokens) then
    merged.webhook = merged.webhook or self.webhook
  end
  local portal = require("bitrix24").connect(merged)
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

--- The records of a kind.
---@param kind string e.g. "contacts"
---@return table[]
function Sandbox:records(kind) return control(self, { op = "records", kind = kind }) end

--- Put a record in place of what is there or, with nil, remove it.
---@param kind string
---@param id integer
---@param fields table?
function Sandbox:set(kind, id, fields)
  control(self, { op = "set", kind = kind, id = id, fields = fields })
end

local ACTIONS = {
  "reset", "cut", "html", "empty", "hang", "reset_body", "length", "gzip", "gzip_cut", "unavailable",
  "drip", "stall", "forget", "vanish",
  "flood", "flood_length", "headers", "deep", "bomb", "redirect", "redirect_new",
}
local TRANSFERS = {
  "whole", "reset", "cut", "reset_body", "length", "stall", "drip", "gzip_cut", "flood", "flood_length",
  "headers", "bomb",
}
local FORGETS = { "forget", "vanish" }
local FAULT = { method = true, nth = true, action = true, after = true, count = true }
local FAULT_ACTION = {
  status = true, body = true, headers = true, error = true, description = true,
  delay = true, retry_after = true, transfer = true, every = true, forget = true, depth = true,
}

local function check_word(value, words, name)
  for _, word in ipairs(words) do
    if value == word then return end
  end
  local nearest = errors.nearest(value, words)
  errors.config(("fault: action: '%s' must be one of %s"):format(name, concat(words, ", ")),
    nearest and ("did you mean '%s'?"):format(nearest))
end

local function check_action(action)
  errors.check_options(action, FAULT_ACTION, "fault: action")
  if action.transfer ~= nil then check_word(action.transfer, TRANSFERS, "transfer") end
  if action.forget ~= nil then check_word(action.forget, FORGETS, "forget") end
  if action.every ~= nil and not is_number(action.every, 0) then
    errors.config("fault: action: 'every' must be a number of seconds")
  end
  if action.depth ~= nil and not is_count(action.depth) then
    errors.config("fault: action: 'depth' must be a number of levels")
  end
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
  errors.check_options(spec, FAULT, "fault")
  local action = spec.action
  if type(action) == "table" then
    check_action(action)
  elseif type(action) ~= "string" then
    errors.config("fault: 'action' is missing")
  elseif errors.nearest(action, ACTIONS) and errors.nearest(action, ACTIONS) ~= action then
    errors.config(("fault: unknown action '%s'"):format(action),
      ("did you mean '%s'?"):format(errors.nearest(action, ACTIONS)))
  end
  for _, name in ipairs { "nth", "count" } do
    if spec[name] ~= nil and (not is_count(spec[name]) or spec[name] < 1) then
      errors.config(("fault: '%s' must be a positive integer"):format(name))
    end
  end
  control(self, { op = "fault", fault = spec })
end

local MOVE = { status = true, to = true }
local MOVED = { [301] = true, [302] = true, [307] = true, [308] = true }

--- Give the portal another address: from now on requests of the API that come to
-- the present one are answered with `status` (302) and the same path at `to`, and new
-- tokens name it. `to` is "https://HOST:PORT"; without it, this server's other name
-- (127.0.0.1 or localhost). sb.url and sb.webhook keep the first address, and
-- `sb:move(false)` goes back to it.
---@param spec { status: integer?, to: string? }|false|nil
---@return string url the address from now on
function Sandbox:move(spec)
  if not spec then return control(self, { op = "move" }) end
  errors.check_options(spec, MOVE, "move")
  local status, to = spec.status or 302, spec.to
  if not MOVED[status] then errors.config("move: 'status' must be 301, 302, 307 or 308") end
  if to ~= nil then
    to = type(to) == "string" and to:match("^(https?://[%w.-]+:?%d*)/?$")
    if not to then errors.config("move: 'to' must be an origin such as https://localhost:8443") end
  end
  return control(self, { op = "move", status = status, to = to })
end

--- How many bytes of broken answers ("cut" to "bomb") went out so far.
---@return integer
function Sandbox:sent()
  if not self.server then errors.config("the sandbox is stopped") end
  return self.server:sent()
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
function Sandbox:time(seconds) control(self, { op = "time", seconds = seconds }) end

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
