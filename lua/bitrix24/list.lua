--- Lists: every record or an error, in memory that does not grow.
--
-- Built over a *caller*, so that nothing here knows of HTTP:
--   method   the REST method
--   row      its catalogue row, nil when unknown
--   send     function(params) → pending; starts a request, does not block
--   wait     function(pending) → result, response; blocks, or raises
--   cancel   function(pending)
--   clean    function(text) → text without secrets, or nil
-- and, for the strategies that ask for several pages in one request,
--   may_batch   boolean
--   beside      function() → how many functions ask side by side, this one among
--               them: their single calls share a request; absent = 1
--   command     function(params) → text of a command, nil when it cannot be one
--   send_batch  function(list of params, halt) → pending
--   wait_batch  function(pending) → one outcome for each, in order
--   fault       function(outcome, pending) → the error of a failed command
--   poll        function(); moves what is on its way, does not block
-- Where the records are is list/records.lua, where a page's position goes
-- list/forms.lua, whether there is a further page core.page.

local batch = require "bitrix24.list.batch"
local checkpoint = require "bitrix24.list.checkpoint"
local errors = require "bitrix24.errors"
local forms = require "bitrix24.list.forms"
local given = require "bitrix24.given"
local keyset = require "bitrix24.list.keyset"
local find = require "bitrix24.list.records"
local params_of = require "bitrix24.list.params"
local rules = require "bitrix24.rules"
local sequential = require "bitrix24.list.sequential"

local huge = math.huge
local error, next, pcall, setmetatable = error, next, pcall, setmetatable

local _ENV = nil -- luacheck: ignore

local list = {}

--- The strategies by name; each has open(walk). `auto` takes the first one
-- of `preferred` whose fits(caller, params) is true. They all begin with one
-- page, so that a short list costs one request whichever it is.
local strategies = { sequential = sequential, batch = batch, keyset = keyset }
local preferred = { "keyset", "batch" }

local OPTIONS = {
  strategy = {}, limit = rules.COUNT, progress = rules.FUNCTION, ahead = rules.COUNT, checkpoint = rules.PATH,
}

local function check(caller, params, opts, where)
  given.check(caller.method, params)
  opts = rules.check(opts, OPTIONS, where, caller.method)
  if opts.checkpoint and where == "all" then
    errors.config("opts.checkpoint: all() hands nothing out before the end, so nothing could be resumed",
      "use each() or pages()", caller.method)
  end
  return opts
end

local function check_none(caller, params, opts, where)
  given.check(caller.method, params)
  if opts ~= nil then
    errors.config(("%s takes parameters alone, no options"):format(where), nil, caller.method)
  end
end

--- Keyset was asked for by name, or is needed for a checkpoint.
local function need_keyset(caller, params, asker)
  local why = keyset.refusal(caller, params)
  if why then
    errors.config(("%s needs a list that can be walked by id, and %s"):format(asker, why),
      "leave it out: the list is complete without it", caller.method)
  end
  return keyset
end

