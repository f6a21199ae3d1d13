-- *.field.list and *.field.get of REST 3.0: what is known about each field of
-- an object. These are strict: an unknown name in their `select` is an error.

local json = require "bitrix24.json"
local rest3 = require "bitrix24.sandbox.hr.rest3"

local fields = {}

local ABOUT = {
  "name", "type", "title", "description", "validationRules", "requiredGroups", "filterable",
  "sortable", "editable", "multiple", "elementType",
}
local KNOWN = {}
for _, name in ipairs(ABOUT) do
  KNOWN[name] = true
end

local function described(field)
  return {
    name = field[1], type = field[2], title = field[1], description = json.null,
    validationRules = json.array {}, requiredGroups = json.null, filterable = field.filterable or false,
    sortable = field.sortable or false, editable = false, multiple = false, elementType = json.null,
  }
end

local function selected(call)
  local names = rest3.select(call)
  for _, name in ipairs(names or {}) do
    if not KNOWN[name] then
      call:fail3("UNKNOWNDTOPROPERTYEXCEPTION",
        ("Unknown field `%s` for entity `DtoFieldDto`"):format(name), 400)
    end
  end
  return names
end

--- Registers `prefix`.field.list and .field.get.
---@param list table[] each {name, type, filterable=, sortable=}
function fields.register(portal, prefix, scope, list)
  local define = { version = 3, scope = scope }
  portal:method(prefix .. ".field.list", define, function(call)
    local names = selected(call)
    return rest3.items(list, 0, #list, function(field)
      return rest3.project(call, described(field), names, ABOUT)
    end)
  end)
  portal:method(prefix .. ".field.get", define, function(call)
    local wanted, names = rest3.required(call, "name"), selected(call)
    for _, field in ipairs(list) do
      if field[1] == wanted then
        return { item = rest3.project(call, described(field), names, ABOUT) }
      end
    end
    -- the one code of REST 3.0 with a prefix of its own
    call:fail("BITRIX_REST_V3_REALISATION_EXCEPTION_FIELDNOTFOUNDEXCEPTION",
      ("Field `%s` not found"):format(tostring(wanted)), 400)
  end)
end

return fields
