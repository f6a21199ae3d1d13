-- A write of REST 3.0 carries an Idempotency-Key through all its attempts, so
-- that a lost answer can be asked for again and the write still happens once.
-- REST 2 has no such thing: what may have happened is not repeated, but told.

local LOST_EVERY = 20 -- 5 %

local function numbers(count)
  local list = {}
  for i = 1, count do list[i] = i end
  return list
end

describe("when every 20th answer is lost after its write has run", function()
  local here = require "support.portal"(_ENV, { tasks = 0, limits = false })
  local sb
  before_each(function() sb = here.sb end)

  local function lose(method, count, every, action)
    for nth = every, count, every do
      sb:fault { method = method, nth = nth, action = action or "reset", after = true }
    end
  end

  local function task(i)
    return { fields = { title = "Task " .. i, creatorId = 1, responsibleId = 1 } }
  end

  --- id → number of the record that a test made; each number once.
  local function made(kind, field)
    local by_id, seen = {}, {}
    for _, record in ipairs(sb:records(kind)) do
      local number = math.tointeger(tonumber((tostring(record[field]):match "^Task (%d+)$")))
      if number then
        assert(not seen[number], "made twice: " .. number)
        by_id[record.ID], seen[number] = number, true
      end
    end
    return by_id, seen
  end

  --- Requests by their key, in the order of arrival.
  local function by_key(method)
    local keys, count = {}, 0
    for _, request in ipairs(here:sent(method)) do
      local key = request.headers["idempotency-key"]
      assert(key and #key >= 16, "a write without a key")
      if not keys[key] then keys[key], count = {}, count + 1 end
      table.insert(keys[key], request)
    end
    return keys, count
  end

  it("1,000 creates of REST 3.0 leave exactly 1,000 records", function()
    local COUNT = 1000
    lose("tasks.task.add", COUNT, LOST_EVERY)
    local again = 0
    local ids = here.portal:map(numbers(COUNT), function(i)
      local result, response = here.portal.v3.tasks.task.add(task(i))
      again = again + response.attempts - 1
      return result.item.id
    end)

    assert.equal(COUNT, #sb:records "tasks")
    local by_id = made("tasks", "TITLE")
    for i = 1, COUNT do assert.equal(i, by_id[ids[i]]) end
    assert.equal(COUNT // LOST_EVERY, again)

    -- over the wire: a key for each write, the same through its attempts, and
    -- an attempt more only after one whose answer was lost
    local keys, count = by_key "tasks.task.add"
    assert.equal(COUNT, count)
    assert.equal(COUNT + COUNT // LOST_EVERY, #here:sent())
    for _, attempts in pairs(keys) do
      for i, request in ipairs(attempts) do
        assert.equal(attempts[1].body, request.body)
        assert.equal(i < #attempts and "reset" or nil, request.fault)
      end
    end
  end)

  it("a create of REST 3.0 keeps its key however often it is tried", function()
    local portal = here:connect { retries = 2 }
    sb:fault { method = "tasks.task.add", action = "reset", after = true }
    sb:fault { method = "tasks.task.add", nth = 2, action = "cut" }
    local result, response = portal.v3.tasks.task.add(task(1))
    assert.equal(3, response.attempts)
    assert.same({ [result.item.id] = 1 }, (made("tasks", "TITLE")))
    local _, count = by_key "tasks.task.add"
    assert.equal(1, count)
    assert.equal(3, #here:sent())
  end)

  it("200 creates of REST 2 leave exactly 200 records, and 10 errors that say so", function()
    local COUNT = 200
    lose("crm.contact.add", COUNT, LOST_EVERY)
    local ids, faults = here.portal:map(numbers(COUNT), function(i)
      return here.portal.crm.contact.add { fields = { NAME = "Task " .. i } }
    end, { batch = false, on_error = "collect" })
    local by_id, seen = made("contacts", "NAME")
    local lost = 0
    for i = 1, COUNT do
      assert(seen[i], "a write that did not happen")
      if faults[i] then
        lost = lost + 1
        assert.equal("network", faults[i].kind)
        assert.is_nil(faults[i].sent)
        assert.equal(1, faults[i].attempts)
      else
        assert.equal(i, by_id[ids[i]])
      end
    end
    assert.equal(COUNT // LOST_EVERY, lost)
    assert.equal(COUNT, #here:sent())
  end)

  it("500 creates of REST 2 in batches run once, and every one of a lost batch says so", function()
    local COUNT, LOST = 500, 50
    sb:fault { method = "batch", nth = 3, action = "reset", after = true }
    local ids, faults = here.portal:map(numbers(COUNT), function(i)
      return here.portal.crm.contact.add { fields = { NAME = "Task " .. i } }
    end, { on_error = "collect" })
    local by_id, seen = made("contacts", "NAME")
    local lost = 0
    for i = 1, COUNT do
      assert(seen[i], "a write that did not happen")
      if faults[i] then
        lost = lost + 1
        assert.equal("network", faults[i].kind)
        assert.is_nil(faults[i].sent)
        assert.equal("crm.contact.add", faults[i].method)
      else
        assert.equal(i, by_id[ids[i]])
      end
    end
    assert.equal(LOST, lost)
    assert.equal(COUNT // 50, #here:sent())
  end)
end)
