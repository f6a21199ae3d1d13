--- A fuzz target: options of `connect`, of a call and of a list. The input is
-- a table, one field a line, its value after the first space:
--
--     connect {
--     webhook "https://portal.example.com/rest/1/CODE/
--     timeout #30
--     strict true
--     }
--     method "crm.deal.list
--     params {
--     }
--
-- `"` text to the end of the line, `#` a number, `{` a table until `}`; `nil`,
-- `true`, `false`, `null`, `function`, `object` (one that raises whatever is
-- asked of it). A name after `#` is a number. Nothing is sent.

local bitrix24 = require "bitrix24"
local check = require "fuzz.check"
local json = require "bitrix24.json"

local error, pcall, setmetatable = error, pcall, setmetatable
local tonumber, tostring, type = tonumber, tostring, type
local find, gmatch, match, sub = string.find, string.gmatch, string.match, string.sub

local _ENV = nil -- luacheck: ignore

local that = check.that

local DEPTH_MAX = 40

--- What stands for files: a path below one that is none leads nowhere.
local FILES = {
  ca_file = true, checkpoint = true, limiter = true, profile = true, record = true, replay = true,
  tokens = true,
}

local function raises() error(check.asked, 0) end

local WORDS = {
  ["true"] = true, ["false"] = false, null = json.null, ["function"] = function() end,
  object = setmetatable({}, { __index = raises, __newindex = raises, __len = raises, __call = raises }),
}

local function read_value(name, text, lines, depth)
  local first = sub(text, 1, 1)
  if first == '"' then
    text = sub(text, 2)
    return FILES[name] and "/dev/null/" .. text or text
  elseif first == "#" then
    return tonumber(sub(text, 2))
  elseif first == "{" and depth < DEPTH_MAX then
    local out = {}
    for line in lines do
      if line == "}" then break end
      local key, rest = match(line, "^(%S*) ?(.*)$")
      local number = match(key, "^#(.*)")
      local value = read_value(key, rest, lines, depth + 1)
      if number then key = tonumber(number) end
      if key ~= nil and key == key and value ~= nil then out[key] = value end
    end
    return out
  end
  return WORDS[text]
end

--- Iterators and batches check what they are given and send it later.
local function check_call(portal, input)
  local list = check.returns("config", portal.pages, portal, input.method, input.params, input.list)
  if list then that(type(list) == "function", "pages gave a %s", type(list)) end
  local recorded, why = check.returns("config", portal.batch, portal)
  that(recorded, "no batch: %s", tostring(why))
  check.returns("config", recorded.call, recorded, input.method, input.params, input.opts)
end

--- What can be the name of a method is shown as the script wrote it; what
-- cannot, without the secrets of its own portal, not of others.
local function may_show(method, secret, connect)
  if not find(method, secret, 1, true) then return false end
  if not find(method, "[^%w_.-]") then return true end
  if type(connect) == "string" then connect = { webhook = connect } end
  local webhook = type(connect.webhook) == "string" and connect.webhook or ""
  return match(webhook, "/rest/%d+/(%w+)/?$") ~= secret and connect.access_token ~= secret
end

local function check_portal(portal, input)
  local text = tostring(portal)
  that(not find(text, check.secret, 1, true), "a portal that shows a secret: %s", text)
  check_call(portal, input)
  portal:close()
  that(find(tostring(portal), "closed", 1, true), "still open: %s", tostring(portal))
  local _, fault = check.returns("config", portal.call, portal, input.method, input.params, input.opts)
  that(fault ~= nil, "called a closed portal")
end

return function(data)
  local input = read_value("", "{", gmatch(data, "([^\n]*)\n?"), 0)
  local portal = check.returns("config", bitrix24.connect, input.connect)
  if portal == nil then return end
  if type(input.method) == "string" and may_show(input.method, check.secret, input.connect) then
    input.method = nil
  end
  local ok, fault = pcall(check_portal, portal, input)
  portal:close()
  if not ok then error(fault, 0) end
end
