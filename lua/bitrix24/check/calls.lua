--- Judging the calls of a script: walks its tree, and looks each call and each
-- path up in the catalogue.

local catalogue = require "bitrix24.catalogue"
local errors = require "bitrix24.errors"
local hints = require "bitrix24.hints"
local parameters = require "bitrix24.parameters"
local values = require "bitrix24.check.values"

local concat, sort = table.concat, table.sort
local ipairs, next, pairs, setmetatable = ipairs, next, pairs, setmetatable
local tonumber, type = tonumber, type

local _ENV = nil -- luacheck: ignore

local Judge = {}
Judge.__index = Judge

--- Stands for a value that only running would tell; is not looked into.
local UNKNOWN = setmetatable({}, {})
--- Of an object some of whose keys only running would tell.
local Open = {}

-- ---- literals ----------------------------------------------------------------

--- Is this expression several values, where it stands last?
local function is_open(node)
  return node.tag == "Call" or node.tag == "Invoke" or node.tag == "Dots"
end

--- The table that a local variable is from its declaration on: nothing else is
-- assigned to it, and nobody who gets it could put something into it.
function Judge:held(node)
  local variable = node.tag == "Id" and node.variable
  local value = variable and not variable.global and not variable.parameter and variable.values[1]
  if not value or value.tag ~= "Table" or variable.values[2] or variable.unknown or next(variable.fields) then
    return nil
  end
  if variable.mentions == 1 then return value end
  if variable.mentions ~= #variable.given then return nil end
  for _, call in ipairs(variable.given) do
    local called = self.reader:read(call[1])
    local kind = called and called.kind
    if kind ~= "node" and kind ~= "portal" and kind ~= "batch" then return nil end
  end
  return value
end

function Judge:literal(node)
  node = self:held(node) or node
  local tag = node.tag
  if tag == "Table" then return self:literal_table(node) end
  if tag == "Nil" then return nil end
  if tag == "True" then return true end
  if tag == "False" then return false end
  if tag == "Number" then return tonumber(node[1]) or UNKNOWN end
  if tag == "Op" and node[1] == "unm" and node[2].tag == "Number" then
    local number = tonumber(node[2][1])
    return number and -number or UNKNOWN
  end
  return self.reader:text(node) or UNKNOWN
end

--- The table that a constructor makes; where its keys are; are there others?
function Judge:literal_table(node)
  local out, places, open, count = {}, {}, false, 0
  for i, item in ipairs(node) do
    local key, value
    if item.tag == "Pair" then
      key, value = self:literal(item[1]), item[2]
      if type(key) ~= "string" and type(key) ~= "number" or key ~= key then key, open = nil, true end
    else
      count = count + 1
      key, value = count, item
      open = open or i == #node and is_open(item)
    end
    if key ~= nil then
      out[key] = self:literal(value)
      places[key] = { key = item.tag == "Pair" and item[1] or item, value = value }
    end
  end
  self.places[out] = places
  if open then
    self.open[out] = true
    setmetatable(out, Open)
  end
  return out, open
end

-- ---- methods -----------------------------------------------------------------

