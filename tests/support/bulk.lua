-- A portal that answers a list from a set of ids, for the strategies that ask
-- for many pages in one request: no HTTP, every request is seen, references
-- between commands are followed as PHP follows them.

local errors = require "bitrix24.errors"

local bulk = {}

-- The value of a reference, or 0: text that PHP reads as a number.
local function resolve(value, results)
  if type(value) ~= "table" or not value.steps then return value end
  local at = results
  for i, step in ipairs(value.steps) do
    if type(at) ~= "table" then return 0 end
    if math.type(step) == "integer" then
      at = at[step + 1]
    else
      at = at[i == 1 and tonumber(step:match("%d+")) + 1 or step]
    end
  end
  return at == nil and 0 or tonumber(at)
end

-- First index whose id is above `id`.
local function above(ids, id)
  local low, high = 1, #ids + 1
  while low < high do
    local middle = (low + high) // 2
    if ids[middle] > id then high = middle else low = middle + 1 end
  end
  return low
end

--- spec: ids (sorted), key ("ID"), items (key of result), total (a lie, or
-- false), strings (ids as text), on_request(log, n), fail(n, k, params) →
-- outcome, page(rows, params) → rows, may_batch.
function bulk.portal(row, spec)
  local key = spec.key or "ID"
  local log = { requests = {}, pages = 0, cancelled = 0, polls = 0, ids = spec.ids, flying = 0, most = 0 }

  local function answer(params, results)
    log.pages = log.pages + 1
    local filter, ids = params.filter or {}, log.ids
    local from = above(ids, resolve(filter[">" .. key] or 0, results))
    if filter[">=" .. key] then from = math.max(from, above(ids, filter[">=" .. key] - 1)) end
    local upto = filter["<=" .. key] and above(ids, filter["<=" .. key]) - 1 or #ids
    local total, start = upto - from + 1, params.start or 0
    if start > 0 then from = from + start end
    local down = params.order and params.order[key] == "DESC"
    local rows = {}
    for i = 0, 49 do
      local id
      if down then id = ids[upto - i] else id = from + i <= upto and ids[from + i] or nil end
      if not id or down and upto - i < from then break end
      rows[#rows + 1] = { [key] = spec.strings and tostring(id) or id }
    end
    local count = #rows
    if spec.page then rows = spec.page(rows, params) end
    local response = {}
    if start >= 0 and spec.total ~= false then
      response.total = spec.total or total
      if start + count < total then response.next = start + 50 end
    end
    return spec.items and { [spec.items] = rows } or rows, response
  end

  local function begin(list, halt)
    log.requests[#log.requests + 1] = { list = list, halt = halt, count = #list }
    log.flying = log.flying + 1
    log.most = math.max(log.most, log.flying)
    return { n = #log.requests, list = list, halt = halt }
  end

  local function ended(pending)
    log.flying = log.flying - 1
    if spec.on_request then spec.on_request(log, pending.n) end
  end

  log.caller = {
    method = "crm.contact.list", row = row,
    may_batch = spec.may_batch ~= false,
    command = function(params)
      if params.uncommandable then return nil end
      return "crm.contact.list?x"
    end,
    send = function(params) return begin({ params }) end,
    wait = function(pending)
      ended(pending)
      local failed = spec.fail and spec.fail(pending.n, 0, pending.list[1])
      if failed then
        errors.raise { kind = "api", code = failed.code, message = "alone", method = "crm.contact.list" }
      end
      return answer(pending.list[1], {})
    end,
    send_batch = begin,
    wait_batch = function(pending)
      ended(pending)
      local out, results, halted = {}, {}, false
      for k, params in ipairs(pending.list) do
        local failed = spec.fail and not halted and spec.fail(pending.n, k, params)
        if halted then
          out[k] = { skipped = true, message = "the batch stopped before this command" }
        elseif failed then
          out[k], halted = failed, pending.halt
        else
          local result, response = answer(params, results)
          results[k] = result
          response.result, response.time = result, { duration = 0.01 }
          out[k] = response
        end
      end
      return out
    end,
    fault = function(outcome)
      return errors.new {
        kind = outcome.kind or "api", code = outcome.code, message = outcome.message or "failed",
        retryable = outcome.retryable or false, method = "crm.contact.list",
      }
    end,
    cancel = function()
      log.cancelled, log.flying = log.cancelled + 1, log.flying - 1
    end,
    poll = function() log.polls = log.polls + 1 end,
  }
  return log
end

--- 1 … n.
function bulk.numbers(n, from)
  local out = {}
  for i = 1, n do out[i] = (from or 1) + i - 1 end
  return out
end

--- Ids with gaps: each of 1 … is there with the probability `share`.
function bulk.gaps(count, share, seed)
  local out, id = {}, 0
  math.randomseed(seed)
  while #out < count do
    id = id + 1
    if math.random() < share then out[#out + 1] = id end
  end
  return out
end

--- The ids of records.
function bulk.ids(records, key)
  local out = {}
  for i, record in ipairs(records) do out[i] = math.tointeger(tonumber(record[key or "ID"])) end
  return out
end

return bulk
