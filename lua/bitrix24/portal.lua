--- The portal object: calls by name, lists, domain tables, versions.

local batch = require "bitrix24.batch"
local catalogue = require "bitrix24.catalogue"
local client = require "bitrix24.client"
local domain = require "bitrix24.domain"
local errors = require "bitrix24.errors"
local faults = require "bitrix24.fault"
local list = require "bitrix24.list"
local plan = require "bitrix24.plan"
local wire = require "bitrix24.wire"

local rawget, rawset, setmetatable = rawget, rawset, setmetatable
local ipairs, type, unpack = ipairs, type, table.unpack

local _ENV = nil -- luacheck: ignore

-- Private keys: domains are looked up by string, so these never collide.
local CLIENT, VERSION, PORTAL = {}, {}, {}

local portal = {}

--- A portal, or its view through one REST version (`portal.v2`, `portal.v3`).
---@class bitrix24.Portal
local Portal = { __name = "bitrix24.portal" }
local methods = {}

local function is_portal(value)
  return type(value) == "table" and rawget(value, CLIENT) ~= nil
end

local function client_of(self, name)
  local here = type(self) == "table" and rawget(self, CLIENT)
  if not here then errors.config(("call it with a colon: portal:%s(…)"):format(name)) end
  return here
end

--- Call a method by name, and wait. Raises what the portal answered as an error,
-- and what kept it from answering (bitrix24.Error).
---@param method string as the documentation spells it, in any case
---@param params table? a sequence where the method takes its parameters by place
---@param opts { timeout: number?, idempotent: boolean?, idempotency_key: string? }? timeout:
--- seconds for everything; idempotent: a repeat is harmless; the key is of REST 3.0
---@return any result the decoded result
---@return table response total, next, time, status, method, attempts
function methods.call(self, method, params, opts)
  return client_of(self, "call"):call(method, self[VERSION], params, opts)
end

--- What the list iterators need to know of a method: how to send and wait.
local function caller(self, name, method)
  local here = client_of(self, name)
  if type(method) ~= "string" then
    errors.config(("portal:%s(method, params): expected a method name, got %s"):format(name, type(method)))
  end
  here:check_name(method)
  local asked = self[VERSION]
  here:check_open(method)
  local row = catalogue.find(method, asked)
  local version = asked or row and row.version or 2
  local function call(params)
    return { method = method, version = version, row = row, params = params }
  end
  return {
    method = method,
    row = row,
    version = version,
    origin = here.home, -- as the script has it: a checkpoint holds also when the portal moves
    send = function(params) return here:send(method, asked, params) end,
    wait = function(pending) return here:wait(pending) end,
    cancel = function(pending) here:cancel(pending) end,
    clean = function(text) return here:clean(text) end,
    poll = function() here:poll() end,
    -- for bulk strategies: several calls of the method in one request
    may_batch = here.batch and here.tasks:beside() ~= nil,
    beside = function() return here.tasks:beside() or 1 end,
    command = function(params) return wire.command(call(params)) end,
    send_batch = function(list_of_params, halt)
      local calls = {}
      for i, params in ipairs(list_of_params) do calls[i] = call(params) end
      return here:send_batch(2, calls, halt)
    end,
    wait_batch = function(pending) return here:wait_batch(pending) end,
    fault = function(answer, pending)
      return faults.of_command(here, call(nil), answer, pending)
    end,
  }
end

--- Use a list, unless it is one that a plan cannot ask for.
local function use(self, name, method, params, opts)
  local made, book = caller(self, name, method), self[CLIENT].plan
  if book and book:holds(made, params) then return book:list(name, made, params) end
  return list[name](made, params, opts)
end

--- Iterate over the records of a list: all of them, or an error is raised. What
-- was fetched ahead is dropped when the loop is left.
---@param method string
---@param params table?
---@param opts bitrix24.ListOptions?
---@return fun(): any next
---@return nil
---@return nil
---@return table closing
function methods.each(self, method, params, opts)
  return use(self, "each", method, params, opts)
end

--- Iterate over the pages of a list, sequences of which none is empty.
---@param method string
---@param params table?
---@param opts bitrix24.ListOptions?
---@return fun(): any[]? next
---@return nil
---@return nil
---@return table closing
function methods.pages(self, method, params, opts)
  return use(self, "pages", method, params, opts)
end

--- Every record of a list in one sequence.
---@param method string
---@param params table?
---@param opts bitrix24.ListOptions? without a checkpoint
---@return any[]
function methods.all(self, method, params, opts)
  return use(self, "all", method, params, opts)
