--- Side by side: `map` and `gather` run functions as coroutines of the calling
-- thread. Tasks run until all of them wait; then what they wait for is packed
-- and sent (planner.lua), answers are taken in, and those they wake go on.
--
-- A map that is called where no coroutine can yield (outside of any task, or
-- in one but below a C function) runs a loop of its own, which resumes only
-- its own tasks. A map inside a task joins the loop of that task.

local errors = require "bitrix24.errors"
local host = require "bitrix24.loop"
local rules = require "bitrix24.rules"

local create, running = coroutine.create, coroutine.running
local close, status, yield = coroutine.close, coroutine.status, coroutine.yield
local isyieldable = coroutine.isyieldable
local error, next, pairs, select, setmetatable = error, next, pairs, select, setmetatable
local type = type
local math_type = math.type
local sort = table.sort

local _ENV = nil -- luacheck: ignore

local CONCURRENCY = 500
local SLICE_SECONDS = 0.25

--- After so many slices without an answer nobody waits for an earlier one.
local QUIET_SLICES = 6

--- What a task yields when it waits; nothing else may be yielded from a task.
local WAIT = {}

--- Coroutine → task, of all clients: those whose loop waits in a host's, and so
-- may wait for another portal of that host.
local HOSTED = setmetatable({}, { __mode = "k" })

---@class bitrix24.Tasks the scheduler of one client
local Tasks = {}
Tasks.__index = Tasks

local tasks = {}

---@param client bitrix24.Client
---@return bitrix24.Tasks
function tasks.new(client)
  return setmetatable({
    client = client,
    resumed = nil, -- the innermost task under way
  }, Tasks)
end

--- The task that the running code belongs to: not in a coroutine of the script's.
local function running_task(self)
  local task = self.resumed
  return task and not task.ended and task.thread == running() and task or nil
end

--- The task that is running, when it can be made to wait.
---@return table? task
function Tasks:current()
  local task = running_task(self)
  return task and isyieldable() and task or nil
end

--- Does the running code belong to a task?
function Tasks:inside()
  return running_task(self) ~= nil
end

--- About how many functions run side by side here, the running one among them;
-- nil when their calls must not share a request.
function Tasks:beside()
  local task, count = running_task(self), 1
  if task and not task.group.batch then return nil end
  while task do -- beside a map within another is what that one runs
    count = count * task.group.alive
    task = task.group.waiter
  end
  return count
end

--- The portal is closed by the running task, or from elsewhere.
function Tasks:closing()
  self.closer = running_task(self)
end

--- Did somebody else close the portal while the running task was under way?
function Tasks:surprised()
  local task = running_task(self)
  return task ~= nil and task ~= self.closer and task.group.open
end

--- Let a task go on when its loop comes to it.
local function wake(task)
  if task.queued or task.ended then return end
  local loop = task.group.loop
  local last = loop.last + 1
  loop[last] = task -- first what may lack memory
  task.queued, loop.last = true, last
  if loop.hosted then loop.hosted:stir() end
end

--- Make the running task wait until a call is done.
---@param task table
---@param pending bitrix24.Pending
function Tasks.park(_, task, pending)
  if pending.done then return end
  pending.waiter, task.beside = task, pending.waiter
  repeat yield(WAIT) until pending.done
end

--- The task of another client that is running, if it can wait for a call of
-- this one while the host drives both.
---@return table? task
function tasks.guest()
  local task = HOSTED[running()]
  return task and isyieldable() and task or nil
end

--- A guest's call is dropped when the guest is closed.
local Visit = {}

function Visit.__close(visit)
  if not visit.pending.done then visit.client:cancel(visit.pending) end
end

--- Make the running task of another client wait until a call of this one is done.
function Tasks:receive(task, pending)
  local visit <close> = setmetatable({ client = self.client, pending = pending }, Visit) -- luacheck: ignore
  self:park(task, pending)
end

--- A call belongs to the task that made it, and is dropped with it.
---@return table? task
function Tasks:own(pending)
  local task = running_task(self)
  if task then
    local owned = task.owned
    if owned then owned[pending] = true else task.owned = { [pending] = true } end
    pending.owner = task
  end
  return task
