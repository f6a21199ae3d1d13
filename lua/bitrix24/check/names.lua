--- Which variable a name means, and what is ever put into it. Decides scopes
-- as Lua does; forgets the order of statements: a variable is all that is
-- assigned to it anywhere.

local ipairs, setmetatable, type = ipairs, setmetatable, type

local _ENV = nil -- luacheck: ignore

---@class bitrix24.check.Variable
---@field name string
---@field values table[] expressions assigned to it
---@field unknown boolean something else comes in: a loop's variable, a result behind the first
---@field parameter boolean
---@field fields table<string, table[]> expressions assigned to its fields

local names = {}

local State = {}
State.__index = State

local function new_variable(name)
  return { name = name, values = {}, unknown = false, parameter = false, fields = {} }
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
    variable.unknown = true
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

local function put_target(state, target, value, beyond)
  if target.tag == "Id" then
    local variable = state:find(target[1])
    target.variable = variable
    if variable then put_into(variable, value, beyond) end
  else
    visit(state, target)
    local base, key = target[1], target[2]
    if base.tag == "Id" and base.variable and key.tag == "String" and value then
      local fields = base.variable.fields
      fields[key[1]] = fields[key[1]] or {}
      fields[key[1]][#fields[key[1]] + 1] = value
    end
  end
end

local visitors = {}

function visitors.Id(state, node) node.variable = state:find(node[1]) end

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
end

--- portal:plan(function(p) … end): p is the portal.
function visitors.Invoke(state, node)
  visit_all(state, node)
  local f = node[3]
  local first = node[2][1] == "plan" and f and f.tag == "Function" and f[1][1]
  if first and first.variable then put_into(first.variable, node[1]) end
end

function visit(state, node)
  if type(node) ~= "table" then return end
  local visitor = visitors[node.tag]
  if visitor then return visitor(state, node) end
  visit_all(state, node)
end

local function pass_arguments(call)
  local variable = call[1].tag == "Id" and call[1].variable
  if not variable or variable.unknown or #variable.values ~= 1 then return end
  local called = variable.values[1]
  if called.tag ~= "Function" then return end
  for i, name in ipairs(called[1]) do
    local beyond = #call > 1 and is_open(call[#call])
    if name.variable then put_into(name.variable, call[i + 1], beyond) end
  end
end

--- Find out what the names of a tree mean: every Id gets its `variable`, nil
-- for a global; every function its `results`.
---@param tree table
function names.resolve(tree)
  local state = setmetatable({ calls = {} }, State)
  visit_block(state, tree)
  for _, call in ipairs(state.calls) do pass_arguments(call) end
end

return names
