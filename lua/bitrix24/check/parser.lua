--- The syntax tree of a script, by luacheck's parser. It is an ordinary
-- dependency of development, wanted only when a script is checked.

local errors = require "bitrix24.errors"

local loaders = package.searchers
local load, package, pcall, require = load, package, pcall, require
local ipairs, tostring, type = ipairs, tostring, type
local insert, remove = table.insert, table.remove
local loadfile = loadfile

local _ENV = nil -- luacheck: ignore

local parser = {}

--- luacheck is the same for every Lua: where it is installed for another one
-- only (Debian installs it for 5.1), it is taken from there.
local function find_elsewhere(name)
  if not name:find("^luacheck%.") then return nil end
  for _, version in ipairs { "5.4", "5.3", "5.2", "5.1" } do
    local path = package.path:gsub("5%.4", version)
    local file = package.searchpath(name, path)
    if file then return loadfile(file), file end
  end
end

local modules

--- The parser and its decoder of text; what is wrong when they are not there.
local function load_modules()
  if modules then return modules end
  insert(loaders, find_elsewhere)
  local ok, decoder = pcall(require, "luacheck.decoder")
  local ok_too, luacheck = pcall(require, "luacheck.parser")
  for i, searcher in ipairs(loaders) do
    if searcher == find_elsewhere then remove(loaders, i) end
  end
  if not (ok and ok_too) then
    errors.config("check: the parser of luacheck is not installed",
      "install it: luarocks install luacheck, or apt-get install lua-check")
  end
  modules = { decoder = decoder, parse = luacheck.parse }
  return modules
end

--- The tree of a script, its nodes with `line` and `offset`; a function that
-- gives a node's column.
---@param text string
---@return table? tree
---@return fun(node: table): integer column
---@return string? problem with the syntax
---@return table? place of the problem: line, offset
function parser.parse(text)
  local found = load_modules()
  local source = text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "") -- as lua does
  local chunk, problem = load(source, "=script", "t")
  local offsets = {}
  local function column_of(node)
    local start = offsets[node.line]
    return start and node.offset and node.offset - start + 1 or 1
  end
  local ok, tree = pcall(found.parse, found.decoder.decode(source), offsets, {})
  if not chunk then
    -- Lua's words, which people know; the place in the line, which it does not tell
    local line, message = tostring(problem):match("^script:(%d+): (.*)$")
    line = line and line + 0 or 1
    local place = not ok and type(tree) == "table" and tree.line == line and tree or {}
    return nil, column_of, message or tostring(problem), { line = line, offset = place.offset }
  end
  if not ok then
    if type(tree) == "table" then return nil, column_of, tostring(tree.msg), tree end
    return nil, column_of, tostring(tree), { line = 1 }
  end
  return tree, column_of, nil, nil
end

return parser
