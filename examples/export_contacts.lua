-- Export every contact to a CSV file. Killed or cut off, it goes on where it was when it is run again.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/export_contacts.lua FILE.csv
local path = assert(..., "usage: export_contacts.lua FILE.csv")
local progress = require "bitrix24.progress"
local portal <close> = require "bitrix24".connect()
local COLUMNS = { "id", "name", "lastName", "phone", "email" }
local params = { entityTypeId = 3, select = { "id", "name", "lastName", "fm" } } -- fm: phones and addresses
local state = path .. ".state" -- how far it has come; it goes when the export is complete

local function cell(value)
  value = tostring(value or ""):gsub("%c", " ")
  return value:find '[",]' and '"' .. value:gsub('"', '""') .. '"' or value
end

local resumes, last = io.open(state) ~= nil, 0
if resumes then -- what was written, but not yet noted in the state, comes again: skip it
  for line in io.lines(path) do last = tonumber(line:match "^%d+") or last end
end
local out <close> = assert(io.open(path, resumes and "a" or "w"))
out:setvbuf("full", 1 << 20) -- a page is written at once: the file ends with a whole line
if not resumes then out:write(table.concat(COLUMNS, ","), "\n") end
local count, total = 0, portal.crm.item.list:count(params)
for page in portal.crm.item.list:pages(params, { checkpoint = state }) do
  for _, contact in ipairs(page) do
    if contact.id > last then
      for _, entry in ipairs(contact.fm or {}) do -- the first of each
        local name = entry.typeId:lower()
        contact[name] = contact[name] or entry.value
      end
      local row = {}
      for i, name in ipairs(COLUMNS) do row[i] = cell(contact[name]) end
      out:write(table.concat(row, ","), "\n")
      count = count + 1
    end
  end
  assert(out:flush())
  progress("contacts", count, total)
end
progress()
print(("%d contacts %s %s"):format(count, resumes and "added to" or "written to", path))
