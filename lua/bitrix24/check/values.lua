--- What an expression is, as far as that can be told without running it:
-- the module, a portal, a batch, a place in a portal's domains, a constant.
-- Not knowing is the usual answer (nil), and then nothing is judged.
--
-- A value that is only probably a portal (a parameter or a global of that
-- name) is `guessed`: there, only paths that begin with a domain are judged.

local catalogue = require "bitrix24.catalogue"

local ipairs, pairs, setmetatable, type = ipairs, pairs, setmetatable, type

local _ENV = nil -- luacheck: ignore

---@class bitrix24.check.Value
---@field kind string module, portal, batch, node, own (a function of ours), walk (each, …),
---  sandboxes (their module), sandbox, table, function, text, require, protected (pcall),
---  same (assert and others that give back their first argument)
---@field root bitrix24.check.Value? of a node: where its path begins
---@field path string?
---@field version 2|3|nil
---@field name string? of an own function
---@field guessed boolean?
---@field app boolean? of a root: it is connected as an application

local values = {}

local function set(text)
  local out = {}
  for word in text:gmatch("%S+") do out[word] = true end
  return out
end

--- Names of ours, which are no domains.
values.own = {
  module = set [[_VERSION null array ordered file is_error token_file oauth state connect limiter_file use]],
  portal = set [[call each pages all first count map gather batch download close plan]],
  batch = set [[run call]],
}
values.walks = set [[each pages all first count]]

local ROOTS = { module = true, portal = true, batch = true }
local MODULES = { ["bitrix24"] = "module", ["bitrix24.sandbox"] = "sandboxes" }
local GLOBALS = {
  require = { kind = "require" }, pcall = { kind = "protected", skip = 1 },
  xpcall = { kind = "protected", skip = 2 }, assert = { kind = "same" }, setmetatable = { kind = "same" },
  portal = { kind = "portal", guessed = true }, app = { kind = "portal", guessed = true, app = true },
  bitrix24 = { kind = "module", guessed = true },
}

local Reader = {}
Reader.__index = Reader

--- Is there a method at or below a path?
local function exists(path)
  return catalogue.has_prefix(path) or catalogue.is_method(path)
end

local function same(a, b)
  if a == nil or b == nil then return a == b end
  return a.kind == b.kind and a.path == b.path and a.version == b.version and a.name == b.name
    and a.text == b.text and a.node == b.node and a.app == b.app and same(a.root, b.root)
end

--- One value for all that a variable may be; nil when they differ.
function Reader:join(expressions, unknown)
  local found
  for _, expression in ipairs(expressions) do
    if expression.tag ~= "Nil" then
      local value = self:read(expression)
      if not value then
        unknown = true
      elseif found and not same(found, value) then
        return nil
      else
        found = found and found.guessed and found or value
      end
    end
  end
  if not found or not unknown or found.guessed then return found end
  if not ROOTS[found.kind] and found.kind ~= "node" then return nil end
  local guess = {}
  for key, value in pairs(found) do guess[key] = value end
  guess.guessed = true
  return guess
end

function Reader:variable(variable)
  local value = self:join(variable.values, variable.unknown)
  if value then return value end
  if (variable.parameter or variable.behind) and variable.name == "portal" then return GLOBALS.portal end
  return nil
end

local function node_at(root, path)
  return { kind = "node", root = root, path = path, version = root.version, guessed = root.guessed }
end

local function member(base, key)
  if (base.kind == "module" or base.kind == "portal") and (key == "v2" or key == "v3") then
    return { kind = "portal", version = key == "v2" and 2 or 3, guessed = base.guessed, app = base.app }
  end
  if ROOTS[base.kind] then
    if values.own[base.kind][key] and not exists(key) then
      return { kind = "own", root = base, name = key }
    end
    return node_at(base, key)
  elseif base.kind == "node" then
    local path = base.path .. "." .. key
    if values.walks[key] and not exists(path) then return { kind = "walk", root = base, name = key } end
    return node_at(base.root, path)
  elseif base.kind == "sandboxes" or base.kind == "sandbox" then
    return { kind = "own", root = base, name = key }
  end
