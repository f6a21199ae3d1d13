--- Dry runs: reads are answered, writes are recorded and not sent.
--
--     local plan = portal:plan(function(portal)
--       local id = portal.crm.deal.add{ fields = { TITLE = "Table" } }
--       portal.crm.deal.update{ id = id, fields = { STAGE_ID = "WON" } }
--     end)
--     print(plan)              -- the whole report
--     print(#plan.writes)      -- 2
--
-- While the function runs every portal of this Lua state is planned, also one
-- that is opened meanwhile: whichever way a script reaches a portal, nothing is
-- written. Calls are packed into requests as they would be; a request that holds
-- writes is taken off before the core, and its reads are sent without them.
--
-- What is not in the catalogue counts as a write. A read that needs the result
-- of a write is not asked; its result is a placeholder, too. All other reads see
-- the portal as it is, without what the writes before them would have changed.
--
-- The same script on the same portal gives the same plan, byte for byte: answers
-- are taken in the order of the requests, and nothing in it depends on time.

local envelope = require "bitrix24.envelope"
local errors = require "bitrix24.errors"
local front = require "bitrix24.front"
local json = require "bitrix24.json"
local placeholder = require "bitrix24.plan.placeholder"
local reference = require "bitrix24.batch.reference"
local report = require "bitrix24.plan.report"
local wire = require "bitrix24.wire"

local concat = table.concat
local find, gmatch, match = string.find, string.gmatch, string.match
local getmetatable, ipairs, next, pairs = getmetatable, ipairs, next, pairs
local error, pcall, rawget, setmetatable, type = error, pcall, rawget, setmetatable, type

local _ENV = nil -- luacheck: ignore

local plan = {}

--- Clients that are open, and the book of the plan that is being made.
local clients = setmetatable({}, { __mode = "k" })
local current

---@class bitrix24.Book what a plan has seen so far
---@field requests integer
---@field batches integer
---@field reads integer calls that were answered
---@field held table[] calls that were not sent, in order: method, version, params, write, number,
--- line (what the report says)
---@field texts table<string, boolean> of the placeholders
---@field used table<string, bitrix24.Row|false> by method
local Book = {}
Book.__index = Book

-- ---- parameters -------------------------------------------------------------------

--- A copy in which placeholders are their texts; the value itself when it has none.
local function shown(value, above)
  if type(value) ~= "table" then return value end
  local text = placeholder.text(value)
  if text then return text end
  if above[value] or reference.info(value) then return value end
  above[value] = true
  local copy
  for key, item in next, value do
    local out = shown(item, above)
    if out ~= item then
      copy = copy or {}
      copy[key] = out
    end
  end
  above[value] = nil
  if not copy then return value end
  for key, item in next, value do
    if copy[key] == nil then copy[key] = item end
  end
  return setmetatable(copy, json.kind(value) and getmetatable(value) or nil)
end

--- A value as it can be encoded.
---@param value any
function Book.shown(_, value)
  return shown(value, {})
end

--- The parameters of a call as they can be encoded.
---@param params table?
---@return table?
function Book.params(_, params)
  local out = shown(params, {})
  return type(out) == "string" and { out } or out
end

--- What a value refers to within its request (wire.lua, batch/fill.lua): the
-- command's key and the path, as text.
local function target(value)
  local meta, steps = getmetatable(value), rawget(value, "steps")
  if meta and type(steps) == "table" then
    local out = {}
    for i = 2, #steps do
      local step = steps[i]
      out[#out + 1] = type(step) == "string" and "." .. step or ("[%d]"):format(step + 1)
    end
    return steps[1], concat(out)
  end
  local path = meta and rawget(value, "$ref")
  if type(path) == "string" then return match(path, "^(c%d%d)(%..*)$") end
end

--- The parameters of a call as the plan keeps them: a reference of a batch is
-- the text of what it refers to. `held`: the commands of the same request that
-- are not sent. And does the call need what is not there?
local function look(book, value, held, names, above)
  if type(value) == "string" then
    if find(value, "<result of ", 1, true) then
      for text in gmatch(value, "<result of [^<>]+>") do
        if book.texts[text] then return value, true end
      end
    end
    return value, false
  end
  if type(value) ~= "table" or json.is_file(value) or above[value] then return value, false end
  local key, path = target(value)
  if key then
    return (held[key] or names[key] or "$result") .. path, held[key] ~= nil
  end
  above[value] = true
  local copy, needs = {}, false
  for name, item in next, value do
    local out, needed = look(book, item, held, names, above)
    copy[name], needs = out, needs or needed
  end
  above[value] = nil
  return setmetatable(copy, json.kind(value) and getmetatable(value) or nil), needs
end

-- ---- what is held back --------------------------------------------------------------

--- A text without the secrets of any portal that is planned.
function Book:clean(text)
  for client in pairs(self.fronts) do
    if not client:is_closed() then text = client:clean(text) end
  end
  return text
end

--- Keep a call that is not sent.
---@return table entry with `result`, its placeholder
local function hold(book, call, params, write)
  local number = book[write] + 1
  book[write] = number
  local form = write and "<result of %s #%d>" or "<result of %s, not asked #%d>"
  local text = form:format(call.method, number)
  local entry = {
    method = call.method, version = call.version, params = params, write = write, number = number,
    known = call.row ~= nil, text = text, result = placeholder.new(text),
  }
  entry.line = book:clean(report.line(entry)) -- now: a closed portal knows its secrets no more
  book.held[#book.held + 1], book.texts[text] = entry, true
  return entry
end

--- Look at one call of a request: nil when it is to be sent.
local function examine(book, call, held, names)
  book.used[call.method] = call.row or false
  local params, needs = look(book, call.params, held, names, {})
  if not call.row or call.row.write then return hold(book, call, params, true) end
  if needs then return hold(book, call, params, false) end
  book.reads = book.reads + 1
end

--- The answer of a batch, completed by what was not sent. Where the platform
-- stops at the first failure, what comes behind it would not have run.
local function complete(pending, entries, answer)
  local result, version = answer.result, pending.version
  local whole = answer.decoded and not answer.code and type(result) == "table"
  local failed, place, out = not whole, 0, {}
  local faults = whole and result.result_error
  if type(faults) ~= "table" then faults = {} end
  for i in ipairs(pending.calls) do
    local entry, key = entries[i], wire.key(i)
    if entry then entry.skipped = failed end -- anew each time that the request is sent
    if not entry then
      place = place + 1
      if version == 3 then
        out[i] = whole and result[place] or nil
      else
        failed = failed or pending.halt and faults[key] ~= nil
      end
    elseif not failed then
      out[version == 3 and i or key] = entry.result
    end
  end
  if not whole then return answer end
  if version == 3 then
    answer.result = out
  else
    if type(result.result) == "table" then
      for key, value in pairs(result.result) do out[key] = value end
    end
    result.result = out
  end
  return answer
end

--- The request that carries the reads of a batch. The keys stay, for commands
-- refer to each other by them.
local function rest_of(pending, entries)
  local version, methods, texts, cmd = pending.version, {}, {}, {}
  for i, one in ipairs(pending.calls) do
    if not entries[i] then
      methods[#methods + 1], texts[#texts + 1] = one.method, one.command
      cmd[wire.key(i)] = one.command
    end
  end
  if #texts == 0 then return nil end
  local body = version == 3 and ("[%s]"):format(concat(texts, ","))
    or json.encode { cmd = cmd, halt = pending.halt and 1 or 0 }
  return { method = "batch", version = version, harmless = true, body = body, commands = methods }
end

--- The answer of a request of which nothing is sent.
local function made_up(pending, entries)
  if not pending.calls then return { decoded = true, result = entries[1].result } end
  local answer = { decoded = true, result = pending.version == 3 and {} or { result = {} } }
  return complete(pending, entries, answer)
end

--- A request that the core carries.
local function carried(client, call, pending)
  local inner, kind, message = client.core.real:submit(call, pending)
  if not inner then return nil, kind, message end
  return { inner = inner }
end

--- A request of a client that is planned.
local function take(book, client, call, pending)
  if pending.read then return false end -- tokens, without which nothing can be read
  book.requests = book.requests + 1
  if pending.path then
    local _, needs = look(book, call.url, {}, {}, {})
    if not needs then
      book.reads = book.reads + 1
      return carried(client, call, pending)
    end
    hold(book, { method = "download", row = {} }, { url = call.url }, false)
    return { seen = {}, silent = true }
  end
  local calls, entries, held, names, count = pending.calls, {}, {}, {}, 0
  if calls then book.batches = book.batches + 1 end
  for i, one in ipairs(calls or { pending }) do
    local key = wire.key(i)
    entries[i] = examine(book, one, held, names) or false
    names[key] = ("<result of %s>"):format(one.method)
    if entries[i] then
      held[key], count = entries[i].text, count + 1
    end
  end
  if count == 0 then return carried(client, call, pending) end
  local rest = calls and rest_of(pending, entries)
  if not rest then
    return { seen = {}, silent = true, decode = function() return made_up(pending, entries) end }
  end
  local request, kind, message = carried(client, rest, pending)
  if not request then return nil, kind, message end
  function request.decode(_, body, status, content_type)
    local answer = envelope.read(body, status, content_type, nil, client.nulls,
      wire.below(pending.version))
    return complete(pending, entries, answer)
  end
  return request
end

-- ---- lists ----------------------------------------------------------------------------

--- Can a list not be asked for?
---@param caller table see list.lua
---@param params table?
function Book:holds(caller, params)
  local row = caller.row
  local _, needs = look(self, self:params(params), {}, {}, {})
  return not row or row.write or needs
end

--- A list that is not asked for has one item, which stands for each.
---@param name "each"|"pages"|"all"|"first"|"count"
function Book:list(name, caller, params)
  local row, method = caller.row, caller.method
  self.requests, self.used[method] = self.requests + 1, row or false
  local entry = hold(self, { method = method, version = caller.version, row = row },
    look(self, self:params(params) or {}, {}, {}, {}), not row or row.write)
  local item = entry.result[1]
  if name == "count" then return 1 end
  if name == "first" then return item end
  if name == "all" then return { item } end
  local given = name == "pages" and { item } or item
  return function()
    local out = given
    given = nil
    return out
  end
end

-- ---- the whole plan ---------------------------------------------------------------------

local function join(book, client)
  book.fronts[client] = front.new(client.core, function(call, pending)
    return take(book, client, call, pending)
  end, client.renewal == nil) -- a renewal moves on in steps of its own
  client.plan, client.core = book, book.fronts[client]
end

--- The clients are again as they were; what the plan has begun is dropped.
local function restore(book)
  current = nil
  for client, fronted in pairs(book.fronts) do
    local left = {}
    for request, pending in pairs(client.pending) do
      if type(request) == "table" and request.front == fronted then left[#left + 1] = pending end
    end
    for _, pending in ipairs(left) do client:cancel(pending) end
    client.plan, client.core = nil, fronted.real
  end
end

--- A client was opened.
---@param client bitrix24.Client
function plan.opened(client)
  clients[client] = true
  if current then join(current, client) end
end

--- Run a function and tell what it would do.
---@param client bitrix24.Client
---@param portal bitrix24.Portal what the function is given
---@param f fun(portal: bitrix24.Portal)
---@return bitrix24.Plan
function plan.run(client, portal, f)
  if type(f) ~= "function" then
    errors.config(("plan(f): expected a function, got %s"):format(type(f)),
      "portal:plan(function(portal) … end)")
  end
  client:check_open("plan")
  if current then errors.config("plan: a plan is being made already") end
  for one in pairs(clients) do
    if one.tasks:inside() or one.loop and one.loop:inside() then
      errors.config("plan: not inside of map, gather or a coroutine of the host's loop",
        "others that run beside it would be planned, too")
    end
  end
  local book = setmetatable({
    requests = 0, batches = 0, reads = 0, held = {}, texts = {}, used = {},
    [true] = 0, [false] = 0, -- writes and reads among what is held
    fronts = setmetatable({}, { __mode = "k" }),
  }, Book)
  do
    -- a coroutine that fails or is forgotten does not close its variables
    local guard <close> = setmetatable({}, { -- luacheck: ignore
      __close = function() restore(book) end,
      __gc = function() if current == book then restore(book) end end,
    })
    current = book
    for one in pairs(clients) do
      if not one.core:is_closed() then join(book, one) end
    end
    local ok, fault = pcall(f, portal)
    if not ok then
      restore(book)
      error(fault, 0)
    end
  end
  return report.new(book)
end

return plan
