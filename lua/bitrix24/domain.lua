--- Tables per domain: `portal.crm.item.list{…}`. The Lua path is the REST
-- name, so the platform's own documentation applies. Nodes are made when they
-- are touched and kept; nothing is paid for methods that are not used.

local catalogue = require "bitrix24.catalogue"
local errors = require "bitrix24.errors"

local getmetatable, ipairs, next = getmetatable, ipairs, next
local rawset, setmetatable = rawset, setmetatable
local tostring, type = tostring, type

local _ENV = nil -- luacheck: ignore

-- Private keys: a table is never equal to a name that the platform may use.
local PATH, ROOT = {}, {}

local domain = {
  --- What a node can do besides being called; a REST method of the same name
  -- below the node's path goes first (humanresources.node.count).
  WALKS = { "each", "pages", "all", "first", "count" },
}

local list_functions = {}

---@class bitrix24.Node: table
---@field each fun(self, params: table?, opts: table?) iterator of records
---@field pages fun(self, params: table?, opts: table?) iterator of pages
---@field all fun(self, params: table?, opts: table?): table every record
---@field first fun(self, params: table?): any the first record, or nil
---@field count fun(self, params: table?): integer how many records match
local Node = { __name = "bitrix24.domain" }

local function is_node(value)
  return type(value) == "table" and getmetatable(value) == Node
end

for _, name in ipairs(domain.WALKS) do
  list_functions[name] = function(node, ...)
    if not is_node(node) then
      errors.config(("call it with a colon: METHOD:%s(params)"):format(name))
    end
    local root = node[ROOT]()
    return root[name](root, node[PATH], ...)
  end
end

function Node.__index(node, key)
  if type(key) ~= "string" then return nil end
  local path = node[PATH] .. "." .. key
  local found = list_functions[key]
  if not found or catalogue.is_method(path) or catalogue.has_prefix(path) then
    found = domain.node(node[ROOT], path)
  end
  rawset(node, key, found)
  return found
end

--- What stands before a colon, and how to write the call instead.
local RECEIVERS = {
  [Node.__name] = "write %s{ … }", ["bitrix24.portal"] = "write %s{ … }",
  ["bitrix24.module"] = "write bitrix24.%s{ … }; what a portal does is called on one: portal:%s(…)",
}

function Node.__call(node, params, opts)
  local metatable = getmetatable(params)
  local form = metatable and type(metatable) == "table" and RECEIVERS[metatable.__name]
  if form then
    local path = node[PATH]
    errors.config("call it with a dot, not a colon", (form:gsub("%%s", function() return path end)), path)
  end
  return node[ROOT]():call(node[PATH], params, opts)
end

function Node.__newindex(node, key)
  errors.config(("a domain table cannot be assigned to: %s.%s"):format(node[PATH], tostring(key)))
end

function Node.__tostring(node)
  return "bitrix24 method " .. node[PATH]
end

--- A node.
---@param root fun(): table gives the portal (or version view) the node belongs to
---@param path string REST name so far
---@return bitrix24.Node
function domain.node(root, path)
  return setmetatable({ [PATH] = path, [ROOT] = root }, Node)
end

--- A name that is ours and the platform's at once (`portal.call` is also the
-- domain call.*, `portal.batch` the method batch): a node that, called with an
-- object of ours first, is our method.
---@param root fun(): table
---@param path string
---@param is_ours fun(value: any): boolean
---@param method function
---@return bitrix24.Node
function domain.shared(root, path, is_ours, method)
  local Shared = {}
  for key, value in next, Node do Shared[key] = value end
  function Shared.__call(node, first, ...)
    if is_ours(first) then return method(first, ...) end
    if type(first) == "string" then
      errors.config(("call it with a colon: portal:%s(…)"):format(path))
    end
    return Node.__call(node, first, ...)
  end
  return setmetatable({ [PATH] = path, [ROOT] = root }, Shared)
end

return domain
