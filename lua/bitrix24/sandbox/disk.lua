--- Drives and what lies in their roots: disk.storage.getList, .getChildren and
-- .uploadFile (api-reference/disk/storage). The files are those of
-- chats/files.lua: what is uploaded, disk.file.get shows and its signed link
-- serves. Kind of records: "storages".

local format, match = string.format, string.match
local ipairs, pairs, tostring, type = ipairs, pairs, tostring, type
local json = require "bitrix24.json"
local base64 = require "bitrix24.sandbox.base64"
local files = require "bitrix24.sandbox.chats.files"
local common = require "bitrix24.sandbox.crm.common"

local _ENV = nil -- luacheck: ignore

local STORAGES = {
  { ID = 1, NAME = "My Drive", ENTITY_TYPE = "user", ENTITY_ID = "1", ROOT_OBJECT_ID = 4 },
  { ID = 2, NAME = "Group Drive", ENTITY_TYPE = "group", ENTITY_ID = "1", ROOT_OBJECT_ID = 6 },
  { ID = 3, NAME = "Company Drive", ENTITY_TYPE = "common", ENTITY_ID = "shared_files", ROOT_OBJECT_ID = 8 },
}
local FILTER = { ID = true, NAME = true, ENTITY_TYPE = true, ENTITY_ID = true, ROOT_OBJECT_ID = true }
local FILE_FILTER = {
  ID = true, NAME = true, TYPE = true, CREATE_TIME = true, UPDATE_TIME = true, CREATED_BY = true,
  PARENT_ID = true,
}

-- Numbers are text (disk/storage/disk-storage-get-list).
local function list(call)
  local found, page = common.query(call, "storages", { fields = FILTER, flat = true })
  local out = json.array {}
  for i, storage in ipairs(found) do
    out[i] = {
      ID = tostring(storage.ID), NAME = storage.NAME, CODE = json.null, MODULE_ID = "disk",
      ENTITY_TYPE = storage.ENTITY_TYPE, ENTITY_ID = storage.ENTITY_ID,
      ROOT_OBJECT_ID = tostring(storage.ROOT_OBJECT_ID),
    }
  end
  return out, page
end

local function storage_of(call)
  local id = common.int(call:param("id"))
  if not id then call:fail("ERROR_ARGUMENT", "Invalid value of parameter {Parameter #0}") end
  local storage = call.store:get("storages", id)
  if not storage then call:fail("ERROR_NOT_FOUND", format("Could not find entity with id `%d`.", id)) end
  return storage
end

local function children(call)
  local storage, filter = storage_of(call), {}
  for key, value in pairs(common.table(call:param("filter")) or {}) do filter[key] = value end
  filter["=PARENT_ID"] = storage.ROOT_OBJECT_ID
  local found, page = common.query(call, "files", { fields = FILE_FILTER, flat = true, filter = filter })
  local out = json.array {}
  for i, file in ipairs(found) do out[i] = files.shown(call, file) end
  return out, page
end

local function is_taken(call, folder, name)
  for _, file in ipairs(call.store:records("files")) do
    if file.PARENT_ID == folder and file.NAME == name then return true end
  end
  return false
end

-- "plan.pdf", "plan (1).pdf", "plan (2).pdf", …
local function unique(call, folder, name)
  local stem, ending = match(name, "^(.+)(%.[^.]*)$")
  local free, n = name, 0
  while is_taken(call, folder, free) do
    n = n + 1
    free = format("%s (%d)%s", stem or name, n, ending or "")
  end
  return free
end

local function upload(call)
  local storage = storage_of(call)
  local data, content = common.table(call:param("data")), common.list(call:param("fileContent"))
  local name, text = data and common.text(data.NAME), content[2]
  local bytes = type(text) == "string" and base64.decode(text)
  if not name then call:fail("DISK_BASE_SERVICE_22001", "Required parameter: NAME") end
  if not bytes then call:fail("ERROR_COULD_NOT_SAVE_FILE", "Could not save file") end
  local folder = storage.ROOT_OBJECT_ID
  if common.yes(call:param("generateUniqueName")) then
    name = unique(call, folder, name)
  elseif is_taken(call, folder, name) then
    call:fail("DISK_OBJ_22000", "An object with this name already exists")
  end
  local now = call.portal:date(call.portal:now())
  local id = call.store:add("files", {
    NAME = name, TYPE = "file", SIZE = #bytes, STORAGE_ID = storage.ID, PARENT_ID = folder,
    CREATED_BY = call.user_id, CREATE_TIME = now, UPDATE_TIME = now, CONTENT = text,
  })
  return files.shown(call, call.store:get("files", id))
end

return function(portal)
  portal.store:define("storages", { id = "ID", records = STORAGES })
  local define = { version = 2, scope = "disk" }
  portal:method("disk.storage.getList", define, list)
  portal:method("disk.storage.getChildren", define, children)
  -- files are not sent in a batch (settings/how-to-call-rest-api/batch)
  local change = { version = 2, scope = "disk", write = true, batch = false }
  portal:method("disk.storage.uploadFile", change, upload)
end
