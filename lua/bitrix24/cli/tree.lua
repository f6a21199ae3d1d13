--- Parameters as they grow from words and JSON, in the order in which they were
-- typed: objects are merged field by field, a later value takes the place of an
-- earlier one, and what contradicts itself is refused.

local json = require "bitrix24.json"

local ipairs, next, pairs, tostring, type = ipairs, next, pairs, tostring, type
local lower, match = string.lower, string.match
local sort = table.sort

local _ENV = nil -- luacheck: ignore

local tree = {}

--- Something with parts: their keys in the order in which they came. `is`:
-- "list" or "object" once that is certain; nil: the keys will tell.
---@class bitrix24.cli.Tree
---@field keys string[]
---@field values table<string, bitrix24.cli.Tree|{ leaf: any }>
---@field is "list"|"object"|nil

---@return bitrix24.cli.Tree
function tree.new() return { keys = {}, values = {} } end

--- Objects whose keys are in an order that means something.
---@param name string
---@return boolean
function tree.is_order(name) return lower(name) == "order" or lower(name) == "sort" end

local function set(self, key, child)
  if self.values[key] == nil then self.keys[#self.keys + 1] = key end
  self.values[key] = child
end

--- A value of JSON as a node, one level deep; nil where it has no parts.
local function open(value)
  local kind = json.kind(value)
  if type(value) ~= "table" or value == json.null or kind == "file" then return nil end
  local self = tree.new()
  self.is = kind == "array" and "list" or "object"
  if kind == "array" then
    for i, item in ipairs(value) do set(self, tostring(i - 1), { leaf = item }) end
  elseif kind == "ordered" then
    for _, pair in ipairs(value) do set(self, pair[1], { leaf = pair[2] }) end
  else
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    sort(keys)
    for _, key in ipairs(keys) do set(self, key, { leaf = value[key] }) end
  end
  -- PHP writes an empty object as [], and an empty list may become either
  if #self.keys == 0 then self.is, self.empty = nil, value end
  return self
end

--- What is at a key, opened when it is JSON with parts.
local function child_of(self, key)
  local child = self.values[key]
  if child and not child.keys then
    local opened = open(child.leaf)
    if opened then
      self.values[key] = opened
      return opened
    end
  end
  return child
end

--- 0, 1, 2 … in any order, and nothing else.
local function is_row(self)
  for i = 0, #self.keys - 1 do
    if self.values[tostring(i)] == nil then return false end
  end
  return true
end

local function contradiction(name)
  if not name then return nil, "parameters by position and by name cannot be mixed" end
  return nil, ("%s: cannot be a list and an object"):format(name)
end

--- Both are what the other may become, or it is refused.
local function agree(self, is, name)
  if is == nil or self.is == is then return true end
  if self.is or is == "list" and not is_row(self) then return contradiction(name) end
  self.is = is
  return true
end

--- `name` of what is at `key`, in messages.
local function below(name, key) return name and ("%s[%s]"):format(name, key) or key end

local set_value

--- Merge the parts of `other` into a node.
local function merge(self, other, name)
  local is = other.is
  if not is and self.is == "list" and json.is_array(other.empty) then is = "list" end
  local ok, message = agree(self, is, name)
  if not ok then return nil, message end
  if #other.keys == 0 then self.empty = other.empty end
  if is == "list" then
    -- a list is one value: the later one counts
    self.keys, self.values = other.keys, other.values
    return true
  end
  for _, key in ipairs(other.keys) do
    ok, message = set_value(self, key, other.values[key].leaf, below(name, key))
    if not ok then return nil, message end
  end
  return true
end

--- The value at a key; what has parts is merged with what is there.
function set_value(self, key, value, name)
  local known = child_of(self, key)
  local other = known and known.keys and value ~= json.null and open(value)
  if other then return merge(known, other, name) end
  if known and known.keys and value ~= json.null then
    return nil, ("%s: has parts already"):format(name)
  end
  if known and not known.keys and known.leaf ~= json.null and open(value) then
    return nil, ("%s: has a value already"):format(name)
  end
  set(self, key, { leaf = value })
  return true
end

--- The key that a step means in a node: [] is behind the last item.
local function key_of(self, step, name)
  local is = step == "" and "list" or not match(step, "^%d+$") and "object" or nil
  local ok, message = agree(self, is, name)
  if not ok then return nil, message end
  if step == "" then return tostring(#self.keys) end
  if self.is == "list" and not self.values[step] and step ~= tostring(#self.keys) then
    return nil, ("%s: the next item of the list is %d, counted from 0"):format(below(name, step), #self.keys)
  end
  return step
end

--- Put a value where the steps lead.
---@param self bitrix24.cli.Tree
---@param steps string[]
---@param value any
---@return boolean? done
---@return string? message
function tree.put(self, steps, value)
  local name
  for i, step in ipairs(steps) do
    local key, message = key_of(self, step, name)
    if not key then return nil, message end
    name = below(name, step)
    if i == #steps then return set_value(self, key, value, name) end
    local child = child_of(self, key)
    if not child or not child.keys then
      if child and child.leaf ~= json.null then return nil, ("%s: has a value already"):format(name) end
      child = tree.new()
      set(self, key, child)
    end
    self = child
  end
end

--- Merge a JSON object or array into all that is there.
---@param self bitrix24.cli.Tree
---@param value table
---@return boolean? done
---@return string? message
function tree.put_all(self, value)
  return merge(self, open(value), nil)
end

--- The tree as a parameter of that name: a list, an object, or the value.
---@param self bitrix24.cli.Tree|{ leaf: any }
---@param name string
---@return any
function tree.grown(self, name)
  if not self.keys then return self.leaf end
  if next(self.values) == nil then return self.empty or json.object {} end
  if self.is ~= "object" and is_row(self) then
    local items = {}
    for i = 1, #self.keys do items[i] = tree.grown(self.values[tostring(i - 1)], "") end
    return json.array(items)
  end
  local list, fields = {}, {}
  for i, key in ipairs(self.keys) do
    local value = tree.grown(self.values[key], key)
    list[i], fields[key] = { key, value }, value
  end
  return tree.is_order(name) and #list > 1 and json.ordered(list) or fields
end

return tree