local function choose(caller, params, opts)
  local name = opts.strategy
  if name == nil or name == "auto" then
    if opts.checkpoint then return need_keyset(caller, params, "opts.checkpoint") end
    for i = 1, #preferred do
      local strategy = strategies[preferred[i]]
      if strategy.fits(caller, params) then return strategy end
    end
    return sequential
  end
  local strategy = strategies[name]
  if strategy == keyset then return need_keyset(caller, params, 'opts.strategy = "keyset"') end
  if strategy and opts.checkpoint then
    errors.config(("opts.checkpoint goes with strategy keyset, not %s"):format(name), nil, caller.method)
  end
  if strategy then return strategy end
  local names = { "auto" }
  for known_name in next, strategies do names[#names + 1] = known_name end
  local nearest = errors.nearest(name, names)
  -- only what is nearly one is shown: it may be a secret in the wrong place
  return errors.config(nearest and ("opts.strategy: no strategy %q"):format(name)
    or "opts.strategy must be \"auto\", \"keyset\", \"batch\" or \"sequential\"",
    nearest and ("did you mean %q?"):format(nearest) or nil, caller.method)
end

-- ---- the walk behind every iterator ----------------------------------------

local Walk = {}

--- Cancel what is in flight; the loop is over. Idempotent.
function Walk:close()
  local pages = self.pages
  self.pages, self.over = nil, true
  if pages then pages:close() end
end

--- Forget the rest and raise now and on every further step: a loop that goes
-- on after an error must not take it for the end of the list.
local function fail(self, e)
  local clean = self.caller.clean
  -- what is said of a page may quote it, and a page may hold anything
  if clean and errors.is_error(e) and e.kind == "protocol" then e.message = clean(e.message) end
  self.failure = e
  pcall(self.close, self)
  errors.throw(e)
end

--- Tell the caller how far it is. A total that is less than what came is
-- wrong and not passed on.
local function report(self, facts)
  local progress = self.progress
  if not progress then return end
  local total = facts.total
  if total and total < self.done then total = nil end
  if total and total > self.limit then total = self.limit end
  progress(self.done, total)
end

--- The loop asks on: it has finished the page that it was given.
local function confirm(self)
  local last = self.last
  self.last = nil
  if last ~= nil then self.checkpoint:save(last) end
end

local function next_page(self)
  if self.checkpoint then confirm(self) end
  if self.over then return nil end
  if not self.pages then self.pages = self.strategy.open(self) end
  local records, facts = self.pages:next()
  if records == nil then
    self:close()
    if self.checkpoint then self.checkpoint:finish() end
    return nil
  end
  if self.done + #records > self.limit then
    local cut = {}
    for i = 1, self.limit - self.done do cut[i] = records[i] end
    records = cut
  end
  self.done = self.done + #records
  if self.checkpoint and #records > 0 then self.last = find.id(records[#records], self.caller.row) end
  if self.done >= self.limit then self:close() end
  report(self, facts)
  return records
end

--- The next page that has records, or nil at the end.
function Walk:next()
  if self.failure then error(self.failure, 0) end
  if self.busy then
    errors.config("the iterator is already being advanced by another coroutine", nil, self.caller.method)
  end
  while not self.over or self.last ~= nil do
    self.busy = true
    local ok, records = pcall(next_page, self)
    self.busy = false
    if not ok then fail(self, records) end
    if records and #records > 0 then return records end
  end
  return nil
end

--- A finalizer must not raise.
local function finish(self)
  pcall(self.close, self)
end

local metatable = {
  __name = "bitrix24.list", __index = Walk, __close = Walk.close, __gc = finish,
}

local function open(caller, params, opts, where)
  opts = check(caller, params, opts, where)
  params = params_of.keep(params)
  local limit = opts.limit or huge
  local self = {
    caller = caller, params = params, strategy = choose(caller, params, opts),
    limit = limit, over = limit == 0, ahead = opts.ahead or 1,
    progress = opts.progress, done = 0,
    -- keyset counts where it was not asked for by name: the list may be short
    counted = opts.strategy ~= "keyset",
  }
  if opts.checkpoint then
    self.checkpoint = checkpoint.open(opts.checkpoint, caller, params)
    self.after = self.checkpoint.last
  end
  return setmetatable(self, metatable)
end

-- ---- what a script calls ---------------------------------------------------

---@class bitrix24.ListOptions
---@field strategy "auto"|"sequential"|"batch"|"keyset"|nil how pages are asked for
---@field checkpoint string? path of a file by which an export goes on after a crash
---@field limit integer? stop after that many records
---@field progress fun(done: integer, total: integer?)? called once a page
---@field ahead integer? requests fetched ahead of the loop (1)

-- `strategy = "keyset"` walks by id without counting; `auto` does so with a
-- total from the first page, where the method can and the caller gives no
-- order. The id is then among the fields even if `select` leaves it out.
--
-- `checkpoint = path` keeps the id of the last record whose page the loop has
-- finished. The same call goes on behind it; when the list is complete the file
-- is removed, so that the next one starts anew. With `limit` the file stays,
-- and each run takes the next so many records. One file serves one list of one
-- portal.

--- Iterate over records: `for deal in list.each(caller, params) do`.
-- Leaving the loop early cancels what was fetched ahead.
---@param caller table
---@param params table?
---@param opts bitrix24.ListOptions?
---@return fun(): any next
---@return nil
---@return nil
---@return table closing
function list.each(caller, params, opts)
  local walk = open(caller, params, opts, "each")
  local page, i, count = nil, 0, 0
  return function()
    if i >= count then
      page = walk:next()
      i, count = 0, page and #page or 0
      if page == nil then return nil end
    end
    i = i + 1
    return page[i]
  end, nil, nil, walk
end

--- Iterate over pages, as sequences; none is empty.
---@param caller table
---@param params table?
---@param opts bitrix24.ListOptions?
---@return fun(): any[]? next
---@return nil
---@return nil
---@return table closing
function list.pages(caller, params, opts)
  local walk = open(caller, params, opts, "pages")
  return function() return walk:next() end, nil, nil, walk
end

--- Every record in one sequence.
---@param caller table
---@param params table?
---@param opts bitrix24.ListOptions?
---@return any[]
function list.all(caller, params, opts)
  local walk <close> = open(caller, params, opts, "all")
  local out, n = {}, 0
  for page in function() return walk:next() end do
    for i = 1, #page do out[n + i] = page[i] end
    n = n + #page
  end
  return out
end

--- One request that asks for as little as the method can give.
local function ask_once(caller, params, fresh)
  local form = forms.new {
    method = caller.method, row = caller.row, version = caller.version, given = params_of.copy(params),
    want = 1, single = not fresh, fresh = fresh,
  }
  local pending = caller.send(form:params(nil))
  local result, response = caller.wait(pending)
  local records = find.find(result, caller.row, caller.method)
  return records, form:facts(records, result, response), form
end

--- The first record, or nil. One request.
---@param caller table
---@param params table?
---@param opts any there are none: to refuse what is given
---@return any
function list.first(caller, params, opts)
  check_none(caller, params, opts, "first")
  return (ask_once(caller, params, false))[1]
end

--- A documented total that agrees with what came. On a list whose page has
-- a fixed size, a total that is merely that size proves nothing.
local function believable(facts, row, asked, size)
  local total = facts.total
  if not total or total < facts.count then return false end
  if total > facts.count or row.next or facts.more == false then return true end
  return not facts.next and (facts.count == asked or facts.count ~= (size or 50))
end

--- How many records match: the portal's total where the method documents
-- one, else by walking. The caller's own position in the list is left out.
---@param caller table
---@param params table?
---@param opts any there are none: to refuse what is given
---@return integer
function list.count(caller, params, opts)
  check_none(caller, params, opts, "count")
  local row = caller.row
  if row and row.write then
    errors.config("the method changes something: its records cannot be counted without doing it", nil,
      caller.method)
  end
  if row and row.total and not row.overlap then
    local _, facts, form = ask_once(caller, params, true)
    if believable(facts, row, form.cursor.asked, form.cursor.size) then return facts.total end
  end
  local walk <close> = open(caller, params, nil, "count")
  walk.fresh = true
  local n = 0
  for page in function() return walk:next() end do n = n + #page end
  return n
end

return list
