-- Departments as REST 2 shows them: department.get, department.fields.
--
-- They are the nodes of the company structure (humanresources.node.*), so that
-- a department added there shows up here.

local json = require "bitrix24.json"
local world = require "bitrix24.sandbox.users.world"

local COLUMNS = { ID = true, NAME = true, SORT = true, PARENT = true, UF_HEAD = true }

-- Ids travel as text, SORT as a number; PARENT is absent at the top and
-- UF_HEAD where nobody leads (departments/department-get).
local function department(node)
  local head
  for _, member in ipairs(node.members) do
    head = head or member.role == "MEMBER_HEAD" and member.userId or nil
  end
  return {
    ID = tostring(node.id),
    NAME = node.name,
    SORT = node.sort or 500,
    PARENT = node.parentId and tostring(node.parentId) or nil,
    UF_HEAD = head and tostring(head) or nil,
  }
end

-- What to filter by and the column to sort by. Both may be called `sort`: a
-- column's name sorts, a number filters.
local function asked(call)
  local filter, column = {}, "ID"
  for key, value in pairs(call.params) do
    local name = type(key) == "string" and key:upper()
    if name == "SORT" and type(value) == "string" and COLUMNS[value:upper()] then
      column = value:upper()
    elseif COLUMNS[name] then
      filter[name] = value
    end
  end
  return filter, column
end

local function matches(record, filter)
  for name in pairs(COLUMNS) do
    local value = filter[name]
    if value ~= nil then
      local fits = false
      for _, one in ipairs(type(value) == "table" and value or { value }) do
        fits = fits or tostring(one) == tostring(record[name] or "")
      end
      if not fits then
        return false
      end
    end
  end
  return true
end

-- Numbers by value, names by letter; the id decides between equals.
local function before(column, descending)
  local function key(record)
    local value = record[column] or ""
    return tonumber(value) or (column == "NAME" and world.lower(value)) or 0
  end
  return function(a, b)
    local x, y = key(a), key(b)
    if x == y then
      x, y = tonumber(a.ID), tonumber(b.ID)
    end
    if descending then
      x, y = y, x
    end
    return x < y
  end
end

local function department_get(call)
  local list = {}
  local filter, column = asked(call)
  for _, node in ipairs(call.store:records("nodes")) do
    if node.type == "DEPARTMENT" then
      local record = department(node)
      if matches(record, filter) then
        list[#list + 1] = record
      end
    end
  end
  local descending = tostring(call:param("order") or ""):upper() == "DESC"
  table.sort(list, before(column, descending))
  local page, envelope = world.page(list, world.start(call:param("START")))
  return json.array(page), envelope
end

return function(portal)
  local define = { version = 2, scope = "department" }
  portal:method("department.get", define, department_get)
  portal:method("department.fields", define, function()
    return { ID = "ID", NAME = "Department Name", SORT = "Sorting Order",
      PARENT = "Parent Department", UF_HEAD = "Manager" }
  end)
end
