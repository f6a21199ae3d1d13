--- The reference as pages of Markdown, out of the sources: a page a chapter
-- (chapters.lua), a page for the REST methods of each domain, and an index.
--
--     lua5.4 csrc/docs/reference.lua FOLDER [PAGE.md=TITLE ...]
--
-- Pages named after the folder are in it already and come into the index.
-- Fails, naming it, when something public has no comment or a chapter shows
-- what is not there: the reference is whole or is not made.

local here = arg[0]:match "^(.*)/[^/]*$" or "."
package.path = here .. "/?.lua;" .. package.path
local chapters = require "chapters"
local source = require "source"
local catalogue = require "bitrix24.catalogue"

local concat, insert, sort = table.concat, table.insert, table.sort
local folder = assert(arg[1], "usage: reference.lua FOLDER [PAGE.md=TITLE ...]")
local DOCUMENTATION = "https://apidocs.bitrix24.com/%s.html"

local problems = {}
local function problem(...) insert(problems, string.format(...)) end

-- ---- the sources --------------------------------------------------------------

local files, classes = {}, {}

local function file(path)
  if files[path] then return files[path] end
  local found = { functions = {}, head = {} }
  local handle = io.open(path)
  if handle then
    handle:close()
    local own
    found.functions, own, found.head = source.read(path)
    for name, class in pairs(own) do
      local known = classes[name]
      if known and #known.fields == 0 then known.fields = class.fields end
      if known and #known.text == 0 then known.text = class.text end
      classes[name] = known or class
    end
  else
    problem("%s is not there", path)
  end
  files[path] = found
  return found
end

-- The types of the editors say what options there are; the sources come first.
local pipe = assert(io.popen "find lua/bitrix24 -name '*.lua' ! -path '*/sandbox/*' ! -path '*/rest/*'")
local paths = {}
for path in pipe:lines() do insert(paths, path) end
pipe:close()
sort(paths, function(a, b)
  local in_types, other = a:find("/types/", 1, true) ~= nil, b:find("/types/", 1, true) ~= nil
  if in_types ~= other then return other end
  return a < b
end)
for _, path in ipairs(paths) do file(path) end

--- What the editors' types say of a function, by the name that a script writes.
local WRITTEN = {
  PortalMethods = "portal:", Portal2 = "portal:", Batch = "b:", bitrix24 = "bitrix24.",
  oauth = "bitrix24.oauth.", events = "events.", sandbox = "sandbox.", Sandbox = "sb:",
}
local typed_functions = {}
for path, read in pairs(files) do
  for _, f in ipairs(path:find("/types/", 1, true) and read.functions or {}) do
    local receiver, name = f.name:match "^([%w_]+)[.:]([%w_]+)$"
    if WRITTEN[receiver] then typed_functions[WRITTEN[receiver] .. name] = f end
  end
end

--- The parameters, or the results, in the words of the source and the types of
-- the editors, which are the narrower ones.
local function merged(own, typed)
  if not typed or #typed < #own then return own end
  local list = {}
  for i, of in ipairs(typed) do
    local text = own[i] and own[i].text or ""
    list[i] = { name = of.name, type = of.type, text = text ~= "" and text or of.text }
  end
  return list
end

-- ---- pages --------------------------------------------------------------------

local where = {} -- class → page.md#anchor