function Judge:tell(node, severity, code, message, hint)
  local finding = {
    file = self.file, line = node.line or 1, column = self.column_of(node), severity = severity, code = code,
    message = message, hint = hint,
  }
  local key = concat({ finding.line, finding.column, code, message }, "\0")
  if self.told[key] then return end
  self.told[key] = true
  self.findings[#self.findings + 1] = finding
end

--- The part of a chain of indexes where its path leaves the catalogue.
local function place_of(node, path)
  local chain = {}
  while node.tag == "Index" do
    chain[#chain + 1] = node[2]
    node = node[1]
  end
  local words = {}
  for word in path:gmatch("[^.]+") do words[#words + 1] = word end
  for i = 1, #words do
    if not values.exists(concat(words, ".", 1, i)) then
      return chain[#words - i + 1] or chain[#chain]
    end
  end
  return chain[1]
end

function Judge:unknown_method(node, path, version)
  local message, hint = ("unknown method: %s"):format(path), hints.unknown_method(path, version)
  if catalogue.find(path) then
    message = ("%s is not a method of REST %s"):format(path, version == 3 and "3.0" or "2")
  elseif catalogue.has_prefix(path) then
    message = ("%s is not a method, there are methods below it"):format(path)
  end
  self:tell(node, "error", "unknown-method", message, hint)
end

--- A user's data come with any of three scopes, some fields more or fewer
-- (api-reference/scopes/permissions); elsewhere a page's scopes add up.
local ANY_USER = "user|user_basic|user_brief"

function Judge:needs(row)
  if row.app_context then self.application = true end
  if concat(row.scope, " "):find("user_brief", 1, true) then
    self.scopes[ANY_USER] = true
  else
    for _, scope in ipairs(row.scope) do self.scopes[scope] = true end
  end
end

function Judge:judge_row(node, row, root)
  self:needs(row)
  if row.deprecated then
    self:tell(node, "warning", "deprecated", ("%s is deprecated"):format(row.name),
      row.replacement and ("use %s"):format(row.replacement) or nil)
  end
  if row.app_context and not root.app then
    self:tell(node, "warning", "application",
      ("%s needs an application: a webhook is refused"):format(row.name))
  end
end

function Judge:judge_params(node, row, params)
  local given, open = {}, false
  params = params and (self:held(params) or params)
  if params and params.tag ~= "Nil" then
    if params.tag ~= "Table" then return end
    given, open = self:literal_table(params)
    setmetatable(given, nil)
  end
  local missing = not open and hints.missing(row, given)
  if missing then
    self:tell(params or node, "error", "missing-parameter", ("%s: %s"):format(row.name, missing))
  end
  for _, problem in ipairs(parameters.problems(row, given)) do
    local place = self.places[problem.holder][problem.key]
    self:tell(problem.code == "value" and place.value or place.key,
      problem.certain and "error" or "warning",
      problem.code == "value" and "wrong-value" or "unknown-parameter",
      ("%s: %s"):format(row.name, problem.message), problem.hint)
  end
end

--- A call of a method: where its name is written, what it is given.
---@param node table where the name is
---@param path string
---@param root bitrix24.check.Value what it is called through
---@param params table? expression of the parameters, nil when there are none
function Judge:judge_method(node, path, root, params)
  local row = catalogue.find(path, root.version)
  if not row then return self:unknown_method(node, path, root.version) end
  self:judge_row(node, row, root)
  self:judge_params(node, row, params)
end

--- Is a path worth judging: is it surely one of a portal's?
local function is_judged(value)
  return not value.guessed or values.exists(value.path:match("^[^.]+"))
end

--- The last name of a chain, which is the method's.
local function name_node(node)
  return node.tag == "Index" and node[2] or node
end

function Judge:judge_node_call(node, value, params)
  if not is_judged(value) then return end
  local known = catalogue.find(value.path, value.version)
  local where = name_node(node)
  if not known and not values.exists(value.path) then where = place_of(node, value.path) or where end
  if not known and value.root.kind == "module" and not value.path:find(".", 1, true) then
    local near = errors.nearest(value.path, values.names("module"))
    if near then
      return self:tell(where, "error", "unknown-method", ("bitrix24.%s is nothing"):format(value.path),
        ("did you mean bitrix24.%s?"):format(near))
    end
  end
  self:judge_method(where, value.path, value.root, params)
end

-- ---- calls -------------------------------------------------------------------

--- A call by name: `name` and `params` are expressions.
function Judge:judge_named(base, name, params)
  local path = name and self.reader:text(name)
  if path then self:judge_method(name, path, base, params) end
end

--- portal:batch{ me = {"user.current"} }
function Judge:judge_commands(base, commands)
  commands = commands and (self:held(commands) or commands)
  if not commands or commands.tag ~= "Table" then return end
  for _, item in ipairs(commands) do
    local command = item.tag == "Pair" and item[2] or item
    if command.tag == "Table" and command[1] and command[1].tag ~= "Pair" then
      self:judge_named(base, command[1], command[2])
    end
  end
end

local NAMED = { call = true, each = true, pages = true, all = true, first = true, count = true }

--- portal:NAME(…)
function Judge:judge_own(node, base, name)
  if name == "batch" and base.kind == "portal" then
    self:judge_commands(base, node[3])
  elseif NAMED[name] and values.own[base.kind][name] then
    self:judge_named(base, node[3], node[4])
  elseif values.own[base.kind][name] or base.guessed then
    return
  elseif values.exists(name) then
    self:tell(node[2], "error", "colon", ("call %s with a dot, not a colon"):format(name))
  else
    local near = errors.nearest(name, values.names(base.kind))
    self:tell(node[2], "error", "unknown-method", ("a %s has no :%s()"):format(base.kind, name),
      near and ("did you mean :%s()?"):format(near) or hints.closest(name))
  end
end

function Judge:judge_invoke(node)
  local base, name = self.reader:read(node[1]), node[2][1]
  if not base then return end
  if base.kind == "portal" or base.kind == "batch" then
    self:judge_own(node, base, name)
  elseif base.kind == "node" and is_judged(base) then
    local path = base.path .. "." .. name
    if values.walks[name] and not values.exists(path) then
      self:judge_node_call(node[1], base, node[3])
    elseif values.exists(path) then
      self:tell(node[2], "error", "colon", ("call %s with a dot, not a colon"):format(path))
    elseif not base.guessed then
      self:unknown_method(node[2], path, base.version)
    end
  end
end

--- pcall(portal.crm.deal.get, { id = 7 }); pcall(portal.call, portal, "crm.deal.get")
function Judge:judge_protected(node, skip)
  local value = node[2] and self.reader:read(node[2])
  if not value then return end
  local first = 2 + skip
  if value.kind == "node" and value.path == "call" and node[first] then
    local base = self.reader:read(node[first])
    if base and base.kind == "portal" then return self:judge_named(base, node[first + 1], node[first + 2]) end
  elseif value.kind == "node" then
    if node[first] and is_open(node[first]) then return end
    self:judge_node_call(node[2], value, node[first])
  elseif value.kind == "walk" then
    self:judge_node_call(node[2][1], value.root, node[first + 1])
  end
end

function Judge:judge_call(node)
  local called = self.reader:read(node[1])
  if not called then return end
  if called.kind == "node" then
    if node[2] and is_open(node[2]) and not node[3] then
      -- f(...): what is given only running would tell
      self:judge_node_call(node[1], called, { tag = "Dots" })
    else
      self:judge_node_call(node[1], called, node[2])
    end
  elseif called.kind == "protected" then
    self:judge_protected(node, called.skip)
  end
end

--- A path that is not called here: is there anything at all?
function Judge:judge_mention(node)
  local value = self.reader:read(node)
  if not value or value.kind ~= "node" or not is_judged(value) then return end
  local row = catalogue.find(value.path, value.version)
  if row then
    self:judge_row(name_node(node), row, value.root)
  elseif not value.guessed and not values.exists(value.path) then
    self:judge_node_call(node, value, { tag = "Dots" })
  end
end

-- ---- the walk ----------------------------------------------------------------

function Judge:visit(node, called)
  if type(node) ~= "table" then return end
  local tag = node.tag
  if tag == "Call" then
    self:judge_call(node)
    local value = self.reader:read(node[1])
    local protected = value and value.kind == "protected"
    for i, part in ipairs(node) do self:visit(part, i == 1 or protected and i == 2) end
  elseif tag == "Invoke" then
    self:judge_invoke(node)
    for i, part in ipairs(node) do self:visit(part, i == 1) end
  elseif tag == "Index" then
    if not called then self:judge_mention(node) end
    self:visit(node[1], true)
    self:visit(node[2])
  elseif tag == "Set" then
    for _, target in ipairs(node[1]) do self:visit(target, true) end
    self:visit(node[2])
  else
    for _, part in ipairs(node) do self:visit(part) end
  end
end

local function before(a, b)
  if a.line ~= b.line then return a.line < b.line end
  if a.column ~= b.column then return a.column < b.column end
  return a.message < b.message
end

local calls = {}

--- Judge every call of a tree whose names are resolved.
---@param tree table
---@param file string
---@param column_of fun(node: table): integer
---@return table[] findings in the order of the script
---@return string[] scopes that the script needs
---@return boolean application does it need an application's authorization?
function calls.judge(tree, file, column_of)
  local judge = setmetatable({
    file = file, column_of = column_of, reader = values.reader(), findings = {}, told = {}, scopes = {},
    application = false, places = {}, open = {},
  }, Judge)
  judge:visit(tree)
  if judge.scopes.user or judge.scopes.user_basic then judge.scopes[ANY_USER] = nil end
  local scopes = {}
  for scope in pairs(judge.scopes) do scopes[#scopes + 1] = scope end
  sort(scopes)
  sort(judge.findings, before)
  return judge.findings, scopes, judge.application
end

return calls
