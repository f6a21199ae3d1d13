--- Side by side: `map` and `gather` run functions as coroutines of the calling
-- thread. Tasks run until all of them wait; then what they wait for is packed
-- and sent (planner.lua), one answer is taken in, and those it wakes go on.

local errors = require "bitrix24.errors"

local create, resume, running = coroutine.create, coroutine.resume, coroutine.running
local close, status, yield = coroutine.close, coroutine.status, coroutine.yield
local isyieldable = coroutine.isyieldable
local error, pairs, pcall, select, setmetatable = error, pairs, pcall, select, setmetatable
local type = type
local math_type = math.type

local _ENV = nil -- luacheck: ignore

local CONCURRENCY = 500
local SLICE_SECONDS = 0.25

--- What a task yields when it waits; nothing else may be yielded from a task.
local WAIT = {}

---@class bitrix24.Tasks the scheduler of one client
local Tasks = {}
Tasks.__index = Tasks

local tasks = {}

---@param client bitrix24.Client
---@return bitrix24.Tasks
function tasks.new(client)
  return setmetatable({
    client = client,
    by_thread = {}, -- coroutine → task
    ready = {}, first = 1, last = 0, -- queue of tasks to resume
  }, Tasks)
end

--- The task that is running, when it can be made to wait.
function Tasks:current()
  local task = self.by_thread[running()]
  return task and isyieldable() and task or nil
end

--- Does the running code collect its calls into batches?
function Tasks:collects()
  local task = self.by_thread[running()]
  return task ~= nil and task.group.batch
end

function Tasks:wake(task)
  if task.queued or task.ended then return end
  task.queued = true
  self.last = self.last + 1
  self.ready[self.last] = task
end

--- Make the running task wait until a call is done.
function Tasks.park(_, task, pending)
  while not pending.done do
    pending.waiter = task
    yield(WAIT)
    if task.cancelled then error(task.cancelled, 0) end
  end
end

--- A call belongs to the task that made it, and is dropped with it.
function Tasks:own(pending)
  local task = self.by_thread[running()]
  if task then task.pending[pending], pending.owner = true, task end
end

--- A call is done: its owner lets go, whoever waits for it goes on.
function Tasks:release(pending)
  if pending.owner then pending.owner.pending[pending] = nil end
  if pending.waiter then self:wake(pending.waiter) end
end

-- ---- groups ------------------------------------------------------------------

local function leave(self, task)
  local group = task.group
  task.ended = true
  self.by_thread[task.thread] = nil
  group.alive = group.alive - 1
  group.tasks[task] = nil
end

--- End the tasks of a group that still live: their variables are closed, what
-- they wait for is dropped.
local function cancel_rest(self, group)
  local cancelled = errors.new { kind = "cancelled", message = "another function of the map failed" }
  for task in pairs(group.tasks) do
    if status(task.thread) == "suspended" then
      task.cancelled = cancelled
      leave(self, task)
      for inner in pairs(task.groups or {}) do cancel_rest(self, inner) end
      pcall(close, task.thread)
      for pending in pairs(task.pending) do self.client:cancel(pending) end
    end
  end
end

local function settle(self, task, ok, ...)
  local group = task.group
  if status(task.thread) ~= "dead" then
    if select(1, ...) == WAIT then return end
    local fault = errors.new {
      kind = "config", message = "a function given to map or gather must not yield",
      hint = "calls wait by themselves; run generators in coroutines of their own",
    }
    leave(self, task)
    pcall(close, task.thread)
    ok = false
    group.errors[task.index] = fault
  else
    leave(self, task)
    if ok then
      group.results[task.index] = (...)
    else
      close(task.thread)
      local fault = ...
      if fault == nil then fault = "nil" end
      group.errors[task.index] = fault
    end
  end
  for pending in pairs(task.pending) do self.client:cancel(pending) end
  if not ok and not group.collect and group.failed == nil then
    group.failed = group.errors[task.index]
    group.next_index = group.count + 1
    cancel_rest(self, group)
  end
  if group.waiter then self:wake(group.waiter) end
