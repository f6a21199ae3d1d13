--- bitrix24 describe METHOD: what the catalogue knows of a method.

local catalogue = require "bitrix24.catalogue"
local errors = require "bitrix24.errors"
local hints = require "bitrix24.hints"

local concat = table.concat
local ipairs, tonumber = ipairs, tonumber

local _ENV = nil -- luacheck: ignore

local DOCUMENTATION = "https://apidocs.bitrix24.com/%s.html"
local ENUM_SHOWN = 12

--- One line for a parameter, more for what is in it.
local function parameter(out, param, indent)
  local line = ("%s%s%s"):format(indent, param.required and "* " or "  ", param.name)
  local what = { param.type }
  if param.file then what[#what + 1] = "a file: key@path" end
  if param.aliases then what[#what + 1] = "or " .. concat(param.aliases, ", ") end
  if param.enum then
    local shown = concat(param.enum, " | ", 1, #param.enum > ENUM_SHOWN and ENUM_SHOWN or #param.enum)
    what[#what + 1] = shown .. (#param.enum > ENUM_SHOWN and " | …" or "")
  end
  out[#out + 1] = ("%-32s %s"):format(line, concat(what, ", ")):gsub(" +$", "")
  for _, child in ipairs(param.children or {}) do parameter(out, child, indent .. "  ") end
end

local PAGES = {
  start = "by start", offset = "by offset", last_id = "by the last id", page = "by page numbers",
  cursor = "by a cursor", limit = "one page of a chosen size",
}

local function result_of(row)
  local out = { row.result or "not documented" }
  if row.items_key then out[#out + 1] = "records in " .. row.items_key end
  if row.item_key then out[#out + 1] = "the record in " .. row.item_key end
  if row.id_field then out[#out + 1] = "identified by " .. row.id_field end
  return concat(out, ", ")
end

--- Is it written by its keys? Pages call the fields of a record an array, too.
local function has_keys(param)
  if param.array then return param.name:lower() == "fields" end
  return param.children ~= nil or param.type == "object"
end

--- How a parameter may be typed; shells read brackets.
local function typed(words, param)
  if not has_keys(param) then
    words[#words + 1] = (param.array and "'%s[]=…'" or "%s=…"):format(param.name)
    return
  end
  local count = #words
  for _, child in ipairs(param.children or {}) do
    if child.required and not child.name:find("[<.*]") then
      words[#words + 1] = ("'%s[%s]=…'"):format(param.name, child.name)
    end
  end
  if #words == count then words[count + 1] = ("'%s[…]=…'"):format(param.name) end
end

--- How it may be typed.
local function example(row)
  local words = { row.kind == "list" and "bitrix24 list" or "bitrix24 call", row.name }
  for _, param in ipairs(row.params()) do
    if param.required and not param.name:find("[<.*]") then typed(words, param) end
  end
  if catalogue.find(row.name, row.version == 3 and 2 or 3) then
    words[#words + 1] = "--rest " .. row.version
  end
  return concat(words, " ")
end

---@param here bitrix24.cli.Console
---@param options table
return function(here, options)
  local version = tonumber(options.rest)
  local row = catalogue.find(options.METHOD, version)
  if not row then
    local name = options.METHOD:match("^[%w_.-]+$") and #options.METHOD < 80 and options.METHOD
    errors.config("the catalogue does not know this method",
      name and hints.unknown_method(name, version) or "bitrix24 methods WORD finds methods", name or nil)
  end
  local out = { ("%s (REST %s)"):format(row.name, row.version == 3 and "3.0" or "2") }
  local function fact(name, value) out[#out + 1] = ("  %-10s %s"):format(name, value) end
  fact("does", (row.write and "writes" or "reads") .. (row.kind ~= "other" and ", " .. row.kind or ""))
  if row.deprecated then fact("deprecated", row.replacement and "use " .. row.replacement or "yes") end
  fact("scope", #row.scope > 0 and concat(row.scope, ", ") or "not documented")
  if row.app_context then fact("needs", "an application's authorization, not a webhook") end
  fact("returns", result_of(row))
  if row.page.style ~= "none" then
    local size = row.page.size and (", %d records each"):format(row.page.size) or ""
    fact("pages", PAGES[row.page.style] .. size)
  end
  local params = row.params()
  out[#out + 1] = ""
  out[#out + 1] = #params > 0 and "parameters (* required):" or "no parameters"
  for _, param in ipairs(params) do parameter(out, param, "  ") end
  out[#out + 1] = ""
  out[#out + 1] = example(row)
  if row.doc and row.doc ~= "" then out[#out + 1] = DOCUMENTATION:format(row.doc) end
  here:write(concat(out, "\n") .. "\n")
end