end

local readers = {}

function readers:Paren(node) return self:read(node[1]) end
function readers.String(_, node) return { kind = "text", text = node[1] } end
function readers.Table(_, node) return { kind = "table", node = node } end
readers["Function"] = function(_, node) return { kind = "function", node = node } end

function readers:Id(node)
  local variable = node.variable
  if variable.global and #variable.values == 0 and not variable.unknown then return GLOBALS[node[1]] end
  return self:variable(variable)
end

--- A field of a table that the script made.
function Reader:field(base, expression, key)
  local given = {}
  local variable = expression.tag == "Id" and expression.variable
  for _, value in ipairs(variable and variable.fields[key] or {}) do given[#given + 1] = value end
  if base and base.kind == "table" then
    for _, item in ipairs(base.node) do
      local named = item.tag == "Pair" and item[1].tag == "String" and item[1][1] == key
      if named then given[#given + 1] = item[2] end
    end
  end
  if #given > 0 then return self:join(given) end
  return key == "portal" and GLOBALS.portal or nil -- self.portal
end

function readers:Index(node)
  local base, key = self:read(node[1]), self:text(node[2])
  if not key then return nil end
  if base and base.kind ~= "table" then return member(base, key) end
  return self:field(base, node[1], key)
end

function readers:Op(node)
  if node[1] == "and" then return self:read(node[3]) end
  if node[1] == "or" then return self:join({ node[2], node[3] }, false) end
  if node[1] == "concat" then
    local left, right = self:text(node[2]), self:text(node[3])
    return left and right and { kind = "text", text = left .. right } or nil
  end
end

local APPLICATION = { tokens = true, client_id = true, access_token = true }

--- Is this the table of options that an application connects with?
local function is_application(options)
  for _, item in ipairs(options and options.tag == "Table" and options or {}) do
    local name = item.tag == "Pair" and item[1].tag == "String" and item[1][1]
    if name and APPLICATION[name] then return true end
  end
end

local function result_of_own(self, node, called)
  local kind, name = called.root.kind, called.name
  if kind == "module" and name == "connect" then
    return { kind = "portal", app = is_application(node[2]) }
  end
  if kind == "module" and name == "use" then return self:read(node[2]) end
  if kind == "sandboxes" and name == "start" then return { kind = "sandbox" } end
end

function readers:Call(node)
  local called = self:read(node[1])
  if not called then return nil end
  if called.kind == "require" then
    local kind = MODULES[self:text(node[2]) or ""]
    return kind and { kind = kind } or nil
  elseif called.kind == "same" then
    return node[2] and self:read(node[2])
  elseif called.kind == "own" then
    return result_of_own(self, node, called)
  elseif called.kind == "function" then
    return self:join(called.node.results)
  end
end

function readers:Invoke(node)
  local base, name = self:read(node[1]), node[2][1]
  if not base then return nil end
  if base.kind == "sandbox" and name == "connect" then
    return { kind = "portal", app = is_application(node[3]) }
  end
  if base.kind == "portal" and name == "batch" and not node[3] then
    return { kind = "batch", version = base.version, guessed = base.guessed, app = base.app }
  end
end

local WORKING = {}

--- What an expression is.
---@param node table?
---@return bitrix24.check.Value?
function Reader:read(node)
  local reader = type(node) == "table" and readers[node.tag]
  if not reader then return nil end
  local known = self.known[node]
  if known == nil then
    self.known[node] = WORKING -- x = x or …
    known = reader(self, node) or false
    self.known[node] = known
  end
  return known ~= WORKING and known or nil
end

--- The text that an expression is known to be.
---@return string?
function Reader:text(node)
  local value = node and self:read(node)
  return value and value.kind == "text" and value.text or nil
end

--- Does a name lead to a method?
values.exists = exists

--- All names of a kind of object, for hints.
---@param kind string
---@return string[]
function values.names(kind)
  local out = {}
  for name in pairs(values.own[kind] or {}) do out[#out + 1] = name end
  return out
end

--- A reader of the expressions of one tree.
function values.reader()
  return setmetatable({ known = {} }, Reader)
end

return values
