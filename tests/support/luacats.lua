-- Reads LuaCATS annotations as an editor does: classes with what they inherit,
-- their fields, what they are when called. A line it does not understand is an
-- error, so that a generated file is proven to be made of annotations.

local luacats = {}

local KNOWN = {}
for name in ([[any nil boolean string number integer table function thread userdata self]]):gmatch("%a+") do
  KNOWN[name] = true
end

local Scanner = {}
Scanner.__index = Scanner

function Scanner:fail(expected)
  error(("%s: expected %s at %q"):format(self.where, expected, self.text:sub(self.at)), 0)
end

--- The text of a pattern here, blanks before it skipped.
function Scanner:take(pattern)
  local found, after = self.text:match("^%s*(" .. pattern .. ")()", self.at)
  if found then self.at = after end
  return found
end

function Scanner:need(pattern, what) return self:take(pattern) or self:fail(what or pattern) end

local read_type

local function read_parameters(self)
  local out = {}
  self:need "%("
  if self:take "%)" then return out end
  repeat
    local name = self:take "%.%.%." or self:need("[%a_][%w_]*", "a parameter's name")
    local optional = self:take "%?" ~= nil
    out[#out + 1] = { name = name, optional = optional, type = self:take ":" and read_type(self) or nil }
  until not self:take ","
  self:need "%)"
  return out
end

local function read_function(self)
  local out = { kind = "function", parameters = read_parameters(self), results = {} }
  if self:take ":" then
    repeat out.results[#out.results + 1] = read_type(self) until not self:take ","
  end
  return out
end

local function read_table(self)
  local out = { kind = "table", fields = {} }
  if self:take "}" then return out end
  repeat
    local key = self:take "%[" and { read_type(self), self:need "%]" } or self:need("[%a_][%w_]*", "a key")
    local optional = self:take "%?" ~= nil
    self:need ":"
    out.fields[#out.fields + 1] = { key = key, optional = optional, type = read_type(self) }
  until not self:take ","
  self:need "}"
  return out
end

local function read_primary(self)
  if self:take "%(" then
    local inner = read_type(self)
    self:need "%)"
    return inner
  end
  if self:take "{" then return read_table(self) end
  local at = self.at
  local quoted = self:take '"'
  if quoted then
    local empty = self:take '"'
    local text, after = self.text:match('^(.-[^\\])"()', self.at)
    self.at = empty and self.at or after
    return { kind = "literal", value = empty and "" or (text:gsub("\\(.)", "%1")) }
  end
  self.at = at
  local number = self:take "%-?%d+"
  if number then return { kind = "literal", value = number } end
  local name = self:need("[%a_][%w_.]*", "a type")
  if name == "fun" and self.text:sub(self.at, self.at) == "(" then return read_function(self) end
  if name == "true" or name == "false" then return { kind = "literal", value = name } end
  local out = { kind = "name", name = name }
  self.names[#self.names + 1] = { name = name, where = self.where }
  if self:take "<" then
    repeat out[#out + 1] = read_type(self) until not self:take ","
    self:need ">"
  end
  return out
end

--- A union; its alternatives are the sequence.
function read_type(self)
  local out = { kind = "union" }
  repeat
    local one = read_primary(self)
    while true do
      if self:take "%[%]" then one = { kind = "array", of = one }
      elseif self:take "%?" then one = { kind = "optional", of = one }
      else break end
    end
    if one.kind == "union" then table.move(one, 1, #one, #out + 1, out) else out[#out + 1] = one end
  until not self:take "|"
  return #out == 1 and out[1] or out
end

local Library = {}
Library.__index = Library

local function class_of(self, name)
  local class = self.classes[name]
  if not class then
    class = { name = name, parents = {}, fields = {}, order = {}, overloads = {}, text = "" }
    self.classes[name] = class
  end
  return class
end

local function put_field(class, field)
  class.fields[field.name] = field
  class.order[#class.order + 1] = field.name
end

local function read_key(scanner)
  if not scanner:take "%[" then return scanner:need("[%a_][%w_]*", "a field's name") end
  local key = scanner:take '"[^"]*"'
  if key then key = key:sub(2, -2) else
    key = scanner:take "%d+" or "[" .. scanner:need("%a+", "an index") .. "]"
  end
  scanner:need "%]"
  return key
end

local readers = {}

function readers.class(self, scanner, block)
  local class = class_of(self, scanner:need("[%w_.]+", "a class"))
  class.text = table.concat(block.text, "\n")
  if scanner:take ":" then
    repeat
      local parent = scanner:need("[%w_.]+", "a class")
      class.parents[#class.parents + 1] = parent
      scanner.names[#scanner.names + 1] = { name = parent, where = scanner.where }
    until not scanner:take ","
  end
  block.class = class
end

function readers.field(_, scanner, block)
  if not block.class then scanner:fail "a class before the field" end
  local name = read_key(scanner)
  local optional = scanner:take "%?" ~= nil
  local field = { name = name, optional = optional, type = read_type(scanner) }
  field.text = scanner.text:sub(scanner.at):match("^%s*(.*)$")
  put_field(block.class, field)
end

function readers.overload(_, scanner, block)
  local overload = read_type(scanner)
  if overload.kind ~= "function" then scanner:fail "fun(…)" end
  local overloads = block.class and block.class.overloads or block.overloads
  overloads[#overloads + 1] = overload
end

function readers.alias(self, scanner, block)
  local name = scanner:need("[%w_.]+", "a name")
  local alias = { kind = "union", text = table.concat(block.text, "\n") }
  if scanner.text:find("%S", scanner.at) then alias[1] = read_type(scanner) end
  self.aliases[name] = alias
  block.alias = alias
end

function readers.type(_, scanner, block) block.type = read_type(scanner) end
function readers.deprecated(_, _, block) block.deprecated = true end
function readers.meta(self, scanner) self.modules[scanner:take "[%w_.]+" or ""] = true end
function readers.generic(_, scanner, block) block.generic = scanner:need("%a+", "a name") end

function readers.param(_, scanner, block)
  local name = scanner:take "%.%.%." or scanner:need("[%a_][%w_]*", "a parameter's name")
  local optional = scanner:take "%?" ~= nil
  table.insert(block.parameters, { name = name, optional = optional, type = read_type(scanner) })
end

readers["return"] = function(_, scanner, block) table.insert(block.results, read_type(scanner)) end

local function new_block()
  return { text = {}, parameters = {}, results = {}, overloads = {} }
end

local function read_comment(self, line, block, where)
  local tag, rest = line:match "^%s*%-%-%-@(%a+)%s*(.*)$"
  local scanner = setmetatable({ text = rest or "", at = 1, where = where, names = {} }, Scanner)
  if tag then
    if not readers[tag] then error(where .. ": unknown annotation @" .. tag, 0) end
    readers[tag](self, scanner, block)
  elseif line:find "^%s*%-%-%-|" then
    if not block.alias then error(where .. ": no alias for this alternative", 0) end
    scanner.text = line:match "^%s*%-%-%-|%s*(.*)$"
    table.insert(block.alias, (read_type(scanner)))
  else
    table.insert(block.text, (line:match "^%s*%-%-%-?%s*(.*)$"))
  end
  for _, used in ipairs(scanner.names) do
    if used.name ~= block.generic then table.insert(self.used, used) end
  end
end

--- A line of Lua: it takes what the comment above it says.
local function read_code(line, block, locals, where)
  local name = line:match "^%s*local ([%a_][%w_]*) = {}$"
  if name then
    locals[name] = block.class or { fields = {}, order = {}, overloads = {} }
    return
  end
  local target, key = line:match "^%s*([%a_][%w_]*)%.([%a_][%w_]*) = nil$"
  if not target then target, key = line:match '^%s*([%a_][%w_]*)%["([^"]+)"%] = nil$' end
  if target then
    put_field(locals[target], {
      name = key, type = block.type, deprecated = block.deprecated, text = table.concat(block.text, "\n"),
    })
    return
  end
  local separator
  target, separator, key = line:match "^function ([%a_][%w_]*)([.:])([%a_][%w_]*)%(.*%) end$"
  if target then
    put_field(locals[target], {
      name = key, method = separator == ":", text = table.concat(block.text, "\n"),
      type = { kind = "function", parameters = block.parameters, results = block.results },
    })
    return
  end
  if not line:find "^%s*$" and line ~= "do" and line ~= "end" and not line:find "^return [%a_][%w_]*$" then
    error(where .. ": not an annotation: " .. line, 0)
  end
end

--- Add a file to what is known.
---@param path string
function Library:read(path)
  local file <close> = assert(io.open(path, "rb"))
  local text = file:read "a"
  assert(load(text, "@" .. path, "t"))
  local block, locals, number = new_block(), {}, 0
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    local where = ("%s:%d"):format(path, number)
    if line:find "^%s*%-%-" then
      read_comment(self, line, block, where)
    else
      read_code(line, block, locals, where)
      block = new_block()
    end
  end
end

--- The first name that is used and never declared, with its place.
function Library:unknown()
  for _, used in ipairs(self.used) do
    if not (KNOWN[used.name] or self.classes[used.name] or self.aliases[used.name]) then
      return ("%s: %s"):format(used.where, used.name)
    end
  end
end

--- A field of a class, its own or inherited.
function Library:field(class, name)
  if type(class) == "string" then class = self.classes[class] end
  if not class then return nil end
  if class.fields[name] then return class.fields[name] end
  for _, parent in ipairs(class.parents) do
    local found = self:field(parent, name)
    if found then return found end
  end
end

--- All names of fields that a class has.
function Library:names(class, out)
  out = out or {}
  for name in pairs(self.classes[class].fields) do out[name] = true end
  for _, parent in ipairs(self.classes[class].parents) do self:names(parent, out) end
  return out
end

--- The class at the end of a path of fields, and the field that leads to it.
function Library:follow(class, path)
  local field
  for name in path:gmatch "[^.]+" do
    field = self:field(class, name)
    if not field or not field.type or field.type.kind ~= "name" then return nil, field end
    class = field.type.name
  end
  return self.classes[class], field
end

--- What there is to know from files.
---@param paths string[]
function luacats.read(paths)
  local library = setmetatable({ classes = {}, aliases = {}, modules = {}, used = {} }, Library)
  for _, path in ipairs(paths) do library:read(path) end
  return library
end

return luacats
