--- Batches made on purpose: calls are recorded, references to their results
-- included, and sent together.
--
--     local b    = portal:batch()
--     local me   = b.user.current()
--     local dept = b.department.get{ ID = me.UF_DEPARTMENT[1] }
--     b:run()
--     print(dept()[1].NAME)
--
-- A recorded call is checked at once and its parameters are copied; nothing is
-- sent before `run`. A batch may be added to and run again: only what has not
-- been sent yet goes out, and references to earlier results are filled in.

local catalogue = require "bitrix24.catalogue"
local domain = require "bitrix24.domain"
local errors = require "bitrix24.errors"
local json = require "bitrix24.json"
local reference = require "bitrix24.batch.reference"
local rules = require "bitrix24.rules"
local run_commands = require "bitrix24.batch.run"

local sort = table.sort
local getmetatable, ipairs, next, pcall = getmetatable, ipairs, next, pcall
local rawset, setmetatable, tostring, type = rawset, setmetatable, tostring, type
local math_type = math.type

local _ENV = nil -- luacheck: ignore

-- Private key: domains are looked up by string.
local BOOK = {}

local batch = {}

--- Recorded calls; `b.crm.item.get{…}` records one.
---@class bitrix24.Batch
local Batch = { __name = "bitrix24.batch" }
local methods = {}

local function is_batch(value)
  return type(value) == "table" and getmetatable(value) == Batch
end

local function book_of(self, name)
  if not is_batch(self) then errors.config(("call it with a colon: b:%s(…)"):format(name)) end
  return self[BOOK]
end

-- ---- recording -----------------------------------------------------------------

