--- What arrived, in order and without secrets.

local gsub, sub = string.gsub, string.sub
local utf8_char, utf8_codepoint, utf8_len = utf8.char, utf8.codepoint, utf8.len
local char = string.char
local pairs, setmetatable, type = pairs, setmetatable, type

local _ENV = nil -- luacheck: ignore

local journal = {}

local Journal = { __name = "bitrix24.sandbox.journal" }
Journal.__index = Journal

local BODY_KEPT = 1024 * 1024
local MASK = "***"

---@param portal table
---@return table
function journal.new(portal)
  return setmetatable({ portal = portal, list = {} }, Journal)
end

--- The bytes of a carried body.
---@param entry table
function journal.restore(entry)
  if entry.body_is_bytes then
    entry.body = gsub(entry.body, "[\194-\195][\128-\191]", function(c) return char(utf8_codepoint(c)) end)
    entry.body_is_bytes = nil
  end
end

--- All secrets of the portal, ready to be searched for.
local function secret_set(portal)
  local set = { [portal.code] = true }
  portal.tokens:each_secret(function(secret) set[secret] = true end)
  return set
end

-- Every secret is a run of letters and digits, so runs are looked up whole.
local function mask(text, secrets)
  return (gsub(text, "%w+", function(run) return secrets[run] and MASK or nil end))
end

-- What is sent as a credential and is none of this portal's is somebody else's.
local CREDENTIALS = {
  auth = true, access_token = true, refresh_token = true, client_secret = true, code = true,
}

local function mask_query(uri)
  uri = gsub(gsub(uri, "^(/rest/%d+/)[^/?]+/", "%1***/"), "^(/rest/api/%d+/)[^/?]+/", "%1***/")
  return (gsub(uri, "([?&]([%w_]+)=)[^&]*", function(before, name)
    return CREDENTIALS[name] and before .. MASK or nil
  end))
end

local function latin(text)
  return (gsub(text, "[\128-\255]", function(c) return utf8_char(c:byte()) end))
end

--- Bytes as text that JSON can carry; journal.restore is the way back. A body may
-- be anything, so one that is not UTF-8 travels with each byte as a character.
local function carry(bytes)
  if utf8_len(bytes) then return bytes end
  return latin(bytes), true
end

local function mask_value(value, secrets)
  if type(value) == "string" then return (carry(mask(value, secrets))) end
  if type(value) ~= "table" then return value end
  local copy
  for key, item in pairs(value) do
    local masked, name = mask_value(item, secrets), key
    if type(key) == "string" then name = (carry(key)) end
    if masked ~= item or name ~= key then
      if not copy then
        copy = {}
        for k, v in pairs(value) do copy[k] = v end
      end
      copy[key] = nil
      copy[name] = masked
    end
  end
  return copy or value
end

--- Note a request; its status is filled in when it is answered.
---@param request table { http_method=, uri=, headers=, body= }
---@param at number
---@return table entry
function Journal:add(request, at)
  local secrets = secret_set(self.portal)
  local headers = {}
  for name, value in pairs(request.headers) do headers[name] = (carry(mask(value, secrets))) end
  local entry = {
    http_method = request.http_method,
    path = (carry(mask(mask_query(request.uri), secrets))),
    headers = headers,
    at = at,
  }
  entry.body, entry.body_is_bytes = carry(mask(sub(request.body, 1, BODY_KEPT), secrets))
  self.list[#self.list + 1] = entry
  return entry
end

--- Add what became known of a request when it was read.
---@param entry table
---@param method string
---@param version integer
---@param params table
function Journal:describe(entry, method, version, params)
  entry.method = (carry(method))
  entry.version = version
  if method == "oauth.token" then
    local shown = {}
    for name, value in pairs(params) do shown[name] = CREDENTIALS[name] and MASK or value end
    params = shown
  end
  entry.params = mask_value(params, secret_set(self.portal))
end

--- Note a command of a batch.
function Journal:command(entry, key, method, params)
  entry.commands = entry.commands or {}
  entry.commands[#entry.commands + 1] = {
    key = key,
    method = (carry(method)),
    params = mask_value(params, secret_set(self.portal)),
  }
end

return journal
