-- Files sent in chats: disk.file.get, and the address behind DOWNLOAD_URL. What
-- disk.lua keeps on the drives is of the same kind.
--
-- The address is signed: it works without authorization, only with its token,
-- and answers 404 to a client that does not say who it is
-- (settings/how-to-call-rest-api/general-principles#headers).

local base64 = require "bitrix24.sandbox.base64"
local json = require "bitrix24.json"
local world = require "bitrix24.sandbox.users.world"

local files = {}

local PREFIX = "/sandbox/download/"
local NAMES = { "Offer.docx", "Price list.xlsx", "Plan.pdf", "Photo.jpg", "Minutes.txt" }

-- Uploaded files have theirs in the record.
local function content(id, record)
  if record and record.CONTENT then return base64.decode(record.CONTENT) end
  return ("File %d of the sandbox portal.\n"):format(id):rep(20 + id)
end

local function token(seed, id)
  return ("%08x%08x"):format(world.roll(seed, "file token", id), world.roll(seed, "file secret", id))
end

local function maker(portal)
  local users = world.size(portal, "users")
  return function(seed, id)
    local created = world.EPOCH - world.roll(seed, "file", id) % (200 * 86400)
    return {
      ID = id, STORAGE_ID = 3, PARENT_ID = 8, NAME = NAMES[1 + id % #NAMES], TYPE = "file",
      SIZE = #content(id),
      CREATED_BY = 1 + world.roll(seed, "file author", id) % users,
      CREATE_TIME = portal:date(created), UPDATE_TIME = portal:date(created + 600),
    }
  end
end

--- A file as the methods show it: numbers are text, the size too
-- (disk/file/disk-file-get).
function files.shown(call, file)
  local author = tostring(file.CREATED_BY)
  local url = world.url(call.portal)
  return {
    ID = tostring(file.ID), NAME = file.NAME, CODE = json.null, STORAGE_ID = tostring(file.STORAGE_ID),
    TYPE = file.TYPE, PARENT_ID = tostring(file.PARENT_ID), DELETED_TYPE = "0",
    GLOBAL_CONTENT_VERSION = "1", FILE_ID = tostring(5000 + file.ID),
    SIZE = tostring(file.SIZE), CREATE_TIME = file.CREATE_TIME, UPDATE_TIME = file.UPDATE_TIME,
    DELETE_TIME = json.null, CREATED_BY = author, UPDATED_BY = author, DELETED_BY = "0",
    DOWNLOAD_URL = ("%s%s%d?token=%s"):format(url, PREFIX, file.ID, token(world.seed(call.portal), file.ID)),
    DETAIL_URL = ("%s/company/personal/user/%s/disk/file/%d"):format(url, author, file.ID),
  }
end

local function file_get(call)
  local id = world.int(call:param("id"))
  if not id then
    call:fail("ERROR_ARGUMENT", "Invalid value of parameter {Parameter #0}")
  end
  local file = id > 0 and call.store:get("files", id)
  if not file then
    call:fail("ERROR_NOT_FOUND", ("Could not find entity with id `%d`."):format(id))
  end
  return files.shown(call, file)
end

local function header(request, name)
  for key, value in pairs(request.headers or {}) do
    if tostring(key):lower() == name then
      return value
    end
  end
  return nil
end

-- Serves DOWNLOAD_URL: request {uri=, headers=} → status, headers, body.
local function download(portal)
  return function(request)
    local id = world.int(request.uri:match("^" .. PREFIX .. "(%d+)"))
    local given = request.uri:match("[?&]token=(%x+)")
    local file = id and portal.store:get("files", id)
    local agent = header(request, "user-agent")
    if not file or given ~= token(world.seed(portal), id) or not agent or agent == "" then
      return 404, { ["Content-Type"] = "text/plain" }, "Not found"
    end
    return 200, {
      ["Content-Type"] = "application/octet-stream",
      ["Content-Disposition"] = ('attachment; filename="%s"'):format(file.NAME),
    }, content(id, file)
  end
end

function files.load(portal)
  world.define(portal, "files", "ID", maker(portal))
  portal:method("disk.file.get", { version = 2, scope = "disk" }, file_get)
  if portal.route then
    portal:route(PREFIX, download(portal))
  else
    portal.routes = portal.routes or {}
    portal.routes[PREFIX] = download(portal)
  end
end

return files
