-- Portals in a host's event loop: calls in its coroutines yield to it, whatever
-- they wait for; idle portals cost it nothing.

local bitrix24 = require "bitrix24"
local cqueues = require "cqueues"
local leaks = require "support.leaks"
local uv = require "luv"

--- A host: go(f) runs f in a coroutine of its own, run() turns the loop until
-- all are through and raises what failed in one, nap() waits in one.
local HOSTS = {
  luv = function()
    local host = { failed = {} }
    function host.start(thread)
      local ok, fault = coroutine.resume(thread)
      if not ok then error(fault, 0) end
    end
    function host.turn() uv.run() end
    function host.nap(seconds)
      local thread, timer = coroutine.running(), uv.new_timer()
      timer:start(math.ceil(seconds * 1000), 0, function()
        timer:close()
        assert(coroutine.resume(thread))
      end)
      coroutine.yield()
    end
    return host
  end,
  cqueues = function()
    local controller = cqueues.new()
    local host = { failed = {}, nap = cqueues.sleep, controller = controller }
    function host.start(thread) controller:attach(thread) end
    function host.turn()
      local ok, fault = controller:loop()
      if not ok then error(fault, 0) end
    end
    return host
  end,
}

local function new_host(name)
  local host = HOSTS[name]()
  host.adapter = require("bitrix24.loop." .. name)
  function host.go(f)
    local thread = coroutine.create(function()
      local ok, fault = xpcall(f, function(e) return type(e) == "string" and debug.traceback(e) or e end)
      if not ok then table.insert(host.failed, fault) end
    end)
    host.start(thread)
    return thread
  end
  function host.run()
    host.turn()
    if host.failed[1] ~= nil then error(host.failed[1], 0) end
  end
  --- The same, with one more coroutine, which counts how often it came by.
  function host.run_ticking(is_done, seconds)
    local ticks = 0
    host.go(function()
      while not is_done() and #host.failed == 0 do
        host.nap(seconds)
        ticks = ticks + 1
      end
    end)
    host.run()
    return ticks
  end
  --- The adapter, with an eye on what the host was told.
  host.watched, host.timers, host.turns = {}, 0, 0
  function host.seen()
    local inner = host.adapter()
    local outer = setmetatable({}, { __index = inner })
    local armed = false
    function outer.watch(fd, what, ready)
      host.watched[fd] = what
      inner.watch(fd, what, ready)
    end
    function outer.timer(seconds, fire)
      if armed then host.timers = host.timers - 1 end
      armed = seconds ~= nil
      if armed then host.timers = host.timers + 1 end
      inner.timer(seconds, fire and function()
        armed = false
        host.timers, host.turns = host.timers - 1, host.turns + 1
        fire()
      end)
    end
    return outer
  end
  return host
end