end

--- The first record, or nil; one request.
---@param method string
---@param params table?
---@return any
function methods.first(self, method, params, ...)
  return use(self, "first", method, params, ...)
end

--- How many records match: the portal's total where it can be believed, else by
-- walking the list.
---@param method string
---@param params table?
---@return integer
function methods.count(self, method, params, ...)
  return use(self, "count", method, params, ...)
end

--- Call `f(item, index)` for every item side by side; calls that wait at the
-- same time travel together in `batch` requests.
---@param items table a sequence
---@param f fun(item: any, index: integer): any
---@param opts { concurrency: integer?, batch: boolean?, on_error: "raise"|"collect"|nil }?
---@return table results in the order of `items`, with `n`
---@return table? errors by index, with on_error = "collect"
function methods.map(self, items, f, opts)
  local here = client_of(self, "map")
  return here.tasks:map(here.batch, items, f, opts)
end

--- Call functions side by side. The first that fails cancels the others, and its
-- error is raised.
---@param ... fun(): any
---@return any ... their first results
function methods.gather(self, ...)
  local here = client_of(self, "gather")
  local results, count = here.tasks:gather(here.batch, ...)
  return unpack(results, 1, count)
end

--- Calls that are sent together: without arguments, a batch that records them
-- (`b.user.current()`, then `b:run()`); with a table of commands, they run at once:
--
--     local results, errors = portal:batch{ me = {"user.current"}, d = {"department.get", {ID = 1}} }
---@param commands table<string|integer, { [1]: string, [2]: table? }>?
---@param opts { halt: boolean? }?
---@return bitrix24.Batch|table recorder, or results keyed as the commands
---@return table? errors keyed as the commands
function methods.batch(self, commands, opts)
  local here = client_of(self, "batch")
  if commands == nil and opts == nil then return batch.new(here, self[VERSION]) end
  return batch.run(here, self[VERSION], commands, opts)
end

--- A dry run: `f(portal)` runs, its reads are answered, its writes are
-- recorded and not sent; `print(plan)` shows what it would do.
---@param f fun(portal: bitrix24.Portal)
---@return bitrix24.Plan
function methods.plan(self, f)
  return plan.run(client_of(self, "plan"), self, f)
end

--- Fetch a signed link into a file. Its own timeout, for all attempts together,
-- takes the place of the portal's: give one for a file that is large.
---@param url string
---@param path string
---@param opts { timeout: number? }?
---@return string path
---@return integer bytes
function methods.download(self, url, path, opts)
  return client_of(self, "download"):download(url, path, opts)
end

--- Close the portal: requests in flight end as `cancelled`. Idempotent.
function methods.close(self)
  client_of(self, "close"):close()
end

local function view(self, version)
  return setmetatable({ [CLIENT] = self[CLIENT], [VERSION] = version, [PORTAL] = self }, Portal)
end

function Portal.__index(self, key)
  if type(key) ~= "string" then return nil end
  local found
  if key == "v2" or key == "v3" then
    found = view(self, key == "v2" and 2 or 3)
  elseif methods[key] and not (catalogue.has_prefix(key) or catalogue.is_method(key)) then
    return methods[key]
  elseif methods[key] then
    found = domain.shared(function() return self end, key, is_portal, methods[key])
  else
    found = domain.node(function() return self end, key)
  end
  rawset(self, key, found)
  return found
end

function Portal.__newindex(_, key)
  errors.config(("a portal cannot be assigned to: portal.%s"):format(key))
end

function Portal.__tostring(self)
  local here = rawget(self, CLIENT)
  if here.core:is_closed() then return "bitrix24 portal (closed)" end
  local version = rawget(self, VERSION)
  return ("bitrix24 portal %s%s"):format(here:clean(here.at),
    version and (" (REST %d)"):format(version) or "")
end

--- Views are closed with their portal, not by themselves.
local function close(self)
  if rawget(self, PORTAL) == nil then rawget(self, CLIENT):close() end
end

Portal.__close = close
Portal.__gc = close

--- Open a portal.
---@param options table as options.read returns them
---@return bitrix24.Portal
function portal.open(options)
  local here = client.new(options)
  local self = setmetatable({ [CLIENT] = here }, Portal)
  -- a portal is closed when it is collected; whoever holds the client, a loop
  -- or a call on its way, holds the portal too
  here.owner = self
  return self
end

portal.is_portal = is_portal

return portal
