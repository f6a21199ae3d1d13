-- A portal may be closed at any moment: by a finalizer, which Lua runs in the
-- middle of anything, by a log function, by a debug hook. Whatever was under way
-- then ends at once, with an error that says so.

local bitrix24 = require "bitrix24"

--- Each line of a run is a moment; with a step, some of them.
local function moments(step, open, f)
  local at = 1
  while true do
    local portal <close> = open()
    local count, where = 0, nil
    debug.sethook(function()
      count = count + 1
      if count < at then return end
      debug.sethook()
      local info = debug.getinfo(2, "Sl")
      where = ("%s:%d"):format(info.short_src, info.currentline)
      portal:close()
    end, "l")
    local ok, e = pcall(f, portal)
    debug.sethook()
    if not where then return at end
    if not ok then
      assert(bitrix24.is_error(e), ("closed at %s: %s"):format(where, tostring(e)))
      local told = e.kind == "cancelled" or e.kind == "config" and e.message == "the portal is closed"
      assert(told, ("closed at %s: %s"):format(where, tostring(e)))
    end
    at = at + step
  end
end

describe("a portal that is closed at any moment", function()
  local here = require "support.portal" (_ENV, { contacts = 60, tasks = 3, users = 2, chats = 2, deals = 2 })

  local function open() return here.sb:connect() end

  after_each(function() debug.sethook() end)

  it("ends a call", function()
    assert(moments(1, open, function(portal) portal.crm.contact.get { ID = 1 } end) > 100)
  end)

  it("ends a map", function()
    moments(3, open, function(portal)
      portal:map({ 1, 2 }, function(id) return portal.crm.contact.get { ID = id } end)
    end)
  end)

  it("ends a map between two instructions of its queue, and does not go on for ever", function()
    for at = 1, 60 do
      local portal <close> = open()
      local count, after = 0, 0
      local function hook()
        after = after + (count >= at and 1 or 0)
        if after > 200000 then
          debug.sethook()
          error("it goes on")
        end
        local info = debug.getinfo(2, "nS")
        if info.name ~= "drop" or not info.short_src:find("planner.lua", 1, true) then return end
        count = count + 1
        if count == at then portal:close() end
      end
      local function hooked(f)
        debug.sethook(hook, "", 1)
        local ok, e = pcall(f)
        debug.sethook()
        return ok, e
      end
      local ok, e = hooked(function()
        return portal:map({ 1, 2, 3 }, function(id) return portal.crm.contact.get { ID = id } end)
      end)
      assert.is_true(ok or bitrix24.is_error(e), tostring(e))
    end
  end)

  it("ends a list", function()
    moments(5, open, function(portal) portal.crm.contact.list:all({}, { strategy = "sequential" }) end)
  end)

  it("ends a batch, whose handles say so", function()
    moments(5, open, function(portal)
      local batch = portal:batch()
      local first = batch.crm.contact.get { ID = 1 }
      local second = batch.crm.contact.get { ID = first.ID }
      batch:run()
      second()
    end)
  end)

  it("does not read a list's checkpoint as another portal's", function()
    local path = os.tmpname()
    os.remove(path)
    local list = here.portal.crm.contact.list
    for contact in list:each({}, { checkpoint = path }) do
      if contact.ID == "55" then break end -- of the second page
    end
    assert(io.open(path)):close()
    here.portal:close()
    local e = here.raises("config", function() list:each({}, { checkpoint = path }) end)
    os.remove(path)
    assert.equal("the portal is closed", e.message)
  end)
end)
