-- note.collection.list: knowledge bases by position, newer ids first within
-- one. The next page is asked for with {position, id} of the last item, which
-- the answer gives as nextCursor, null at the end. Page sizes and cursors that
-- make no sense are put right without a word (note/collection/note-collection-list).

local json = require "bitrix24.json"
local world = require "bitrix24.sandbox.users.world"

local function maker(portal)
  local users = world.size(portal, "users")
  return function(seed, id)
    local created = world.EPOCH - 86400 * (1 + world.roll(seed, "note", id) % 300)
    local author = 1 + world.roll(seed, "note author", id) % users
    return {
      id = id, name = ("Knowledge Base %d"):format(id),
      position = 100 * (1 + world.roll(seed, "position", id) % 4),
      policyLevel = id % 3 == 0 and "portal" or "private", accessLevel = "full", isArchived = false,
      createdBy = author, updatedBy = author, createdAt = portal:date(created),
      updatedAt = portal:date(created + 3600),
    }
  end
end

local FIELDS = { "id", "name", "position", "policyLevel", "accessLevel", "isArchived", "createdBy",
  "createdAt", "updatedBy", "updatedAt" }

local function shown(note)
  local item = { markdownDescription = json.null }
  for _, name in ipairs(FIELDS) do
    item[name] = note[name]
  end
  return item
end

local function page_of(call)
  local given = call.params.pagination
  given = type(given) == "table" and given or {}
  local limit = world.limit(given.limit, 50, 200)
  local cursor = type(given.afterCursor) == "table" and given.afterCursor or {}
  local position, id = world.int(cursor.position), world.int(cursor.id)
  if not position or not id then
    return limit
  end
  return limit, position, id
end

local function before(a, b)
  if a.position ~= b.position then
    return a.position < b.position
  end
  return a.id > b.id
end

local function list(call)
  local limit, position, id = page_of(call)
  local all, items = {}, json.array {}
  for _, note in ipairs(call.store:records("notes")) do
    if not position or before({ position = position, id = id }, note) then
      all[#all + 1] = note
    end
  end
  table.sort(all, before)
  for i = 1, math.min(limit, #all) do
    items[i] = shown(all[i])
  end
  local last = #all > limit and items[#items]
  return {
    items = items, nextCursor = last and { position = last.position, id = last.id } or json.null,
  }
end

return function(portal)
  world.define(portal, "notes", "id", maker(portal))
  portal:method("note.collection.list", { version = 3, scope = "note" }, list)
end
