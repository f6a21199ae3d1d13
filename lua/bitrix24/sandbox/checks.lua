--- What a script gives to a sandbox, checked before anything is done with it.
-- A check raises a `config` error at the script's line.

local ipairs, next, pairs, tonumber, type = ipairs, next, pairs, tonumber, type
local concat = table.concat
local open = io.open
local huge, math_type, tointeger = math.huge, math.type, math.tointeger
local errors = require "bitrix24.errors"
local json = require "bitrix24.json"
local seed = require "bitrix24.sandbox.seed"

local _ENV = nil -- luacheck: ignore

local checks = {}

local function bad(name, expected)
  errors.config(("sandbox.start: option '%s' must be %s"):format(name, expected))
end

local function is_number(value, low)
  return math_type(value) ~= nil and value >= low and value < huge
end

local function is_count(value)
  return math_type(value) == "integer" and value >= 0
end

--- A whole number however it was computed: 1e3 and 10 / 2 are.
local function whole(value)
  return math_type(value) == "float" and tointeger(value) or value
end

local LIMITS = { rate = true, burst = true, leak = true, phase = true }
local OPERATING = { limit = true, window = true, scale = true, cost = true, charge = true }

-- Option → check.
local known = {
  seed = function(value, name)
    if math_type(value) ~= "integer" then bad(name, "an integer") end
  end,
  latency = function(value, name)
    if not is_number(value, 0) then bad(name, "a number of seconds") end
  end,
  token_ttl = function(value, name)
    if not is_number(value, 0) then bad(name, "a number of seconds") end
  end,
  port = function(value, name)
    if not is_count(value) or value > 65535 then bad(name, "a port number") end
  end,
  tls = function(value, name)
    if type(value) ~= "boolean" then bad(name, "true or false") end
  end,
  edition = function(value, name)
    if value ~= "seeds" and value ~= "2026" then bad(name, '"seeds" or "2026"') end
  end,
  fixture = function(value, name)
    if type(value) ~= "table" and type(value) ~= "string" then
      bad(name, "a table or the path of a JSON file")
    end
  end,
  scope = function(value, name)
    if type(value) ~= "table" then bad(name, "a list of scopes") end
  end,
  limits = function(value, name)
    if value == "standard" or value == "enterprise" or value == false then return end
    if type(value) ~= "table" then bad(name, '"standard", "enterprise", {rate=, burst=} or false') end
    errors.check_options(value, LIMITS, "sandbox.start: limits")
    if not is_number(value.rate, 0) or value.rate == 0 or not is_number(value.burst, 1) then
      bad(name, "a table with a rate above 0 and a burst of 1 or more")
    end
    if value.leak ~= nil and value.leak ~= "step" and value.leak ~= "even" then
      bad("limits.leak", '"step" or "even"')
    end
    if value.phase ~= nil and not is_number(value.phase, 0) then
      bad("limits.phase", "a number of seconds")
    end
  end,
  operating = function(value, name)
    if value == false then return end
    if type(value) ~= "table" then bad(name, "a table or false") end
    errors.check_options(value, OPERATING, "sandbox.start: operating")
    if value.charge ~= nil and value.charge ~= "command" and value.charge ~= "batch" then
      bad("operating.charge", '"command" or "batch"')
    end
  end,
}

local function read_fixture(path)
  local file, why = open(path, "rb")
  if not file then errors.config("sandbox.start: cannot read the fixture: " .. why) end
  local text = file:read("a")
  file:close()
  local value, problem = json.decode(text or "")
  if type(value) ~= "table" then
    errors.config(("sandbox.start: the fixture %s is not a JSON object of records: %s")
      :format(path, problem or "a bare value"))
  end
  return value
end

local function is_list(value)
  if type(value) ~= "table" then return false end
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  return count == #value
end

local function to_id(value)
  local number = (type(value) == "number" or type(value) == "string") and tonumber(value)
  local id = number and tointeger(number)
  return id and id > 0 and id or nil
end

--- Refuse records that would be passed over in silence.
local function check_fixture(fixture)
  for kind, records in pairs(fixture) do
    if type(kind) ~= "string" then
      errors.config("sandbox.start: a fixture is lists of records by kind: { contacts = { { ID = 5, … } } }")
    end
    local at = "sandbox.start: fixture." .. kind
    if not is_list(records) then errors.config(at .. " must be a list of records") end
    local seen = {}
    for index, record in ipairs(records) do
      if type(record) ~= "table" then errors.config(("%s[%d] must be a record"):format(at, index)) end
      local given = record.ID
      if given == nil then given = record.id end
      local id = to_id(given)
      if given ~= nil and not id then
        errors.config(("%s[%d]: the id must be a positive integer"):format(at, index))
      elseif id and seen[id] then
        errors.config(("%s[%d]: another record has the id %d"):format(at, index, id))
      elseif id then
        seen[id] = true
      end
    end
  end
end

