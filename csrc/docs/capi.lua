--- The C API as a page of Markdown, out of the comments of the public headers:
--
--     lua5.4 csrc/docs/capi.lua csrc/include/bitrix24.h ... > c-api.md
--
-- A comment that stands right before a declaration documents it, one behind it
-- does so when there is none before. A comment with an empty line after it is
-- text of its section, `/* ---- name ---- */` begins one. Fails, naming them,
-- when functions have no comment: the page is whole or is not made.

local concat = table.concat

--- A comment without its stars.
local function text_of(comment)
  local body = comment:sub(3, -3):gsub("\n[ \t]*%* ?", "\n")
  local lines, least = {}, nil
  for line in (body:gsub("^%s+", ""):gsub("%s+$", "") .. "\n"):gmatch "(.-)\n" do
    -- without a star of their own the lines are set in by three
    lines[#lines + 1] = line
    local indent = #lines > 1 and line:find "%S" and #line:match "^ *" or nil
    if indent and (not least or indent < least) then least = indent end
  end
  for i = 2, #lines do lines[i] = lines[i]:sub((least or 0) + 1) end
  return concat(lines, "\n")
end

--- The end of a declaration that begins at `from`: its semicolon, and a comment
-- behind it on the same line.
local function declaration_end(text, from)
  local at, depth = from, 0
  while true do
    local found = text:find("/*", at, true)
    local mark = text:find("[{};]", at)
    if not mark then error("a declaration without an end: " .. text:sub(from, from + 40)) end
    if found and found < mark then
      at = select(2, text:find("*/", found + 2, true)) + 1
    else
      local what = text:sub(mark, mark)
      depth = depth + (what == "{" and 1 or what == "}" and -1 or 0)
      at = mark + 1
      if what == ";" and depth == 0 then return mark end
    end
  end
end

--- What a declaration declares.
local function name_of(code)
  local plain = code:gsub("/%*.-%*/", " ")
  local name = not plain:find "^typedef" and plain:match "([%w_]+)%s*%("
  return name or plain:match "([%w_]+)%s*;%s*$"
end

--- Parts of a header in their order: { section= }, { text= } and
-- { name=, code=, doc=, public= }.
local function parse(header)
  local parts, at, comment = {}, 1, nil
  local function put(part) parts[#parts + 1] = part end
  while true do
    at = header:find("%S", at)
    if not at then break end
    local line = header:match("^[^\n]*", at)
    if header:sub(at, at + 1) == "/*" then
      local stop = select(2, header:find("*/", at, true))
      local found = header:sub(at, stop)
      local section = found:match "^/%* %-%-%-%- (.-) %-+ %*/$"
      at = stop + 1
      if section then
        put { section = section }
      elseif header:find("^[ \t]*\n[ \t]*\n", at) or header:find("^%s*#ifndef", at) then
        put { text = text_of(found) }
      else
        comment = text_of(found)
      end
    elseif line:sub(1, 1) == "#" then
      local name, value = line:match "^#define%s+([%w_]+)%s+([^(%s].*)$"
      if name and not value:find "^__attribute" then
        put { name = name, code = line, doc = comment }
      end
      comment = nil
      repeat -- and the lines that continue it
        local last = header:match("^[^\n]*", at)
        at = at + #last + 1
      until last:sub(-1) ~= "\\"
    elseif line:find '^extern "C"' or line:find "^}$" then
      at = at + #line
    else
      local stop = declaration_end(header, at)
      local code = header:sub(at, stop)
      local behind, last = header:match("^[ \t]*(/%*.-%*/)()", stop + 1)
      local public = code:find "^B24_API " ~= nil
      if public then code = code:sub(#"B24_API " + 1):gsub("\n        ", "\n") end
      if not code:find "^struct " then -- somebody else's
        local doc = comment or behind and text_of(behind)
        put { name = name_of(code), code = code, public = public, doc = doc }
      end
      comment, at = nil, behind and last or stop + 1
    end
  end
  return parts
end

--- Outside of `code`: stars are stars, and names are links.
local function mark_up(text, known)
  local out = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    if not line:find "^    " then
      line = (line .. "``"):gsub("([^`]*)(`[^`]*`)", function(plain, code)
        plain = plain:gsub("%*", "\\*"):gsub("[%a_][%w_]*", function(name)
          return known[name] and ("[`%s`](#%s)"):format(name, name:lower()) or nil
        end)
        return plain .. (code == "``" and "" or code)
      end)
    end
    out[#out + 1] = line
  end
  return concat(out, "\n")
end

local function page(names)
  local out, known, missing, headers = {}, {}, {}, {}
  for _, name in ipairs(names) do
    local file <close> = assert(io.open(name, "rb"))
    local parts = parse(file:read "a")
    headers[#headers + 1] = { name = name:match "[^/]+$", parts = parts }
    for _, part in ipairs(parts) do
      if part.name then known[part.name] = true end
      if part.public and not part.doc then missing[#missing + 1] = part.name end
    end
  end
  if #missing > 0 then
    io.stderr:write("no comment: ", concat(missing, ", "), "\n")
    os.exit(1)
  end
  local function put(...) out[#out + 1] = concat { ... } end
  put "# The C API of bitrix24\n"
  for _, header in ipairs(headers) do
    put("## `#include <", header.name, ">`\n")
    for _, part in ipairs(header.parts) do
      if part.section then
        put("## ", part.section:sub(1, 1):upper(), part.section:sub(2), "\n")
      elseif part.text then
        put(mark_up(part.text, known), "\n")
      else
        put("### ", part.name, "\n")
        put("```c\n", part.code, "\n```\n")
        if part.doc then put(mark_up(part.doc, known), "\n") end
      end
    end
  end
  return concat(out, "\n")
end

io.write(page(arg))
