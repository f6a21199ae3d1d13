--- Which variable a name means, and what is ever put into it. Decides scopes
-- as Lua does; forgets the order of statements: a variable is all that is
-- assigned to it anywhere.

local ipairs, pairs, setmetatable, type = ipairs, pairs, setmetatable, type

local _ENV = nil -- luacheck: ignore

---@class bitrix24.check.Variable
---@field name string
---@field values table[] expressions assigned to it
---@field unknown boolean something else comes in: a loop's variable, a result behind the first
---@field parameter boolean
---@field behind boolean? a result behind the first comes in
---@field global boolean?
---@field fields table<string, table[]> expressions assigned to its fields
---@field mentions integer where it is read or assigned, its declaration aside
---@field given table[] calls that it is an argument of

local names = {}

local State = {}
State.__index = State

local function new_variable(name)
  return {
    name = name, values = {}, unknown = false, parameter = false, fields = {}, mentions = 0, given = {},
  }
end

function State:open() self.scope = { up = self.scope, names = {} } end
function State:close() self.scope = self.scope.up end

function State:declare(node)
  local variable = new_variable(node[1])
  node.variable = variable
  self.scope.names[node[1]] = variable
  return variable
end

function State:find(name)
  local scope = self.scope
  while scope do
    if scope.names[name] then return scope.names[name] end
    scope = scope.up
  end
end

--- What is assigned to a global anywhere in the script, it is everywhere.
function State:global(name)
  local variable = self.globals[name]
  if not variable then
    variable = new_variable(name)
    variable.global = true
    self.globals[name] = variable
  end
  return variable
end

local function is_open(node)
  return node.tag == "Call" or node.tag == "Invoke" or node.tag == "Dots"
end

--- Note what a list of expressions gives to a list of targets.
local function assign(targets, values, put)
  for i, target in ipairs(targets) do
    local value = values and values[i]
    local beyond = not value and values and #values > 0 and is_open(values[#values])
    put(target, value, beyond)
  end
end

