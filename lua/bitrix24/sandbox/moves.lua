--- A portal that got another name. Under the old one it answers every request
-- of the API with a redirect (settings/how-to-call-rest-api/change-domen);
-- both names lead to this server, told apart by the Host header.

local find, gsub, match = string.find, string.gsub, string.match
local setmetatable = setmetatable

local _ENV = nil -- luacheck: ignore

local moves = {}

local Moves = { __name = "bitrix24.sandbox.moves" }
Moves.__index = Moves

--- The same server under its other name: a certificate covers both.
local function other_name(url)
  if find(url, "//127.0.0.1", 1, true) then return (gsub(url, "//127%.0%.0%.1", "//localhost")) end
  return (gsub(url, "//localhost", "//127.0.0.1"))
end

---@param portal table whose `url` and `domain` are the present ones
---@return table
function moves.new(portal)
  return setmetatable({ portal = portal, url = portal.url, gone = {} }, Moves)
end

local function settle(self, url)
  self.portal.url, self.portal.domain = url, match(url, "^%w+://([^/]+)")
end

--- Move on from the present address.
---@param status integer
---@param to string? origin of the new address
---@return string url
function Moves:go(status, to)
  local portal = self.portal
  local target = to or other_name(portal.url)
  local from = portal.domain
  settle(self, target)
  self.gone[portal.domain] = nil
  if portal.domain ~= from then self.gone[from] = { status = status, to = target } end
  return target
end

--- Back to the first address.
---@return string url
function Moves:undo()
  self.gone = {}
  settle(self, self.url)
  return self.url
end

--- The answer to a request that came to an old address, else nil.
---@param request table
---@return table? answer
function Moves:answer(request)
  local gone = self.gone[(request.headers.host or ""):lower()]
  if not gone then return nil end
  local headers = { Location = gone.to .. request.uri, ["Content-Type"] = "text/html" }
  return { status = gone.status, headers = headers, body = "" }
end

return moves