end

local function spawn(self, group)
  while group.alive < group.concurrency and group.next_index <= group.count do
    local index = group.next_index
    group.next_index = index + 1
    local task = { group = group, index = index, pending = {}, thread = create(group.run) }
    self.by_thread[task.thread] = task
    group.tasks[task] = true
    group.alive = group.alive + 1
    task.argument = index
    self:wake(task)
  end
  group.done = group.alive == 0 and group.next_index > group.count
end

--- Resume every task that can go on, until all wait.
function Tasks:run_ready()
  while self.first <= self.last do
    local task = self.ready[self.first]
    self.ready[self.first] = nil
    self.first = self.first + 1
    task.queued = false
    if not task.ended then
      local index = task.argument
      task.argument = nil
      settle(self, task, resume(task.thread, index))
      spawn(self, task.group)
    end
  end
  self.first, self.last = 1, 0
end

--- Run a group to its end, whether called from a task or from outside.
local function run_group(self, group)
  local outer = self:current()
  if outer then
    outer.groups = outer.groups or {}
    outer.groups[group] = true
    spawn(self, group)
    while not group.done do
      group.waiter = outer
      yield(WAIT)
      if outer.cancelled then error(outer.cancelled, 0) end
    end
    outer.groups[group] = nil
    return
  end
  spawn(self, group)
  self:run_ready()
  while not group.done do
    self.client.planner:flush()
    self.client:step(SLICE_SECONDS)
    self:run_ready()
  end
end

local MAP_OPTIONS = { concurrency = true, batch = true, on_error = true }

local function check_map(list, f, opts)
  if type(list) ~= "table" then
    errors.config(("map(list, f): expected a sequence, got %s"):format(type(list)))
  end
  if type(f) ~= "function" then
    errors.config(("map(list, f): expected a function, got %s"):format(type(f)))
  end
  if opts == nil then return {} end
  if type(opts) ~= "table" then
    errors.config(("map: options must be a table, got %s"):format(type(opts)))
  end
  errors.check_options(opts, MAP_OPTIONS, "map")
  local concurrency = opts.concurrency
  if concurrency ~= nil and not (math_type(concurrency) == "integer" and concurrency > 0) then
    errors.config("map: 'concurrency' must be a positive integer")
  end
  if opts.batch ~= nil and type(opts.batch) ~= "boolean" then
    errors.config("map: 'batch' must be true or false")
  end
  if opts.on_error ~= nil and opts.on_error ~= "collect" and opts.on_error ~= "raise" then
    errors.config([[map: 'on_error' must be "raise" or "collect"]])
  end
  return opts
end

local function new_group(count, run, batch, opts)
  return {
    count = count, run = run, results = {}, errors = {}, tasks = {}, alive = 0, next_index = 1,
    concurrency = opts.concurrency or CONCURRENCY, collect = opts.on_error == "collect",
    batch = batch and opts.batch ~= false,
  }
end

--- Run a group; an error in the loop itself (a closed portal) ends its tasks.
local function run(self, group)
  local ok, fault = pcall(run_group, self, group)
  if not ok then
    group.next_index = group.count + 1
    cancel_rest(self, group)
    error(fault, 0)
  end
  if group.failed ~= nil then error(group.failed, 0) end
end

--- Call `f(item, index)` for every item side by side.
---@param batch boolean may the calls travel in batches at all
---@param list table a sequence
---@param f fun(item: any, index: integer): any
---@param opts { concurrency: integer?, batch: boolean?, on_error: "raise"|"collect"|nil }?
---@return table results in the order of `list`, with `n`
---@return table? errors by index, with on_error = "collect"
function Tasks:map(batch, list, f, opts)
  opts = check_map(list, f, opts)
  local group = new_group(#list, function(index) return f(list[index], index) end, batch, opts)
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
  local group = new_group(count, function(index) return functions[index]() end, batch, {})
  run(self, group)
  return group.results, count
end

return tasks
