--- What options must be: one set of checks and one wording for every function
-- that takes some.
--
--     local OPTIONS = { timeout = rules.SECONDS, batch = rules.BOOLEAN }
--     opts = rules.check(opts, OPTIONS, "map")
--     --> map: option 'timeout' must be a positive number of seconds, got -1

local errors = require "bitrix24.errors"

local huge, math_type = math.huge, math.type
local pairs, tostring, type = pairs, tostring, type

local _ENV = nil -- luacheck: ignore

local function is_string(value) return type(value) == "string" and value ~= "" end
local function is_count(value) return math_type(value) == "integer" and value >= 0 end
local function is_positive(value) return math_type(value) == "integer" and value > 0 end
local function is_seconds(value) return type(value) == "number" and value > 0 and value < huge end

---@class bitrix24.Rule
---@field [1] (fun(value: any): boolean)? nil: any value will do
---@field [2] string? what it must be: "… must be %s, got …"
---@field number boolean? a wrong number is shown; elsewhere it may be a secret in the wrong place

local rules = {
  STRING = { is_string, "a non-empty string" },
  PATH = { is_string, "the path of a file" },
  SECONDS = { is_seconds, "a positive number of seconds", number = true },
  BOOLEAN = { function(value) return type(value) == "boolean" end, "true or false" },
  FUNCTION = { function(value) return type(value) == "function" end, "a function" },
  TABLE = { function(value) return type(value) == "table" end, "a table" },
  COUNT = { is_count, "an integer from 0", number = true },
  POSITIVE = { is_positive, "a positive integer", number = true },
}

--- Refuse options that are no table, that do not exist, or that are not what
-- they must be, with a `config` error at the script's line.
---@param options any nil: none are given
---@param known table<string, bitrix24.Rule>
---@param where string the function that takes them, e.g. "map"
---@param method string? REST method, for the error
---@return table options as they were given
function rules.check(options, known, where, method)
  if options == nil then return {} end
  if type(options) ~= "table" then
    errors.config(("%s: options must be a table, got %s"):format(where, type(options)), nil, method)
  end
  errors.check_options(options, known, where, method)
  for name, value in pairs(options) do
    local rule = known[name]
    local is = rule[1]
    if is and not is(value) then
      errors.config(("%s: option '%s' must be %s, got %s"):format(where, name, rule[2],
        rule.number and type(value) == "number" and tostring(value) or type(value)), nil, method)
    end
  end
  return options
end

return rules
