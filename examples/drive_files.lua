-- Put files on the company drive and fetch them back, to see that they arrived unharmed.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/drive_files.lua FILE …
local paths = { ... }
assert(#paths > 0, "usage: drive_files.lua FILE …")
local bitrix24 = require "bitrix24"
local portal <close> = bitrix24.connect()
local drive = assert(portal.disk.storage.getList:first{ filter = { ENTITY_TYPE = "common" } },
  "this portal has no company drive")

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

for _, path in ipairs(paths) do
  local file = portal.disk.storage.uploadFile{
    id = drive.ID, data = { NAME = path:match "[^/\\]+$" }, fileContent = bitrix24.file(path),
    generateUniqueName = true, -- "plan (1).pdf" when there is a "plan.pdf"
  }
  local copy = os.tmpname()
  local _, bytes = portal:download(file.DOWNLOAD_URL, copy) -- a signed link, good for some time
  local same = read(copy) == read(path)
  os.remove(copy)
  assert(same, path .. " came back changed")
  print(("%s → %s: file %s, %d bytes: %s"):format(path, drive.NAME, file.ID, bytes, file.NAME))
end