--- Options of sandbox.start, sizes of collections apart from the rest.
---@param given table
---@return table
function checks.options(given)
  local names, options, sizes = {}, {}, {}
  for name in pairs(known) do names[name] = true end
  for kind in pairs(seed.sizes) do names[kind] = true end
  errors.check_options(given, names, "sandbox.start")
  for name, value in pairs(given) do
    local check = known[name]
    if check then
      if name == "seed" or name == "port" then value = whole(value) end
      check(value, name)
      options[name] = value
    else
      sizes[name] = whole(value)
      if not is_count(sizes[name]) then bad(name, "a number of records") end
    end
  end
  if type(options.fixture) == "string" then options.fixture = read_fixture(options.fixture) end
  if options.fixture then check_fixture(options.fixture) end
  options.sizes = next(sizes) and sizes or nil
  return options
end

local ACTIONS = {
  "reset", "cut", "html", "empty", "hang", "reset_body", "length", "gzip", "gzip_cut", "unavailable",
  "drip", "stall", "forget", "vanish",
  "flood", "flood_length", "headers", "deep", "bomb", "redirect", "redirect_new",
}
local TRANSFERS = {
  "whole", "reset", "cut", "reset_body", "length", "stall", "drip", "gzip_cut", "flood", "flood_length",
  "headers", "bomb",
}
local FORGETS = { "forget", "vanish" }
local FAULT = { method = true, nth = true, action = true, after = true, count = true }
local FAULT_ACTION = {
  status = true, body = true, headers = true, error = true, description = true,
  delay = true, retry_after = true, transfer = true, every = true, forget = true, depth = true,
}

local function did_you_mean(word, words)
  local nearest = errors.nearest(word, words)
  return nearest and ("did you mean '%s'?"):format(nearest)
end

local function check_word(value, words, name)
  for _, word in ipairs(words) do
    if value == word then return end
  end
  errors.config(("fault: action: '%s' must be one of %s"):format(name, concat(words, ", ")),
    did_you_mean(value, words))
end

local function check_action(action)
  errors.check_options(action, FAULT_ACTION, "fault: action")
  if action.transfer ~= nil then check_word(action.transfer, TRANSFERS, "transfer") end
  if action.forget ~= nil then check_word(action.forget, FORGETS, "forget") end
  if action.every ~= nil and not is_number(action.every, 0) then
    errors.config("fault: action: 'every' must be a number of seconds")
  end
  if action.depth ~= nil and not is_count(action.depth) then
    errors.config("fault: action: 'depth' must be a number of levels")
  end
end

--- Every name of an action is one small word, and no code of the platform is:
-- those have capitals or underscores.
local function check_name(action)
  for _, name in ipairs(ACTIONS) do
    if action == name then return end
  end
  local meant = did_you_mean(action, ACTIONS)
  if meant or action:find("^%l+$") then
    errors.config(("fault: unknown action '%s'"):format(action), meant or ("one of %s, an error code of the "
      .. "platform, or { error = '%s' }"):format(concat(ACTIONS, ", "), action))
  end
end

--- What sb:fault is given.
---@param spec any
function checks.fault(spec)
  if type(spec) ~= "table" then errors.config('fault: give a table, e.g. { action = "reset" }') end
  errors.check_options(spec, FAULT, "fault")
  local method, action = spec.method, spec.action
  if method ~= nil and type(method) ~= "string" then
    errors.config("fault: 'method' must be a method's name, e.g. \"crm.deal.add\"")
  end
  if type(action) == "table" then
    check_action(action)
  elseif type(action) == "string" then
    check_name(action)
  elseif action == nil then
    errors.config("fault: 'action' is missing", ("one of %s, or an error code of the platform"):format(
      concat(ACTIONS, ", ")))
  else
    errors.config("fault: 'action' must be a name, an error code of the platform or a table")
  end
  for _, name in ipairs { "nth", "count" } do
    if spec[name] ~= nil and (not is_count(spec[name]) or spec[name] < 1) then
      errors.config(("fault: '%s' must be a positive integer"):format(name))
    end
  end
end

local MOVE = { status = true, to = true }
local MOVED = { [301] = true, [302] = true, [307] = true, [308] = true }

--- What sb:move is given.
---@param spec any
---@return integer status, string? to
function checks.move(spec)
  if type(spec) ~= "table" then errors.config("move: give a table, e.g. { status = 302 }, or false") end
  errors.check_options(spec, MOVE, "move")
  local status, to = spec.status or 302, spec.to
  if not MOVED[status] then errors.config("move: 'status' must be 301, 302, 307 or 308") end
  if to ~= nil then
    to = type(to) == "string" and to:match("^(https?://[%w.-]+:?%d*)/?$")
    if not to then errors.config("move: 'to' must be an origin such as https://localhost:8443") end
  end
  return status, to
end

--- What sb:time is given.
---@param seconds any
function checks.time(seconds)
  if not is_number(seconds, -huge) then errors.config("time: give a number of seconds") end
end

--- What sb:set is given.
---@param id any
---@param fields any
function checks.set(id, fields)
  if not to_id(id) then errors.config("set: the id must be a positive integer") end
  if fields ~= nil and type(fields) ~= "table" then
    errors.config("set: the fields must be a table or nil")
  end
end

return checks