--- A copy of the parameters that later changes by the script do not reach, and
-- the references in it.
local function copy_params(book, method, params)
  local found, commands = {}, book.commands
  local copy = reference.replace(params, function(leaf, info)
    if info then
      if commands[info.command.index] ~= info.command then
        errors.config(("%s is a reference to another batch"):format(reference.describe(info)),
          "a reference is good in the batch that made it; call it there to get the value", method)
      end
      found[#found + 1] = info
    end
    return leaf
  end)
  return copy, found
end

--- Refuse what has no form in JSON, where the call is written.
local function check_params(method, row, params)
  local text, path, message = json.encode(reference.replace(params, function() return 0 end),
    row and row.shape(), "params")
  if not text then errors.config(("%s %s"):format(path, message), nil, method) end
end

--- Must this command travel by itself, whatever its parameters are?
local function goes_alone(book, row, version)
  if version ~= book.wire then return true end -- the other version's method, between the requests
  return row ~= nil and (row.batch == false or row.binary or row.body_array)
end

--- Its letters were looked at with the rest of the call. A name that is cut short is
-- refused here, before the other calls of its request are sent.
local function check_name(method)
  if ("." .. method .. "."):find("..", 1, true) then
    errors.config("a method's name is letters, digits, dots, _ and -: give e.g. crm.deal.list", nil, method)
  end
end

---@return bitrix24.Reference handle
local function record(book, method, params, opts)
  if opts ~= nil then
    errors.config("a call recorded in a batch takes no options", "give them to b:run", tostring(method))
  end
  if book.running then errors.config("the batch is running: nothing can be added to it now") end
  local row, version
  row, version, params = book.client:examine(method, book.version, params)
  check_name(method)
  local copy, references = copy_params(book, method, params or {})
  check_params(method, row, copy)
  local commands = book.commands
  local command = {
    index = #commands + 1, method = method, version = version, row = row, params = copy,
    references = references, state = "pending", alone = goes_alone(book, row, version),
  }
  commands[command.index] = command
  book.chained = book.chained or #references > 0
  return reference.new(command, {})
end

--- Record a call by name.
---@param method string
---@param params table? values may be handles of this batch, and places in them
---@param opts nil a recorded call takes none: they are run's
---@return bitrix24.Reference handle
function methods.call(self, method, params, opts)
  return record(book_of(self, "call"), method, params, opts)
end

-- ---- running -------------------------------------------------------------------

local RUN_OPTIONS = { halt = rules.BOOLEAN }

local function check_run(book, opts)
  if book.running then errors.config("the batch is running already") end
  opts = rules.check(opts, RUN_OPTIONS, "run")
  if opts.halt == false and book.wire == 3 then
    errors.config("run: a batch of REST 3.0 is all or nothing, halt = false is not possible",
      "call the methods side by side with portal:map")
  end
  if book.ran then
    for _, command in ipairs(book.commands) do
      if command.state == "pending" then return end
    end
    errors.config("the batch has run, and nothing was recorded since",
      "record calls first, or make a new batch")
  end
end

--- Send what was recorded: in the order of recording, up to 50 commands to a
-- request.
--
-- `halt = true`: the first command that fails stops the rest, which are
-- `skipped`. It is the default where a command refers to an earlier one, and
-- always so in REST 3.0. With `halt = false` all commands run but those that
-- refer to one that failed: the client then fills in the references, at the
-- price of a request for each link of a chain.
---@param opts { halt: boolean? }?
---@return integer failed how many commands failed or were skipped
function methods.run(self, opts)
  local book = book_of(self, "run")
  check_run(book, opts)
  local halt = opts and opts.halt
  if halt == nil then halt = book.chained or false end
  book.running, book.ran = true, true
  local guard <close> = setmetatable({}, { -- luacheck: ignore
    __close = function() book.running = false end,
  })
  return run_commands(book.client, book.wire, book.commands, book.wire == 3 or halt)
end

-- ---- the object ----------------------------------------------------------------

--- What domain tables call: a recorder instead of a portal.
local function recorder(book)
  local root = {}
  function root.call(_, method, params, opts)
    if is_batch(params) then
      errors.config(("b:%s(…): a batch has only run and call"):format(method),
        "record calls with a dot: b.user.current()")
    end
    return record(book, method, params, opts)
  end
  for _, name in ipairs(domain.WALKS) do
    root[name] = function(_, method)
      errors.config(("a batch records single calls, not :%s()"):format(name),
        "walk lists through the portal: it batches the pages by itself", method)
    end
  end
  return function() return root end
end

function Batch.__index(self, key)
  if type(key) ~= "string" then return nil end
  local root, found = self[BOOK].root
  if methods[key] and not (catalogue.has_prefix(key) or catalogue.is_method(key)) then
    return methods[key]
  elseif methods[key] then
    found = domain.shared(root, key, is_batch, methods[key])
  else
    found = domain.node(root, key)
  end
  rawset(self, key, found)
  return found
end

function Batch.__newindex(_, key)
  errors.config(("a batch cannot be assigned to: b.%s"):format(tostring(key)))
end

function Batch.__tostring(self)
  local commands = self[BOOK].commands
  return ("bitrix24 batch (%d command%s)"):format(#commands, #commands == 1 and "" or "s")
end

--- There is nothing to release: what was not run is not sent.
function Batch.__close() end

--- An empty batch.
---@param client bitrix24.Client
---@param version 2|3|nil nil = REST 2, and methods of REST 3.0 alone between
---@return bitrix24.Batch
function batch.new(client, version)
  client:check_open("batch")
  local book = { client = client, version = version, wire = version == 3 and 3 or 2, commands = {} }
  book.root = recorder(book)
  return setmetatable({ [BOOK] = book }, Batch)
end

local function before(a, b)
  if type(a) == type(b) then return a < b end
  return type(a) == "number"
end

--- Keys of a table of calls in the order they are sent: places, then names.
local function keys_of(calls)
  local keys = {}
  for key in next, calls do
    if type(key) ~= "string" and math_type(key) ~= "integer" then
      errors.config(("batch: a command's key must be a name or a place, got %s"):format(type(key)))
    end
    keys[#keys + 1] = key
  end
  sort(keys, before)
  return keys
end

local function check_entry(key, entry)
  local where = ("batch: command %s"):format(tostring(key))
  if type(entry) ~= "table" then
    errors.config(("%s must be { \"method\", params }, got %s"):format(where, type(entry)))
  end
  for name in next, entry do
    if name ~= 1 and name ~= 2 then
      errors.config(("%s must be { \"method\", params }; it also has %s"):format(where, tostring(name)),
        "parameters go into a table of their own")
    end
  end
  if type(entry[1]) ~= "string" then
    errors.config(("%s must be { \"method\", params }; its method is a %s"):format(where, type(entry[1])))
  end
end

--- Run calls given as a table, keyed as the caller likes.
---@param client bitrix24.Client
---@param version 2|3|nil
---@param calls table<string|integer, { [1]: string, [2]: table? }>
---@param opts { halt: boolean? }?
---@return table results by key
---@return table errors by key
function batch.run(client, version, calls, opts)
  if type(calls) ~= "table" then
    errors.config(("batch: expected a table of commands, got %s"):format(type(calls)))
  end
  local b, keys, handles = batch.new(client, version), keys_of(calls), {}
  for i, key in ipairs(keys) do
    check_entry(key, calls[key])
    handles[i] = record(b[BOOK], calls[key][1], calls[key][2])
  end
  methods.run(b, opts)
  local results, faults = {}, {}
  for i, key in ipairs(keys) do
    local ok, result = pcall(handles[i])
    if ok then results[key] = result else faults[key] = result end
  end
  return results, faults
end

--- What became of a recorded command: "ok", "failed", "skipped" (not sent, or
-- the batch stopped before it), "unknown" (sent, and no answer came) or
-- "pending" (not sent yet).
---@param handle bitrix24.Reference
---@return "ok"|"failed"|"skipped"|"unknown"|"pending"
function batch.state(handle)
  local info = reference.info(handle)
  if not info then
    errors.config(("state: expected a handle of a batch, got %s"):format(type(handle)))
  end
  local state = info.command.state
  return state == "sent" and "pending" or state
end

return batch
