-- biconnector.source.list: pages by number, 50 records, no total; its errors
-- travel with status 200 (biconnector/source/biconnector-source-list).

local json = require "bitrix24.json"
local world = require "bitrix24.sandbox.users.world"

local FIELDS = { "id", "title", "type", "code", "description", "active", "dateCreate", "dateUpdate",
  "createdById", "updatedById", "connectorId" }
local KNOWN = { settings = true }
for _, name in ipairs(FIELDS) do
  KNOWN[name] = true
end

local TITLES = { "Sql_host", "Sql_partner", "Warehouse" }

-- "2025-03-24 07:25:59", without a time zone.
local function plain(portal, at)
  return (portal:date(at):gsub("T", " "):sub(1, 19))
end

local function maker(portal)
  return function(seed, id)
    local created = world.EPOCH - id * 86400
    return {
      id = id, title = ("%s_%d"):format(world.pick(TITLES, seed, "source", id), id),
      type = "rest", code = "rest_" .. id, description = id % 2 == 0 and "Nightly import" or "",
      active = world.roll(seed, "source active", id) % 5 ~= 0, dateCreate = plain(portal, created),
      dateUpdate = plain(portal, created + 3600), createdById = 1, updatedById = 1, connectorId = 1 + id % 4,
    }
  end
end

local function object(call, name)
  local value = call:param(name)
  if value == nil or value == json.null then
    return {}
  elseif type(value) ~= "table" then
    call:fail("VALIDATION_" .. name:upper() .. "_TYPE",
      ('Parameter "%s" must be array.'):format(name), 200)
  end
  return value
end

local function allow(call, what, name)
  if not KNOWN[name] then
    call:fail("VALIDATION_FIELD_NOT_ALLOWED_IN_" .. what:upper(),
      ('Field "%s" is not allowed in the "%s".'):format(tostring(name), what), 200)
  end
end

local function filter_of(call)
  local filter = {}
  for key, value in pairs(object(call, "filter")) do
    local name = tostring(key):gsub("^[^%w_]+", "")
    allow(call, "filter", name)
    if name ~= "settings" then
      filter[key] = value
    end
  end
  return filter
end

local function list(call)
  local names = object(call, "select")
  for _, name in ipairs(names) do
    allow(call, "select", name)
  end
  local order = object(call, "order")
  for name in pairs(order) do
    allow(call, "order", name)
  end
  local found = world.find(call, "sources", filter_of(call), next(order) and order or { id = "ASC" })
  local first = 50 * (math.max(world.int(call:param("page"), 1), 1) - 1)
  local page = json.array {}
  for i = first + 1, math.min(first + 50, #found) do
    local item = {}
    for _, name in ipairs(#names > 0 and names or FIELDS) do
      item[name] = found[i][name]
    end
    if item.id then
      item.id = tostring(item.id)
    end
    page[#page + 1] = item
  end
  return page
end

return function(portal)
  world.define(portal, "sources", "id", maker(portal))
  portal:method("biconnector.source.list", { version = 2, scope = "biconnector" }, list)
end