end

--- A call is done: its owner lets go, whoever waits for it goes on.
function Tasks.release(_, pending)
  local owner, waiter = pending.owner, pending.waiter
  if owner then
    owner.owned[pending], pending.owner = nil, nil
  end
  pending.waiter = nil
  while waiter do
    local beside = waiter.beside
    waiter.beside = nil
    wake(waiter)
    waiter = beside
  end
end

-- ---- groups ------------------------------------------------------------------

--- The functions of one map; closing it ends those that still live.
local Group = {}

--- A task is over, it waits for nothing and nothing of it is resumed.
local function leave(task)
  local group = task.group
  task.ended = true
  if group.loop.hosted then HOSTED[task.thread] = nil end
  group.tasks[task.index] = nil
  group.alive = group.alive - 1
end

--- Drop what a task that failed has on its way.
local function drop_calls(self, task)
  while task.owned do
    local pending = next(task.owned)
    if not pending then return end
    task.owned[pending], pending.owner = nil, nil
    self.client:cancel(pending)
  end
end

--- End the tasks of a group that still live: their variables are closed, what
-- they wait for is dropped.
local function cancel_rest(self, group)
  local rest = {}
  for _, task in pairs(group.tasks) do rest[#rest + 1] = task end
  sort(rest, function(a, b) return a.index < b.index end)
  group.next_index = group.count + 1
  -- first all of them leave: what one does in closing wakes no other
  for i = 1, #rest do leave(rest[i]) end
  for i = 1, #rest do
    local task = rest[i]
    if status(task.thread) == "suspended" then close(task.thread) end
    drop_calls(self, task)
  end
  group.done = true
end

function Group.__close(group)
  if group.alive > 0 then cancel_rest(group.scheduler, group) end
end

--- What a task ended with, when it failed.
local function fail(self, task, fault)
  local group = task.group
  drop_calls(self, task)
  if group.collect then
    group.errors[task.index] = fault == nil and "<no error object>" or fault
  elseif not group.failed then
    group.failed, group.fault = true, fault
    cancel_rest(self, group)
  end
end

--- A task that ends well lets go of its calls: an iterator may be passed on.
local function let_go(task)
  for pending in pairs(task.owned) do pending.owner = nil end
end

--- Look at a task that was resumed, beside or below another (`outer`).
local function settle(self, task, outer, ok, ...)
  self.resumed = outer
  local thread, group = task.thread, task.group
  if (...) == WAIT then return end -- nobody else has it to return
  if status(thread) == "suspended" then
    leave(task)
    close(thread)
    fail(self, task, errors.new {
      kind = "config", message = "a function given to map or gather must not yield",
      hint = "calls wait by themselves; run generators in coroutines of their own",
    })
  else
    leave(task)
    if ok then
      group.results[task.index] = (...)
      if task.owned then let_go(task) end
    else
      -- closing its variables may fail in its turn, which then counts
      local closed, fault = close(thread)
      if closed then fault = (...) end
      fail(self, task, fault)
    end
  end
end

--- Begin as many tasks as may live; when the last one is over so is the group.
local function spawn(group)
  while group.alive < group.concurrency and group.next_index <= group.count do
    local index = group.next_index
    group.next_index = index + 1
    local thread = create(group.run)
    local task = { group = group, index = index, thread = thread, fresh = true, ended = false }
    if group.loop.hosted then HOSTED[thread] = task end
    group.tasks[index] = task
    group.alive = group.alive + 1
    wake(task)
  end
  if group.alive == 0 and group.next_index > group.count then
    group.done = true
    if group.waiter then wake(group.waiter) end
  end
end

-- ---- loops ---------------------------------------------------------------------

--- Resume every task of a loop that can go on, until all wait.
local function run_ready(self, loop)
  while loop.first <= loop.last do
    local task = loop[loop.first]
    loop[loop.first] = nil
    loop.first = loop.first + 1
    task.queued = nil
    if not task.ended then
      local index = task.fresh and task.index or nil
      task.fresh = nil
      local outer = self.resumed
      self.resumed = task
      settle(self, task, outer, host.resume(task.thread, index))
      if task.ended then spawn(task.group) end
    end
  end
  loop.first, loop.last = 1, 0
end

--- Take answers in until the group is done.
local function run_loop(self, group)
  local client, loop = self.client, group.loop
  local quiet = 0
  run_ready(self, loop)
  while not group.done do
    client.planner:flush(quiet >= QUIET_SLICES)
    if client:step(SLICE_SECONDS) then quiet = 0 else quiet = quiet + 1 end
    if quiet >= QUIET_SLICES then client.turns:skip() end
    client.turns:advance()
    if client:is_closed() and loop.first > loop.last then
      -- what waited was woken; who waits still would wait for ever
      errors.raise { kind = "cancelled", message = "the portal was closed" }
    end
    run_ready(self, loop)
  end
end

--- Run a group to its end. What fails here or in a task ends the whole group.
local function run(self, new)
  local group <close> = new
  local outer = self:current()
  group.loop = outer and outer.group.loop or { first = 1, last = 0 }
  local driver = self.client.loop
  if not outer and driver and driver:inside() then group.loop.hosted = driver end
  group.open = outer ~= nil and outer.group.open or not self.client:is_closed()
  if outer then group.batch = group.batch and outer.group.batch end
  spawn(group)
  if outer then
    group.waiter = outer
    while not group.done do yield(WAIT) end
  else
    run_loop(self, group)
  end
  if group.failed then error(group.fault, 0) end
end

-- ---- what a script calls ---------------------------------------------------------

local MAP_OPTIONS = {
  concurrency = rules.POSITIVE, batch = rules.BOOLEAN,
  on_error = { function(value) return value == "raise" or value == "collect" end, [["raise" or "collect"]] },
}

local function check_map(list, f, opts)
  if type(list) ~= "table" then
    errors.config(("map(list, f): expected a sequence, got %s"):format(type(list)))
  end
  if type(f) ~= "function" then
    errors.config(("map(list, f): expected a function, got %s"):format(type(f)))
  end
  return rules.check(opts, MAP_OPTIONS, "map")
end

--- How many items: `n`, as table.pack and map itself set it, or the sequence's length.
local function length_of(list)
  local count, n = #list, list.n
  if math_type(n) == "integer" and n >= count then return n end
  for key in next, list do
    if math_type(key) ~= "integer" and count == 0 then
      errors.config("map(list, f): expected a sequence, got a table with named keys")
    elseif math_type(key) == "integer" and key > count then
      errors.config("map(list, f): the sequence has holes", "set n to its length, as table.pack does")
    end
  end
  return count
end

local function new_group(self, count, f, batch, opts)
  return setmetatable({
    scheduler = self, count = count, run = f, results = {}, errors = {},
    tasks = {}, alive = 0, next_index = 1, done = false,
    concurrency = opts.concurrency or CONCURRENCY, collect = opts.on_error == "collect",
    batch = batch and opts.batch ~= false,
  }, Group)
end

--- Call `f(item, index)` for every item side by side.
---@param batch boolean may the calls travel in batches at all
---@param list table a sequence; with holes where it has `n`
---@param f fun(item: any, index: integer): any
---@param opts { concurrency: integer?, batch: boolean?, on_error: "raise"|"collect"|nil }?
---@return table results in the order of `list`, with `n`
---@return table? errors by index, with on_error = "collect"
function Tasks:map(batch, list, f, opts)
  opts = check_map(list, f, opts)
  local function call(index) return f(list[index], index) end
  local group = new_group(self, length_of(list), call, batch, opts)
  run(self, group)
  group.results.n = group.count
  if group.collect then return group.results, group.errors end
  return group.results
end

--- Call functions side by side.
---@param batch boolean may the calls travel in batches at all
---@return table results their first results, in order
---@return integer count
function Tasks:gather(batch, ...)
  local functions, count = { ... }, select("#", ...)
  for i = 1, count do
    if type(functions[i]) ~= "function" then
      errors.config(("gather: argument %d must be a function, got %s"):format(i, type(functions[i])))
    end
  end
  local group = new_group(self, count, function(index) return functions[index]() end, batch, {})
  run(self, group)
  return group.results, count
end

return tasks