--- The anchor that a heading gets.
local function anchor(heading)
  return (heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-"))
end

--- Text outside of code: no tags, and the lines as they are.
local function prose(lines)
  local out = {}
  for _, line in ipairs(lines) do
    if not line:find "^    " then
      line = (line .. "`"):gsub("([^`]*)`([^`]*)`?", function(plain, code)
        plain = plain:gsub("<", "&lt;")
        return code ~= "" and plain .. "`" .. code .. "`" or plain
      end)
    end
    insert(out, line)
  end
  return concat(out, "\n")
end

--- A type as code; the alternatives of a union, and classes as links.
local function typed(kind)
  local list, depth, from = {}, 0, 1
  local function put(part)
    local name = part:match "^([%w_.]+)[?%[%]]*$"
    insert(list, (where[name] and "[`%s`](%s)" or "`%s`"):format(part, where[name]))
  end
  for at = 1, #kind do
    local c = kind:sub(at, at)
    if c:find "[%(%[{<]" then depth = depth + 1 end
    if c:find "[%)%]}>]" then depth = depth - 1 end
    if c == "|" and depth == 0 then
      put(kind:sub(from, at - 1))
      from = at + 1
    end
  end
  put(kind:sub(from))
  return concat(list, " or ")
end

local function item(out, label, of)
  local text = of.text ~= "" and " " .. prose { of.text } or ""
  insert(out, ("- %s%s%s"):format(label, of.type ~= "" and typed(of.type) or "", text))
end

local function add_function(out, shown, f)
  local args = f.args:gsub("^%(self,%s*", "("):gsub("^%(self%)", "()")
  insert(out, ("\n## %s\n"):format(shown))
  insert(out, ("```lua\n%s%s\n```\n"):format(shown, args))
  insert(out, prose(f.text))
  local typed_as = typed_functions[shown] or {}
  local params, returns = merged(f.params, typed_as.params), merged(f.returns, typed_as.returns)
  if #params + #returns > 0 then insert(out, "") end
  for _, param in ipairs(params) do
    if param.name ~= "self" then item(out, ("`%s` "):format(param.name), param) end
  end
  for _, value in ipairs(returns) do item(out, "→ ", value) end
  if f.silent and #f.params == 0 then problem("%s has no comment", shown) end
end

--- The functions of a source that a chapter shows, in the order of the source.
local function chosen(path, names)
  local list, used = {}, {}
  for _, f in ipairs(file(path).functions) do
    local receiver, separator, name = f.name:match "^([%w_]+)([.:])([%w_]+)$"
    local all = receiver and receiver .. separator .. "*"
    local shown = names[f.name]
    if shown then
      used[f.name] = true
    elseif all and names[all] and not name:find "^__" then
      used[all], shown = true, names[all] .. name
    end
    if shown then insert(list, { shown, f }) end
  end
  return list, used
end

local function add_class(out, name)
  local class = classes[name]
  if not class then return problem("there is no class %s", name) end
  insert(out, ("\n## %s\n"):format(name))
  insert(out, prose(class.text))
  if #class.text > 0 then insert(out, "") end
  for _, field in ipairs(class.fields) do item(out, ("`%s` "):format(field.name), field) end
end

local function write(name, out)
  local path = folder .. "/" .. name
  local handle <close> = assert(io.open(path, "w"))
  handle:write((concat(out, "\n"):gsub("\n\n\n+", "\n\n")), "\n")
end

for _, chapter in ipairs(chapters) do
  for _, name in ipairs(chapter.classes or {}) do
    where[name] = ("%s.md#%s"):format(chapter.page, anchor(name))
  end
end

local index = {
  "# Reference\n",
  "Made from the sources. The README shows how to do things, `examples/` has whole scripts.\n",
}

for _, chapter in ipairs(chapters) do
  local out = { ("# %s\n"):format(chapter.title), "[Index](index.md)\n" }
  if chapter.about then insert(out, chapter.about) end
  if chapter.head and #file(chapter.head).head > 0 then insert(out, prose(file(chapter.head).head)) end
  local names = {}
  for _, show in ipairs(chapter.shows) do
    local list, used = chosen(show[1], show[2])
    for name in pairs(show[2]) do
      if not used[name] then problem("%s has no function %s", show[1], name) end
    end
    for _, entry in ipairs(list) do
      add_function(out, entry[1], entry[2])
      insert(names, ("[`%s`](%s.md#%s)"):format(entry[1], chapter.page, anchor(entry[1])))
    end
  end
  for _, name in ipairs(chapter.classes or {}) do add_class(out, name) end
  write(chapter.page .. ".md", out)
  insert(index, ("- [%s](%s.md)%s%s"):format(chapter.title, chapter.page, #names > 0 and ": " or "",
    concat(names, ", ")))
end

-- ---- the command ---------------------------------------------------------------

-- The words of its help; it needs argparse, which not everybody has.
local has_command, usage = pcall(require, "bitrix24.cli.usage")
if has_command then
  local out, names = { "# The command\n", "[Index](index.md)\n" }, {}
  for _, command in ipairs(usage.commands) do
    local heading = "bitrix24 " .. command.name
    insert(out, ("\n## %s\n"):format(heading))
    insert(out, ("```text\n%s\n```"):format((command.help or command.summary or ""):gsub("%s+$", "")))
    insert(names, ("[`%s`](command.md#%s)"):format(heading, anchor(heading)))
  end
  write("command.md", out)
  insert(index, ("- [The command](command.md): %s"):format(concat(names, ", ")))
end

-- ---- the methods of the platform ---------------------------------------------

local domains, by_domain = {}, {}
for name in catalogue.each() do
  local domain = name:match "^[^.]+":lower()
  if not by_domain[domain] then
    by_domain[domain] = {}
    insert(domains, domain)
  end
  for _, version in ipairs { 2, 3 } do
    local row = catalogue.find(name, version)
    if row then insert(by_domain[domain], row) end
  end
end
sort(domains)

local function parameters(row)
  local list = {}
  for _, param in ipairs(row.params()) do
    insert(list, ("`%s`%s"):format(param.name, param.required and "\\*" or ""))
  end
  return concat(list, ", ")
end

local methods = {
  "# REST methods\n", "[Index](index.md)\n",
  ("The %d documented methods by domain, as far as this version knows them. "
    .. "What is not listed can be called all the same.\n"):format(catalogue.count()),
}
for _, domain in ipairs(domains) do
  local out = {
    ("# Methods of %s\n"):format(domain),
    "[Index](index.md) · [all domains](methods.md)\n",
    "`*` marks required parameters. The name leads to the platform's own documentation.\n",
    "| method | | parameters |", "| --- | --- | --- |",
  }
  for _, row in ipairs(by_domain[domain]) do
    local link = row.doc and ("[%s](%s)"):format(row.name, DOCUMENTATION:format(row.doc)) or row.name
    local notes = { "REST " .. (row.version == 3 and "3.0" or "2") }
    if row.kind == "list" then insert(notes, "list") end
    if row.write then insert(notes, "writes") end
    if row.app_context then insert(notes, "applications only") end
    if row.deprecated then
      insert(notes, row.replacement and "old: " .. row.replacement or "deprecated")
    end
    insert(out, ("| %s | %s | %s |"):format(link, concat(notes, ", "), parameters(row)))
  end
  write("methods-" .. domain .. ".md", out)
  insert(methods, ("- [%s](methods-%s.md): %d"):format(domain, domain, #by_domain[domain]))
end
write("methods.md", methods)
insert(index, "- [REST methods](methods.md)")
for i = 2, #arg do
  local page, title = arg[i]:match "^(.-)=(.*)$"
  insert(index, ("- [%s](%s)"):format(title or arg[i], page or arg[i]))
end
write("index.md", index)

if #problems > 0 then
  io.stderr:write(concat(problems, "\n"), "\n")
  os.exit(1)
end
