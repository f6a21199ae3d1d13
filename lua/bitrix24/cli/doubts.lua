--- What the documentation has against the parameters of call and list. The
-- portal is the authority: a doubt is told, and the call is made. At the
-- keyboard a parameter that the portal ignores is easily not seen: a filter
-- that is none exports everything.

local parameters = require "bitrix24.parameters"

local find, gmatch, lower, match = string.find, string.gmatch, string.lower, string.match
local ipairs, pairs, type = ipairs, pairs, type

local _ENV = nil -- luacheck: ignore

local doubts = {}

--- "array" or "object" where a parameter is nothing else.
---@param param bitrix24.Param?
---@return "array"|"object"|nil
function doubts.structure(param)
  local wanted
  for kind in gmatch(param and param.type or "", "[^|]+") do
    local is = (kind == "array" or find(kind, "%[%]$")) and "array" or kind == "object" and "object"
    if not is then return nil end
    wanted = wanted or is
  end
  return wanted
end

--- Tell what came as text where more than text is documented.
local function judge_texts(here, params, values, path)
  local known = {}
  for _, param in ipairs(params or {}) do known[lower(param.name)] = param end
  for key, value in pairs(values) do
    local param = type(key) == "string" and known[lower(key)]
    local name = param and (path == "" and key or ("%s[%s]"):format(path, key))
    if param and type(value) == "table" then
      judge_texts(here, param.children, value, name)
    elseif param and type(value) == "string" and value ~= "" then
      local wanted = doubts.structure(param)
      if wanted then
        here:note(("warning: %s is text, and an %s is documented; give %s[%s]=…"):format(name, wanted, name,
          wanted == "array" and "" or "KEY"))
      end
    end
  end
end

--- Tell what is doubtful about parameters.
---@param here bitrix24.cli.Console
---@param row bitrix24.Row?
---@param params table
function doubts.tell(here, row, params)
  if not row then return end
  judge_texts(here, row.params(), params, "")
  for _, problem in ipairs(parameters.problems(row, params)) do
    local name, field = match(type(problem.key) == "string" and problem.key or "", "^([%w_]+)%.(.+)$")
    local hint = name and ("give %s[%s]=…"):format(name, field) or problem.hint
    here:note("warning: " .. problem.message .. (hint and "; " .. hint or ""))
  end
end

return doubts
