--- bitrix24 methods: find methods by words.

local catalogue = require "bitrix24.catalogue"
local hints = require "bitrix24.hints"

local concat, max = table.concat, math.max
local ipairs = ipairs

local _ENV = nil -- luacheck: ignore

--- Names that begin so, for shells that complete a word.
local function names(here, start)
  start = (start or ""):lower()
  for name in catalogue.each() do
    if name:lower():sub(1, #start) == start then here:write(name .. "\n") end
  end
end

local function has_all(name, words)
  for _, word in ipairs(words) do
    if not name:find(word, 1, true) then return false end
  end
  return true
end

--- What a method is, in a few words.
local function about(row)
  local out = { row.kind ~= "other" and row.kind or row.write and "write" or "read" }
  if catalogue.find(row.name, 3) then out[#out + 1] = row.version == 3 and "REST 3.0" or "REST 2 and 3.0" end
  if row.app_context then out[#out + 1] = "applications only" end
  if row.deprecated then
    out[#out + 1] = "deprecated" .. (row.replacement and ": use " .. row.replacement or "")
  end
  return concat(out, ", ")
end

---@param here bitrix24.cli.Console
---@param options table
return function(here, options)
  if options.names then return names(here, options.WORD[1]) end
  local words, found, width = {}, {}, 0
  for i, word in ipairs(options.WORD) do words[i] = word:lower() end
  for name in catalogue.each() do
    if has_all(name:lower(), words) then
      found[#found + 1] = name
      width = max(width, #name)
    end
  end
  for _, name in ipairs(found) do
    here:write(("%s%s  %s\n"):format(name, (" "):rep(width - #name), about(catalogue.find(name))))
  end
  if #found > 0 then return 0 end
  here:fail("no method has these words in its name",
    hints.closest(concat(words, ".")) or "fewer or shorter words find more")
  return 1
end