for _, name in ipairs { "luv", "cqueues" } do
  describe("a host's loop: " .. name .. ":", function()
    local here = require "support.portal" (_ENV, {
      users = 60, contacts = 230, chats = 10, latency = 0.01, token_ttl = 3600,
    })
    local host, portal, files

    before_each(function()
      host, files = new_host(name), {}
      portal = here:connect { loop = host.seen }
    end)
    after_each(function()
      for _, path in ipairs(files) do
        os.remove(path)
        os.remove(path .. ".lock")
      end
      if name == "luv" then uv.run() end
    end)

    local function idle()
      assert.same({}, host.watched)
      assert.equal(0, host.timers)
    end

    --- Another portal of this host.
    local function connect(options)
      local given = { loop = host.adapter }
      for key, value in pairs(options or {}) do given[key] = value end
      return here:connect(given)
    end

    local function name_of(id, from) return (from or portal).crm.contact.get { ID = id }.NAME end

    describe("a call", function()
      it("yields to the others until its answer is here", function()
        local order, left = {}, 3
        for i = 1, 3 do
          host.go(function()
            order[#order + 1] = "ask"
            local id = portal.user.get { ID = i }[1].ID
            order[#order + 1] = "answer"
            left = left - 1
            assert.equal(i, tonumber(id))
          end)
        end
        local ticks = host.run_ticking(function() return left == 0 end, 0.001)
        assert.equal("ask ask ask answer answer answer", table.concat(order, " "))
        assert.truthy(ticks > 1, ticks)
        idle()
      end)

      it("raises its error where it was made", function()
        local e
        host.go(function()
          local ok
          ok, e = pcall(function() return portal.crm.contact.get { ID = 99999 } end)
          assert.falsy(ok)
          portal.user.current() -- and the portal lives
        end)
        host.run()
        assert.truthy(bitrix24.is_error(e))
        assert.equal("api", e.kind)
        assert.matches("loop_spec.lua:%d+$", e.where or "")
      end)

      it("waits in the loop before it is sent again", function()
        here.sb:fault { method = "user.current", action = { status = 503, retry_after = 0.1 } }
        local answered = false
        host.go(function()
          local _, response = portal.user.current()
          assert.equal(2, response.attempts)
          answered = true
        end)
        local ticks = host.run_ticking(function() return answered end, 0.01)
        assert.truthy(ticks > 3, ticks)
        idle()
      end)

      it("waits in the loop for its turn in a budget", function()
        local slow = connect { limits = { rate = 50, burst = 1 } }
        local order = {}
        for i = 1, 2 do
          host.go(function()
            slow.user.current()
            order[#order + 1] = i
          end)
        end
        host.run()
        table.sort(order)
        assert.same({ 1, 2 }, order)
        assert.equal(2, #here:sent "user.current")
      end)

      it("has a timeout that the loop keeps", function()
        here.sb:fault { method = "user.current", action = "hang", count = 9 }
        host.go(function()
          local e = here.raises("network", portal.call, portal, "user.current", nil, { timeout = 0.05 })
          assert.matches("time", e.message)
        end)
        host.run()
        idle()
      end)

      it("goes on over a connection that the server closed", function()
        for _, action in ipairs { "reset", "forget" } do
          here.sb:fault { method = "user.current", action = action }
          for _ = 1, 3 do
            host.go(function() assert.equal(1, tonumber(portal.user.current().ID)) end)
          end
          host.run()
          idle()
        end
      end)

      it("may be one of many at once", function()
        local wide = connect { max_connections = 100 }
        local sum = 0
        for i = 1, 80 do
          host.go(function()
            local id = tonumber(wide.crm.contact.get { ID = i }.ID)
            sum = sum + id
          end)
        end
        host.run()
        assert.equal(80 * 81 / 2, sum)
      end)

      it("blocks outside of a coroutine, and the others get theirs", function()
        local got = {}
        for i = 1, 3 do host.go(function() got[i] = name_of(i) end) end
        for i = 4, 6 do got[i] = name_of(i) end
        host.run()
        for i = 1, 6 do assert.equal(name_of(i, here.portal), got[i]) end
        idle()
      end)
    end)

    describe("in a coroutine", function()
      it("map packs its calls, and the host goes on", function()
        local ids, done = {}, false
        for i = 1, 50 do ids[i] = i end
        host.go(function()
          local names = portal:map(ids, function(id) return name_of(id) end)
          assert.equal(50, names.n)
          assert.equal(name_of(7, here.portal), names[7])
          done = true
        end)
        local ticks = host.run_ticking(function() return done end, 0.001)
        local batches = here:sent "batch"
        assert.equal(1, #batches)
        assert.equal(50, #batches[1].commands)
        assert.truthy(ticks > 1, ticks)
        idle()
      end)

      it("two maps and single calls do not disturb each other", function()
        local got = {}
        for run = 1, 2 do
          host.go(function()
            got[run] = portal:map({ 1, 2, 3, 4 }, function(id)
              local first = name_of(id)
              return first .. portal.crm.contact.get { ID = id }.LAST_NAME
            end)
          end)
        end
        host.go(function() for _ = 1, 5 do portal.user.current() end end)
        host.run()
        assert.equal(4, got[1].n)
        assert.same(got[1], got[2])
        idle()
      end)

      it("gather, batches and lists of every kind", function()
        host.go(function()
          local a, b = portal:gather(function() return name_of(1) end, function() return name_of(2) end)
          assert.same({ name_of(1), name_of(2) }, { a, b })
        end)
        host.go(function()
          local results = portal:batch { me = { "user.current" }, one = { "user.get", { ID = 1 } } }
          assert.equal(results.one[1].NAME, results.me.NAME)
        end)
        for _, strategy in ipairs { "sequential", "keyset", "batch" } do
          host.go(function()
            local seen, count = {}, 0
            for contact in portal.crm.contact.list:each({}, { strategy = strategy }) do
              assert.falsy(seen[contact.ID])
              seen[contact.ID], count = true, count + 1
            end
            assert.equal(230, count)
          end)
        end
        host.go(function() assert.equal(230, #portal.crm.contact.list:all {}) end)
        host.run()
        idle()
      end)

      it("a download", function()
        local path = os.tmpname()
        files[#files + 1] = path
        host.go(function()
          local file = portal.disk.file.get { id = 3 }
          local _, bytes = portal:download(file.DOWNLOAD_URL, path)
          assert.equal(tonumber(file.SIZE), bytes)
        end)
        host.run()
        idle()
      end)

      it("a list that is left early fetches nothing more", function()
        host.go(function()
          for _ in portal.crm.contact.list:each {} do break end -- luacheck: ignore
        end)
        host.run()
        assert.truthy(#here:sent() <= 2)
        idle()
      end)
    end)

    describe("a log that calls the portal itself", function()
      it("gets its answer without waiting for itself", function()
        local asked, heard, logged = false, nil, nil
        logged = connect {
          log = function(event)
            if event.event == "answer" and not asked then
              asked = true
              heard = tonumber(logged.user.current().ID)
            end
          end,
        }
        host.go(function() name_of(2, logged) end)
        host.run()
        assert.equal(1, heard)
      end)

      it("may close it", function()
        local logged
        logged = connect { log = function(event) if event.event == "answer" then logged:close() end end }
        host.go(function() here.raises("cancelled", name_of, 2, logged) end)
        host.run()
      end)
    end)

    describe("tokens", function()
      local function store(t)
        local path = os.tmpname()
        files[#files + 1] = path
        os.remove(path)
        local kept = bitrix24.token_file(path)
        kept:save(t)
        return kept, path
      end

      local function application(kept, options)
        local oauth = here.sb.oauth
        local given = {
          domain = here.sb.url, client_id = oauth.client_id, client_secret = oauth.client_secret,
          tokens = kept, oauth_url = here.sb.url,
        }
        for key, value in pairs(options or {}) do given[key] = value end
        return connect(given)
      end

      local function expired()
        local oauth = here.sb.oauth
        return { access_token = oauth.expired_token, refresh_token = oauth.refresh_token }
      end

      it("are renewed once for all that wait, and the host goes on", function()
        local app = application((store(expired())))
        local left = 4
        for i = 1, 4 do
          host.go(function()
            assert.equal(i, tonumber(app.user.get { ID = i }[1].ID))
            left = left - 1
          end)
        end
        local ticks = host.run_ticking(function() return left == 0 end, 0.001)
        assert.equal(1, #here:sent "oauth.token")
        assert.truthy(ticks > 1, ticks)
      end)

      it("are waited for by two portals of one store", function()
        local _, path = store(expired())
        local first, second = application(bitrix24.token_file(path)), application(bitrix24.token_file(path))
        for _, app in ipairs { first, second, first, second } do
          host.go(function() assert.equal(1, tonumber(app.user.current().ID)) end)
        end
        host.run()
        assert.equal(1, #here:sent "oauth.token")
      end)

      it("may be in a store whose lock yields", function()
        local kept, held = store(expired()), 0
        local mine = {}
        function mine:load() return kept:load() end -- luacheck: ignore self
        function mine:save(t) return kept:save(t) end -- luacheck: ignore self
        function mine:lock(f, wait) -- luacheck: ignore self
          for _ = 1, 3 do
            if wait then wait(0.001) end
            held = held + 1
          end
          f()
        end
        local app = application(mine)
        host.go(function() assert.equal(1, tonumber(app.user.current().ID)) end)
        host.run()
        assert.truthy(held >= 3)
        assert.equal(1, #here:sent "oauth.token")
      end)
    end)

    describe("a closed coroutine", function()
      --- Let it go out, then close it.
      local function kill(f, others)
        local thread, want = host.go(f), others and 2 or 1
        if name == "luv" then
          while #here:sent() < want do uv.run("nowait") end
          assert.truthy(coroutine.close(thread))
        else
          host.controller:loop(0)
          while #here:sent() < want do host.controller:loop(0.005) end
          assert.truthy(coroutine.close(thread))
        end
        if not others then assert.same({}, leaks.find { [portal] = true, [here.portal] = true }) end
      end

      --- The loop ends by itself; cqueues keeps the coroutine, it knows no end of one.
      local function through()
        if name == "luv" then
          host.run()
        else
          -- it may try to resume the dead one, which then is its own error and
          -- the dead one's end, so that the count alone does not tell
          local tries = 0
          repeat
            local ok, why = host.controller:loop(0.005)
            assert(ok or tostring(why):find("dead coroutine", 1, true), why)
            tries = tries + 1
          until host.controller:count() <= 1 and host.timers == 0 and not next(host.watched) or tries > 2000
        end
        idle()
      end

      local function never() error "came back" end

      for what, f in pairs {
        ["a call"] = function() return portal.user.current() end,
        ["a map"] = function() return portal:map({ 1, 2, 3 }, function(id) return name_of(id) end) end,
        ["a gather"] = function() return portal:gather(function() return name_of(1) end) end,
        ["a list"] = function() for _ in portal.crm.contact.list:each {} do end end, -- luacheck: ignore
        ["a batch"] = function() return portal:batch { { "user.current" }, { "user.get" } } end,
      } do
        it("drops " .. what .. " that it waits for", function()
          here.sb:fault { action = "hang" }
          local closed
          kill(function()
            local guard <close> = setmetatable({}, { __close = function() closed = true end }) -- luacheck: ignore
            f()
            never()
          end)
          assert.truthy(closed)
          through()
          assert.equal(1, tonumber(portal.user.current().ID))
        end)
      end

      it("does not take the others' calls with it", function()
        here.sb:fault { method = "user.current", action = "hang" }
        local got
        host.go(function() got = name_of(3) end)
        kill(function()
          portal.user.current()
          never()
        end, true)
        through()
        assert.equal(name_of(3, here.portal), got)
      end)
    end)

    describe("closing the portal", function()
      it("ends what others wait for as cancelled, in a coroutine or not", function()
        for _, inside in ipairs { true, false } do
          local one, ended = connect {}, 0
          here.sb:fault { action = "hang", count = 9 }
          for _, f in ipairs {
            function() one.user.current() end,
            function() one:map({ 1, 2 }, function(id) return name_of(id, one) end) end,
            function() for _ in one.crm.contact.list:each {} do end end, -- luacheck: ignore
          } do
            host.go(function()
              here.raises("cancelled", f)
              ended = ended + 1
            end)
          end
          if inside then
            host.go(function()
              host.nap(0.005)
              one:close()
              one:close()
              assert.equal(0, ended) -- not from in here
            end)
          else
            if name == "cqueues" then host.controller:loop(0.005) else uv.run("nowait") end
            one:close()
          end
          host.run()
          assert.equal(3, ended)
          here.sb:reset()
        end
      end)

      it("happens at the end of a scope in a coroutine", function()
        host.go(function()
          local one <close> = here.sb:connect { loop = host.adapter }
          assert.equal(1, tonumber(one.user.current().ID))
        end)
        host.run()
      end)
    end)

    describe("several portals", function()
      it("wait for each other", function()
        local other = connect {}
        local turns, order = { [portal] = 2, [other] = 1 }, {}
        for from, id in pairs(turns) do
          host.go(function()
            for _ = 1, 3 do
              local a, b = name_of(id, from), name_of(id, from == portal and other or portal)
              assert.equal(a, b)
              order[#order + 1] = a
            end
          end)
        end
        host.run()
        assert.equal(6, #order)
        idle()
      end)

      it("may be called in each other's map, while the host goes on", function()
        local other, done = connect {}, false
        host.go(function()
          local pairs_of = portal:map({ 1, 2, 3, 4, 5 }, function(id)
            return name_of(id) .. "/" .. name_of(id + 1, other)
          end)
          assert.equal(name_of(2, here.portal) .. "/" .. name_of(3, here.portal), pairs_of[2])
          done = true
        end)
        local ticks = host.run_ticking(function() return done end, 0.001)
        assert.truthy(ticks > 5, ticks)
        idle()
      end)

      it("and drop those calls when the map fails", function()
        local other = connect {}
        here.sb:fault { method = "crm.contact.get", action = "hang", count = 9 }
        host.go(function()
          local ok, e = pcall(portal.map, portal, { 1, 2 }, function(i)
            if i == 1 then return name_of(1, other) end
            portal.user.current()
            error("enough", 0)
          end)
          assert.falsy(ok)
          assert.equal("enough", e)
          assert.same({}, leaks.find { [portal] = true, [other] = true, [here.portal] = true })
        end)
        host.run()
      end)
    end)

    it("a failing coroutine fails in the host's way, and the others go on", function()
      local output, status = here.run([[
        local bitrix24 = require "bitrix24"
        local portal = bitrix24.connect { limits = false, loop = require "bitrix24.loop.]] .. name .. [[" }
        local scope = { __close = function() print "closed bad" end }
        local function bad()
          local guard <close> = setmetatable({}, scope)
          portal.user.current()
          portal.crm.contact.get { ID = 99999 }
        end
        local function good()
          for _ = 1, 4 do portal.user.current() end
          print "good"
        end
        if "]] .. name .. [[" == "luv" then
          -- the process ends there: luv's way
          coroutine.wrap(bad)()
          require("luv").run()
        else
          local controller = require("cqueues").new()
          controller:wrap(bad)
          controller:wrap(good)
          local ok, fault
          repeat
            ok, fault = controller:loop()
            if not ok then print("host: " .. tostring(fault)) end
          until ok
        end
      ]], { BITRIX24_WEBHOOK = here.sb.webhook })
      if name == "luv" then
        assert.matches("Uncaught Error: bitrix24: crm.contact.get: ", output)
        assert.matches("closed bad", output)
        assert.truthy(status ~= 0)
      else
        assert.matches("host: bitrix24: crm.contact.get: ", output)
        assert.matches("good\n$", output)
        assert.equal(0, status)
      end
    end)

    it("a program may end in the middle of everything", function()
      local output, status = here.run([[
        local bitrix24 = require "bitrix24"
        local loop = require "bitrix24.loop.]] .. name .. [["
        portal = bitrix24.connect { limits = false, loop = loop }
        local one <close> = bitrix24.connect { limits = false, loop = loop }
        local function calls()
          one.user.current()
          while true do portal.user.current() end
        end
        if "]] .. name .. [[" == "luv" then
          coroutine.wrap(calls)()
          for _ = 1, 20 do require("luv").run("once") end
        else
          controller = require("cqueues").new()
          controller:wrap(calls)
          for _ = 1, 20 do controller:step(0.01) end
        end
        print "end"
      ]], { BITRIX24_WEBHOOK = here.sb.webhook })
      assert.equal("end\n", output)
      assert.equal(0, status)
    end)

    it("example", function()
      local path = "examples/loop_" .. name .. ".lua"
      local output, status = here.run(path, { BITRIX24_WEBHOOK = here.sb.webhook })
      assert.equal(0, status, output)
      assert.matches("\n230 contacts\n", output)
      assert.matches("user 1: ", output)
      assert.matches("\n%d+ ticks meanwhile\n$", output)
    end)

    if name == "luv" then
      it("the loop ends when nobody waits, though portals are open", function()
        host.go(function() portal.user.current() end)
        host.run()
        assert.falsy(uv.loop_alive())
      end)

      it("a generator whose consumer is no host is told so", function()
        local got = {}
        host.go(function()
          local generator = coroutine.wrap(function()
            for id = 1, 3 do coroutine.yield(name_of(id)) end
          end)
          local first = generator()
          got.text = tostring(first)
          got.ok, got.fault = pcall(function() return first.NAME end)
        end)
        host.run()
        assert.matches("waiting", got.text)
        assert.falsy(got.ok)
        assert.matches("generator", got.fault)
      end)
    else
      it("a generator blocks, for its consumer is no host", function()
        local names = {}
        host.go(function()
          for got in coroutine.wrap(function()
            for id = 1, 3 do coroutine.yield(name_of(id)) end
          end) do
            names[#names + 1] = got
          end
        end)
        host.run()
        assert.equal(3, #names)
        idle()
      end)

      it("a portal may go from one controller to the next", function()
        for _ = 1, 3 do
          local controller = cqueues.new()
          local id
          controller:wrap(function() id = portal.user.current().ID end)
          assert(controller:loop())
          assert.equal(1, tonumber(id))
        end
        idle()
      end)
    end
  end)
end

describe("idle portals in a host's loop", function()
  local here = require "support.portal" (_ENV, { users = 5, contacts = 5, chats = 5 })
  local PORTALS, CALLED = 2000, 60

  --- Threads but those of the sandbox's server, which has one for a connection.
  local function threads()
    local pipe <close> = assert(io.popen("cat /proc/$PPID/task/*/comm | grep -vc MHD"))
    return pipe:read("n")
  end

  local function descriptors()
    local pipe <close> = assert(io.popen("ls /proc/$PPID/fd | wc -l"))
    return pipe:read("n")
  end

  it("cost no thread, no timer, no socket that is watched", function()
    local host = new_host "luv"
    host.go(function() here:connect({ loop = host.seen }).user.current() end)
    host.run() -- what all of them share is there now
    collectgarbage()
    collectgarbage()
    local files, running, portals = descriptors(), threads(), {}
    local options = { webhook = here.sb.webhook, limits = false, loop = host.seen }
    host.go(function() -- where the stack is short: who looks for leaks keeps a trace of each
      for i = 1, PORTALS do portals[i] = bitrix24.connect(options) end
    end)
    assert.truthy(descriptors() < files + 10) -- not even a file; the sandbox's come and go
    assert.equal(running, threads())
    local answers = 0
    for i = 1, CALLED do
      host.go(function()
        portals[i].user.current()
        answers = answers + 1
      end)
    end
    host.run()
    assert.equal(CALLED, answers)
    assert.same({}, host.watched)
    assert.equal(0, host.timers)
    assert.equal(running, threads())
    assert.falsy(uv.loop_alive())
    local turns = host.turns
    for _ = 1, 10 do uv.run("nowait") end
    assert.equal(turns, host.turns)
    for _, portal in ipairs(portals) do portal:close() end
  end)

  it("are collected, after a call too", function()
    for _, name in ipairs { "luv", "cqueues" } do
      local host, alive = new_host(name), setmetatable({}, { __mode = "k" })
      host.go(function()
        for _ = 1, 5 do
          local portal = here.sb:connect { loop = host.adapter }
          alive[portal] = true
          portal.user.current()
        end
      end)
      host.run()
      collectgarbage()
      collectgarbage()
      assert.falsy(next(alive), name)
    end
  end)
end)

describe("an adapter of one's own", function()
  local here = require "support.portal" (_ENV, { users = 5, contacts = 5, chats = 5 })

  --- A host that turns by hand.
  local function by_hand()
    local host = { woken = {} }
    function host.watch(fd, what, ready)
      host.fd, host.what, host.ready = what and fd, what, ready
    end
    function host.timer(seconds, fire) host.seconds, host.fire = seconds, fire end
    function host.suspend(arm)
      arm(function() host.wake = true end)
      coroutine.yield()
    end
    --- Turn until the coroutine goes on: what it does is asked again and again.
    function host.run(thread)
      assert(coroutine.resume(thread))
      while coroutine.status(thread) ~= "dead" do
        local fire = host.seconds == 0 and host.fire
        if fire then
          host.seconds, host.fire = nil, nil
          fire()
        elseif host.fd then
          host.ready(host.fd, host.what)
        end
        if host.wake then
          host.wake = nil
          assert(coroutine.resume(thread))
        end
      end
    end
    return host
  end

  it("is a table of three functions", function()
    local host = by_hand()
    local portal, id = here:connect { loop = host }, nil
    host.run(coroutine.create(function() id = portal.user.current().ID end))
    assert.equal(1, tonumber(id))
    assert.falsy(host.fd)
    assert.falsy(host.seconds)
  end)

  it("is looked at when the portal is opened", function()
    for _, adapter in ipairs { 5, {}, { watch = print, timer = print }, function() return {} end } do
      local e = here.raises("config", bitrix24.connect, { webhook = here.sb.webhook, loop = adapter })
      assert.matches("loop", e.message)
    end
  end)

  it("that cannot watch a socket fails the calls, not the host", function()
    local host = by_hand()
    function host.watch(_, what) if what then error("no room in the loop", 0) end end
    local portal, ok, fault = here:connect { loop = host }, nil, nil
    host.run(coroutine.create(function()
      ok, fault = pcall(portal.call, portal, "user.current")
    end))
    assert.falsy(ok)
    assert.equal("no room in the loop", fault)
  end)
end)

describe("a host in C", function()
  local here = require "support.portal" (_ENV, { users = 5, contacts = 5, chats = 5 })

  it("is the example host_epoll.c", function()
    local build = os.getenv("BUILD") or package.cpath:match("([^;]*)/%?%.so")
    local program = build .. "/host_epoll"
    local words = {
      os.getenv("CC") or "cc", "-std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -Icsrc/include",
      os.getenv("CPPFLAGS") or "", os.getenv("CFLAGS") or "-O1 -g", "-o", program, "examples/host_epoll.c",
      build .. "/libbitrix24-core.a", os.getenv("LDFLAGS") or "",
      "$(pkg-config --libs libcurl 2>/dev/null || echo -lcurl) -lm -lpthread",
    }
    assert.truthy(os.execute(table.concat(words, " ")))
    local webhook = here.sb.webhook
    local pipe = assert(io.popen(("'%s' '%s' '%s' 2>&1"):format(program, webhook, webhook)))
    local output = pipe:read("a")
    assert.truthy(pipe:close(), output)
    local answers = 0
    for _ in output:gmatch('user%.%a+: HTTP 200 {"result":') do answers = answers + 1 end
    assert.equal(6, answers, output)
    assert.matches("nothing is watched, no timer is set\n$", output)
    assert.equal(6, #here:sent())
  end)
end)