local function put_into(variable, value, beyond)
  if value then
    variable.values[#variable.values + 1] = value
  elseif beyond then
    variable.unknown, variable.behind = true, true
  end
end

local visit

local function visit_all(state, list)
  for _, node in ipairs(list or {}) do visit(state, node) end
end

local function visit_block(state, block)
  state:open()
  visit_all(state, block)
  state:close()
end

local function put_field(fields, name, value)
  fields[name] = fields[name] or {}
  fields[name][#fields[name] + 1] = value
end

--- function M:f() … end: its self is M, and what is put into one is in the other.
local function join_self(base, f)
  local first = f.tag == "Function" and f[1][1]
  local own = first and first.implicit and first.variable
  if not own then return end
  for name, list in pairs(own.fields) do
    for _, value in ipairs(list) do put_field(base.variable.fields, name, value) end
  end
  own.fields = base.variable.fields
  own.values[#own.values + 1] = base
end

local function put_target(state, target, value, beyond)
  visit(state, target)
  if target.tag == "Id" then return put_into(target.variable, value, beyond) end
  local base, key = target[1], target[2]
  if base.tag == "Id" and key.tag == "String" and value then
    put_field(base.variable.fields, key[1], value)
    join_self(base, value)
  end
end

local visitors = {}

function visitors.Id(state, node)
  node.variable = state:find(node[1]) or state:global(node[1])
  node.variable.mentions = node.variable.mentions + 1
end

function visitors.Local(state, node)
  visit_all(state, node[2])
  for _, name in ipairs(node[1]) do state:declare(name) end
  assign(node[1], node[2], function(name, value, beyond) put_into(name.variable, value, beyond) end)
end

function visitors.Localrec(state, node)
  put_into(state:declare(node[1][1]), node[2][1])
  visit_all(state, node[2])
end

function visitors.Set(state, node)
  visit_all(state, node[2])
  assign(node[1], node[2], function(...) put_target(state, ...) end)
end

visitors["Function"] = function(state, node)
  local outer = state.current
  state.current = node
  node.results = {}
  state:open()
  for _, name in ipairs(node[1]) do
    if name.tag == "Id" then state:declare(name).parameter = true end
  end
  visit_all(state, node[2])
  state:close()
  state.current = outer
end

visitors["Return"] = function(state, node)
  visit_all(state, node)
  local results = state.current and state.current.results
  if results then results[#results + 1] = node[1] or { tag = "Nil" } end
end

function visitors.Fornum(state, node)
  for i = 2, #node - 1 do visit(state, node[i]) end
  state:open()
  state:declare(node[1]).unknown = true
  visit_all(state, node[#node])
  state:close()
end

function visitors.Forin(state, node)
  visit_all(state, node[2])
  state:open()
  for _, name in ipairs(node[1]) do state:declare(name).unknown = true end
  visit_all(state, node[3])
  state:close()
end

visitors["Repeat"] = function(state, node)
  state:open() -- the condition sees the body's locals
  visit_all(state, node[1])
  visit(state, node[2])
  state:close()
end

visitors["While"] = function(state, node)
  visit(state, node[1])
  visit_block(state, node[2])
end

visitors["Do"] = visit_block

visitors["If"] = function(state, node)
  for _, part in ipairs(node) do
    if part.tag then visit(state, part) else visit_block(state, part) end
  end
end

--- What local functions are called with comes into their parameters.
function visitors.Call(state, node)
  visit_all(state, node)
  state.calls[#state.calls + 1] = node
  for i, part in ipairs(node) do
    if i > 1 and part.tag == "Id" then
      local given = part.variable.given
      given[#given + 1] = node
    end
  end
end

visitors.Invoke = visitors.Call

function visit(state, node)
  if type(node) ~= "table" then return end
  local visitor = visitors[node.tag]
  if visitor then return visitor(state, node) end
  visit_all(state, node)
end

local functions_of

--- The functions in a field of a table that the script made.
local function functions_in(variable, name, out, seen)
  for _, value in ipairs(variable.fields[name] or {}) do functions_of(value, out, seen) end
  for _, value in ipairs(variable.values) do
    for _, item in ipairs(value.tag == "Table" and value or {}) do
      local named = item.tag == "Pair" and item[1].tag == "String" and item[1][1] == name
      if named then functions_of(item[2], out, seen) end
    end
  end
end

--- The functions that an expression may be, as far as names tell. A call of a
-- method (t:f()) is the expression t.f with a tag of its own.
function functions_of(expression, out, seen)
  if seen[expression] then return out end
  seen[expression] = true
  local tag, base = expression.tag, expression[1]
  if tag == "Function" then
    out[#out + 1] = expression
  elseif tag == "Id" then
    for _, value in ipairs(expression.variable.values) do functions_of(value, out, seen) end
  elseif (tag == "Index" or tag == "Invoke") and base.tag == "Id" and expression[2].tag == "String" then
    functions_in(base.variable, expression[2][1], out, seen)
  end
  return out
end

--- Give the arguments of a call to what may be called; was there something new?
local function pass_arguments(call, passed)
  local new = false
  -- t:f(x): node[2] is the name, where self would be given
  local callee, from = call[1], 1
  if call.tag == "Invoke" then callee, from = call, 2 end
  for _, called in ipairs(functions_of(callee, {}, {})) do
    if not passed[called] then
      passed[called], new = true, true
      for i, name in ipairs(called[1]) do
        local beyond = #call > from and is_open(call[#call])
        if name.variable and i >= from then put_into(name.variable, call[i + 1], beyond) end
      end
    end
  end
  return new
end

--- portal:plan(function(p) … end): p is the portal.
local function pass_portal(call)
  local given = call.tag == "Invoke" and call[2][1] == "plan" and call[3]
  for _, f in ipairs(given and functions_of(given, {}, {}) or {}) do
    local first = f[1][1]
    if first and first.variable then put_into(first.variable, call[1]) end
  end
end

--- A function may be handed to another one that calls it: until nothing comes anew.
local function pass_all(calls)
  local passed, new = {}, true
  for i, call in ipairs(calls) do
    passed[i] = {}
    pass_portal(call)
  end
  while new do
    new = false
    for i, call in ipairs(calls) do new = pass_arguments(call, passed[i]) or new end
  end
end

--- Find out what the names of a tree mean: every Id gets its `variable`, every
-- function its `results`.
---@param tree table
function names.resolve(tree)
  local state = setmetatable({ calls = {}, globals = {} }, State)
  visit_block(state, tree)
  pass_all(state.calls)
end

return names
