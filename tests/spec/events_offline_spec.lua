-- events.offline against the sandbox: what is confirmed when, and what comes again.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local events = require "bitrix24.events"

describe("the offline queue", function()
  local here = require "support.portal" (_ENV, { tls = true })
  local sb, app

  local function connect(options)
    local given = { domain = sb.oauth.domain, access_token = sb.oauth.access_token }
    for name, value in pairs(options or {}) do given[name] = value end
    return here:connect(given)
  end

  before_each(function()
    sb = here.sb
    app = connect()
  end)

  --- Events 1..n wait.
  local function put(n, fields)
    for id = 1, n do
      local record = { EVENT_NAME = "ONCRMDEALADD", EVENT_DATA = { FIELDS = { ID = 100 + id } } }
      for name, value in pairs(fields or {}) do record[name] = value end
      sb:set("offline_events", id, record)
    end
  end

  --- Ids of what the portal has: all of it, or what is reserved.
  local function left(reserved)
    local out = {}
    for _, record in ipairs(sb:records "offline_events") do
      if not reserved or (record.PROCESS_ID or "") ~= "" then out[#out + 1] = record.ID end
    end
    return out
  end

  local function range(first, last)
    local out = {}
    for i = first, last do out[#out + 1] = i end
    return out
  end

  --- Run a loop; body(id, event, refuse) may leave by returning true. → ids seen
  local function run(opts, body, portal)
    local seen = {}
    for event, refuse in events.offline(portal or app, opts) do
      seen[#seen + 1] = math.tointeger(tonumber(event.ID))
      if body and body(seen[#seen], event, refuse) then break end
    end
    return seen
  end

  --- A file that holds a program.
  local function script(text)
    local reserved = os.tmpname()
    local name = reserved .. ".lua"
    assert(os.rename(reserved, name))
    local file <close> = assert(io.open(name, "w"))
    file:write(text)
    return name
  end

  local function count(method) return #here:sent(method) end

  describe("is taken", function()
    it("to the end, in order, and is empty then", function()
      put(7)
      assert.same(range(1, 7), run())
      assert.same({}, left())
      assert.same({}, run())
    end)

    it("in pages, each confirmed with one request", function()
      put(120)
      assert.same(range(1, 120), run())
      assert.same({}, left())
      assert.equal(3, count "event.offline.clear")
      assert.equal(4, count "event.offline.get")
      assert.equal(1, count "event.offline.list")
    end)

    it("with nothing in it, in two requests", function()
      assert.same({}, run())
      assert.equal(2, #here:sent())
    end)

    it("as the portal's records, with event and data as online ones have them", function()
      put(1)
      sb:set("offline_events", 2, { EVENT_NAME = "ONCRMLEADADD" })
      run(nil, function(id, event)
        assert.equal(tostring(id), event.ID)
        assert.equal(event.EVENT_NAME, event.event)
        assert.equal(32, #event.MESSAGE_ID)
        if id == 1 then
          assert.same({ FIELDS = { ID = 101 } }, event.EVENT_DATA)
          assert.same(event.EVENT_DATA, event.data)
        else
          assert.is_false(event.EVENT_DATA)
          assert.same({}, event.data)
        end
      end)
    end)

    it("as filter, order and limit say", function()
      put(5)
      sb:set("offline_events", 3, { EVENT_NAME = "ONCRMLEADADD" })
      assert.same({ 5, 4, 2, 1 },
        run { filter = { ["=EVENT_NAME"] = "ONCRMDEALADD" }, order = { ID = "DESC" }, limit = 2 })
      assert.same({ 3 }, left())
    end)

    it("in tasks", function()
      put(6)
      local seen = app:map({ 1, 2 }, function(item)
        local n = 0
        if item == 1 then
          for _ in events.offline(app, { limit = 2 }) do n = n + 1 end
        else
          app:call("profile")
        end
        return n
      end)
      assert.same({ 6, 0, n = 2 }, seen)
      assert.same({}, left())
    end)

    it("by the queue of a connector alone", function()
      put(3, { CONNECTOR_ID = "mine" })
      sb:set("offline_events", 4, { EVENT_NAME = "ONCRMLEADADD" })
      assert.same({ 1, 2, 3 }, run { auth_connector = "mine" })
      assert.same({ 4 }, left())
    end)
  end)

  describe("keeps what is not finished", function()
    it("when the body raises: it and the rest come again, finished ones do not", function()
      put(7)
      local problem = {}
      local ok, e = pcall(run, { limit = 5 }, function(id)
        if id == 3 then error(problem) end
      end)
      assert.is_false(ok)
      assert.equal(problem, e)
      assert.same(range(3, 7), left())
      assert.same({ 3, 4, 5 }, left(true))
      assert.same(range(3, 7), run { limit = 5 })
      assert.same({}, left())
    end)

    it("when the loop is left: the event it was at comes again", function()
      put(7)
      assert.same({ 1, 2, 3 }, run(nil, function(id) return id == 3 end))
      assert.same(range(3, 7), left())
      assert.same(range(3, 7), run())
    end)

    it("while its body runs", function()
      put(3)
      run({ limit = 1 }, function(id) assert.same(range(id, 3), left()) end)
      put(3)
      run(nil, function() assert.same(range(1, 3), left()) end)
    end)

    it("however often a run dies, until all are done once", function()
      put(23)
      local finished, again, runs = {}, 0, 0
      repeat
        runs = runs + 1
        local n = 0
        local ok = pcall(run, { limit = 4 }, function(id)
          n = n + 1
          if n == 3 then error "died" end
          if finished[id] then again = again + 1 end
          finished[id] = true
        end)
      until ok or runs > 50
      assert.equal(0, again)
      assert.same(23, #finished)
      assert.same({}, left())
      assert.equal(12, runs) -- two of 23 at a time
    end)

    local CHILD = [[
      local address, token, ca_file, last, how = table.unpack(arg)
      local portal = require "bitrix24".connect { domain = address, access_token = token, ca_file = ca_file }
      local n = 0
      for event in require "bitrix24.events".offline(portal, { limit = 4 }) do
        n = n + 1
        if n == tonumber(last) then
          if how == "kill" then os.execute "kill -9 $PPID" else os.exit(3) end
        end
        io.write(event.ID, " ")
        io.flush()
      end
    ]]

    for how, status in pairs { exit = 3, kill = 137 } do
      it("when the process ends by " .. how, function()
        put(9)
        local name = script(CHILD)
        local output, code = here.run(name, nil,
          { sb.oauth.domain, sb.oauth.access_token, sb.ca_file, "7", how })
        os.remove(name)
        assert.equal(status, code, output)
        assert.matches("^1 2 3 4 5 6 ", output)
        -- 5 and 6 were finished, but nobody was told: they come once more
        assert.same({ 5, 6, 7, 8, 9 }, run { limit = 4 })
        assert.same({}, left())
      end)
    end

    it("and confirms at once what took long", function()
      put(4)
      local clock, time = 0, os.time
      os.time = function() return clock end -- luacheck: ignore
      package.loaded["bitrix24.events.offline"] = nil
      local slow = require "bitrix24.events.offline"
      os.time = time -- luacheck: ignore
      package.loaded["bitrix24.events.offline"] = events.offline
      local n = 0
      for _ in slow(app) do
        n = n + 1
        assert.same(range(n < 3 and 1 or n, 4), left())
        clock = clock + (n == 1 and 0 or 60) -- the first is quick
      end
      assert.equal(4, n)
      assert.same({}, left())
    end)
  end)

  describe("of another run", function()
    it("is left alone with recover = false", function()
      put(6)
      run({ limit = 3 }, function() return true end)
      assert.same({ 1, 2, 3 }, left(true))
      assert.same({ 4, 5, 6 }, run { recover = false })
      assert.same({ 1, 2, 3 }, left())
      assert.equal(1, count "event.offline.list")
      assert.same({ 1, 2, 3 }, run())
    end)

    it("is not touched while a loop of this process works on it", function()
      put(6)
      local inner
      local outer = run({ limit = 3 }, function(id)
        if id == 2 then inner = run() end
      end)
      assert.same({ 4, 5, 6 }, inner)
      assert.same({ 1, 2, 3 }, outer)
      assert.same({}, left())
    end)

    it("comes from several, before new ones, and by the filter alone", function()
      put(9)
      for _ = 1, 2 do run({ limit = 3, recover = false }, function() return true end) end
      sb:set("offline_events", 2, { EVENT_NAME = "ONCRMLEADADD",
        PROCESS_ID = sb:records("offline_events")[1].PROCESS_ID })
      local seen = run { filter = { EVENT_NAME = "ONCRMDEALADD" } }
      assert.same({ 7, 8, 9 }, { table.unpack(seen, 6) })
      table.sort(seen)
      assert.same({ 1, 3, 4, 5, 6, 7, 8, 9 }, seen)
      assert.same({ 2 }, left())
      assert.same({ 2 }, run())
    end)

    it("is not asked for where the filter leaves it out", function()
      put(2)
      run({ limit = 2 }, function() return true end)
      local before = count "event.offline.get"
      assert.same({}, run { filter = { EVENT_NAME = "ONCRMLEADADD" } })
      assert.equal(before + 1, count "event.offline.get")
      assert.same({ 1, 2 }, left(true))
    end)

    it("is found among more than one page of others", function()
      put(130)
      run({ limit = 5 }, function() return true end)
      assert.equal(130, #run { limit = 60 })
      assert.same({}, left())
    end)
  end)

  describe("when requests fail", function()
    it("loses no event whose answer was lost", function()
      put(8)
      sb:fault { method = "event.offline.get", action = "reset", after = true }
      local seen = run { limit = 3 }
      table.sort(seen)
      assert.same(range(1, 8), seen)
      assert.same({}, left())
    end)

    it("loses none when the lost answer was the last one with events", function()
      put(2)
      sb:fault { method = "event.offline.get", action = "reset", after = true }
      assert.same({ 1, 2 }, run())
      assert.same({}, left())
    end)

    it("loses none when an answer about what was left behind is lost", function()
      put(7)
      run({ limit = 5 }, function() return true end)
      sb:fault { method = "event.offline.get", action = "reset", after = true }
      assert.same(range(1, 7), run { limit = 2 })
      assert.same({}, left())
    end)

    it("repeats a confirmation whose answer was lost", function()
      put(3)
      sb:fault { method = "event.offline.clear", action = "reset", after = true }
      assert.same({ 1, 2, 3 }, run())
      assert.same({}, left())
    end)

    it("raises when a confirmation is refused, and the events come again", function()
      put(3)
      sb:fault { method = "event.offline.clear", action = "ACCESS_DENIED" }
      here.raises("api", run)
      assert.equal(1, count "event.offline.clear")
      assert.same({ 1, 2, 3 }, run())
    end)

    it("raises on leaving the loop too, but never in place of the body's error", function()
      put(3)
      sb:fault { method = "event.offline.clear", action = "ACCESS_DENIED" }
      here.raises("api", run, nil, function(id) return id == 2 end)
      sb:fault { method = "event.offline.clear", action = "ACCESS_DENIED" }
      local problem = {}
      local _, e = pcall(run, nil, function(id)
        if id == 2 then error(problem) end
      end)
      assert.equal(problem, e)
      assert.same({ 1, 2, 3 }, run())
    end)

    it("raises what is wrong with an answer", function()
      for body, message in pairs {
        ['{"result":true}'] = "no list of events",
        ['{"result":{"process_id":null,"events":[{"ID":"1"}]}}'] = "without a process_id",
        ['{"result":{"process_id":"p","events":[{"EVENT_NAME":"X"}]}}'] = "without an ID",
        ['{"result":{"process_id":"p","events":[1]}}'] = "without an ID",
      } do
        sb:fault { method = "event.offline.get", action = { status = 200, body = body } }
        local e = here.raises("protocol", run)
        assert.matches(message, e.message)
        assert.is_true(e.sent) -- the portal answered
      end
    end)

    it("does not go round and round when nothing is removed", function()
      put(3)
      run(nil, function() return true end)
      sb:fault { method = "event.offline.clear", count = 50,
        action = { status = 200, body = '{"result":true,"time":{}}' } }
      assert.matches("gives again", here.raises("protocol", run).message)
    end)
  end)

  describe("sets aside what is refused", function()
    it("and goes on", function()
      put(5)
      assert.same(range(1, 5), run({ limit = 3 }, function(id, _, refuse)
        if id == 2 or id == 5 then refuse() end
      end))
      assert.same({ 2, 5 }, left())
      assert.same({}, run())
      local result = app:call("event.offline.get", { error = 1 })
      assert.equal("2", result.events[1].ID)
      assert.equal("5", result.events[2].ID)
    end)

    it("only while the loop is at it", function()
      put(2)
      local first
      run(nil, function(id, _, refuse)
        first = first or refuse
        if id == 2 then here.raises("config", first) end
      end)
      here.raises("config", first)
      put(1)
      run(nil, function(_, _, refuse)
        refuse()
        here.raises("config", refuse)
      end)
    end)
  end)

  describe("is asked again", function()
    local sleep = core.sleep
    after_each(function() core.sleep = sleep end)

    it("after the time given, in slices that hear Ctrl-C", function()
      local slept, longest, rounds = 0, 0, 0
      core.sleep = function(seconds)
        slept, longest = slept + seconds, math.max(longest, seconds)
        if slept >= (rounds + 1) * 60 then
          rounds = rounds + 1
          if rounds == 2 then put(2) end
        end
      end
      put(1)
      local n = 0
      assert.same({ 1, 1, 2 }, run({ poll = 60 }, function()
        n = n + 1
        return n == 3
      end))
      assert.equal(120, slept)
      assert.is_true(longest <= 0.25)
      -- one page, empty, empty after 60 s, a page
      assert.equal(4, count "event.offline.get")
      assert.same({ 2 }, left())
    end)

    it("for short times, really waiting", function()
      local asked = 0
      local portal = connect {
        log = function(event)
          if event.event == "answer" and event.method == "event.offline.get" then
            asked = asked + 1
            if asked == 3 then put(1) end
          end
        end,
      }
      assert.same({ 1 }, run({ poll = 0.01 }, function() return true end, portal))
      assert.equal(4, asked)
    end)

    it("until Ctrl-C ends it", function()
      local name = script [[
        local portal = require "bitrix24".connect { domain = arg[1], access_token = arg[2], ca_file = arg[3] }
        local core = require "bitrix24.core"
        local sleep = core.sleep
        function core.sleep(seconds)
          io.write "waits\n"
          io.flush()
          core.sleep = sleep
          sleep(seconds)
        end
        for _ in require "bitrix24.events".offline(portal, { poll = 3600 }) do end
      ]]
      local interpreter = 0
      while arg[interpreter - 1] do interpreter = interpreter - 1 end
      local pipe <close> = assert(io.popen(("sh -c 'echo $$; exec \"$0\" \"$@\" 2>&1' %s %s %s %s %s"):format(
        arg[interpreter], name, sb.oauth.domain, sb.oauth.access_token, sb.ca_file)))
      local pid = pipe:read "l"
      local ready = pipe:read "l"
      os.execute("kill -INT " .. pid)
      local rest = pipe:read "a"
      os.remove(name)
      assert.equal("waits", ready)
      assert.matches("interrupted!", rest)
    end)
  end)

  it("refuses wrong arguments before anything is sent", function()
    for _, opts in ipairs {
      { filter = "x" }, { order = 1 }, { limit = 0 }, { limit = 1.5 }, { limit = "5" },
      { auth_connector = "" }, { poll = 0 }, { poll = -1 }, { poll = math.huge }, { poll = 0 / 0 },
      { poll = "1" }, { recover = 1 }, { clear = 1 }, "x",
    } do
      here.raises("config", events.offline, app, opts)
    end
    local e = here.raises("config", events.offline, app, { limits = 5 })
    assert.matches("did you mean 'limit'", tostring(e))
    here.raises("config", events.offline)
    here.raises("config", events.offline, { poll = 1 })
    assert.equal(0, #here:sent())
  end)

  it("leaves the options as they were, and may take them again", function()
    put(3)
    local opts = { filter = { [">ID"] = 1 }, limit = 1 }
    assert.same({ 2, 3 }, run(opts))
    assert.same({ filter = { [">ID"] = 1 }, limit = 1 }, opts)
    put(3)
    assert.same({ 2, 3 }, run(opts))
  end)

  it("is an application's: a webhook is told so", function()
    local e = here.raises("auth", run, nil, nil, here.portal)
    assert.equal("WRONG_AUTH_TYPE", e.code)
    assert.matches("application", e.hint)
  end)

  it("works through a view of a version", function()
    put(2)
    assert.same({ 1, 2 }, run(nil, nil, app.v3))
  end)

  it("ends when the portal is closed", function()
    put(3)
    local portal = connect()
    here.raises("config", run, nil, function() portal:close() end, portal)
    assert.same({ 1, 2, 3 }, left())
  end)

  it("keeps no loop of a coroutine that was given up", function()
    put(4)
    local co = coroutine.create(function()
      for event in events.offline(app) do coroutine.yield(event.ID) end
    end)
    assert.same({ true, "1" }, { coroutine.resume(co) })
    co = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.same({ 1, 2, 3, 4 }, run())
  end)

  -- ---- the methods of the sandbox ------------------------------------------

  describe("of the sandbox", function()
    local HANDLER = "https://www.my-domain.com/handler/"

    it("binds, lists and unbinds handlers", function()
      assert.is_true((app:call("event.bind",
        { event = "onCrmLeadAdd", handler = HANDLER })))
      assert.is_true((app:call("event.bind", { event = "ONCRMDEALADD", event_type = "offline", handler = "x",
        auth_connector = "c" })))
      assert.same({
        { event = "ONCRMLEADADD", handler = HANDLER, auth_type = "0", offline = 0 },
        { event = "ONCRMDEALADD", connector_id = "c", offline = 1 },
      }, (app:call("event.get")))
      assert.same({ count = 0 }, (app:call("event.unbind",
        { event = "ONCRMDEALADD", event_type = "offline" })))
      assert.same({ count = 1 }, (app:call("event.unbind",
        { event = "ONCRMDEALADD", event_type = "offline", auth_connector = "c" })))
      assert.same({ count = 1 }, (app:call("event.unbind",
        { event = "ONCRMLEADADD", handler = HANDLER })))
      assert.same({}, (app:call("event.get")))
    end)

    it("refuses as the documentation does", function()
      local function code(method, params)
        local ok, e = pcall(app.call, app, method, params)
        assert.is_false(ok)
        return errors.is_error(e) and e.code .. " " .. e.status or tostring(e)
      end
      assert.equal("ERROR_EVENT_NOT_FOUND 400",
        code("event.bind", { event = "ONNOTHING", handler = HANDLER }))
      for _, case in ipairs {
        { "event.bind", { event = "ONCRMLEADADD" } },
        { "event.bind", { event = "ONCRMLEADADD", event_type = "never" } },
        { "event.bind", { event = "ONOFFLINEEVENT", event_type = "offline" } },
        { "event.offline.get", { limit = 0 } },
        { "event.offline.get", { filter = { ["!ID"] = 1 } } },
        { "event.offline.get", { filter = { PROCESS_ID = "x" } } },
        { "event.offline.clear", {} },
        { "event.offline.error", { process_id = "x" } },
      } do
        assert.equal("ERROR_ARGUMENT 400", code(case[1], case[2]))
      end
      for _, method in ipairs { "events", "event.get", "event.bind", "event.unbind", "event.offline.get",
        "event.offline.clear", "event.offline.error", "event.offline.list" } do
        assert.equal("WRONG_AUTH_TYPE", here.raises("auth", here.portal.call, here.portal, method).code)
      end
    end)

    it("says which events there are", function()
      local all = app:call("events", { FULL = true })
      local crm = app:call("events", { SCOPE = "crm" })
      assert.is_true(#all > #crm and #crm > 0)
      for _, name in ipairs(crm) do assert.matches("^ONCRM", name) end
    end)

    it("gives an event away once, unless it is to stay", function()
      put(3)
      local first = app:call("event.offline.get", { limit = 1 })
      assert.is_nil(first.process_id)
      assert.equal("1", first.events[1].ID)
      assert.same({ 2, 3 }, left())
      local kept = app:call("event.offline.get", { clear = 0 })
      assert.equal(32, #kept.process_id)
      assert.same({ 2, 3 }, left(true))
      assert.same({}, (app:call("event.offline.get")).events)
      assert.equal(2, #app:call("event.offline.get", { clear = 0, process_id = kept.process_id }).events)
      app:call("event.offline.clear", { process_id = "another" })
      assert.same({ 2, 3 }, left())
      app:call("event.offline.clear",
        { process_id = kept.process_id, message_id = { kept.events[1].MESSAGE_ID } })
      assert.same({ 3 }, left())
      app:call("event.offline.clear", { process_id = kept.process_id })
      assert.same({}, left())
    end)

    it("lists the queue without touching it", function()
      put(120)
      app:call("event.offline.get", { clear = 0, limit = 1 })
      local page, response = app:call("event.offline.list", { filter = { ERROR = 0 } })
      assert.equal(50, #page)
      assert.equal(120, response.total)
      assert.equal(32, #page[1].PROCESS_ID)
      assert.equal("", page[2].PROCESS_ID)
      assert.equal("0", page[2].ERROR)
      assert.equal(120, #app:all("event.offline.list"))
      assert.equal(120, #left())
    end)

    it("queues what happens to records, the last of several changes, and not to who made it", function()
      app:call("event.bind", { event = "ONCRMDEALUPDATE", event_type = "offline", auth_connector = "mine" })
      app:call("event.bind", { event = "ONCRMCONTACTADD", event_type = "offline", auth_connector = "mine" })
      for _ = 1, 3 do app:call("crm.deal.update", { id = 1, fields = { TITLE = "a" } }) end
      app:call("crm.item.update", { entityTypeId = 2, id = 2, fields = { title = "b" } })
      app:call("crm.deal.update", { id = 3, fields = { TITLE = "c" }, auth_connector = "mine" })
      local id = here.portal:call("crm.contact.add", { fields = { NAME = "d" } })
      local seen = {}
      for event in events.offline(app, { auth_connector = "mine" }) do
        seen[#seen + 1] = event.event .. " " .. event.data.FIELDS.ID
      end
      assert.same({ "ONCRMDEALUPDATE 1", "ONCRMDEALUPDATE 2", "ONCRMCONTACTADD " .. id }, seen)
    end)
  end)
end)
