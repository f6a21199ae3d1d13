-- One budget for several processes: `limiter = bitrix24.limiter_file(path)`,
-- with eight real programs and one real portal that counts.

local bitrix24 = require "bitrix24"
local core = require "bitrix24.core"
local sandbox = require "bitrix24.sandbox"

local WORKER = "tests/support/limiter_worker.lua"

local function sh(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read("a"):gsub("\n$", ""))
end

describe("limiter_file", function()
  local folder

  before_each(function() folder = sh "mktemp -d /tmp/b24-limiter-spec-XXXXXX" end)
  after_each(function() sh(("rm -rf '%s'"):format(folder)) end)

  describe("with eight processes on one portal", function()
    local RATE, BURST, PROCESSES, CALLS, KILLED_AFTER = 20, 200, 8, 40, 5

    --- Which part of the budget was used, by the portal's own clock. What the
    -- calls left of the last step when they ended is not waste: so it is
    -- looked at when the portal's last second was at its best.
    local function usage(arrived)
      local best = 0
      for i = #arrived - RATE, #arrived do
        local budget = BURST + RATE * (arrived[i].at - arrived[1].at)
        best = math.max(best, i / budget)
      end
      return best
    end

    --- Start the programs, let them begin together, kill the last one when it
    -- has some answers and more requests on their way, and wait for the rest.
    local function run(sb)
      local gate, running, interpreter = folder .. "/gate", {}, -1
      while arg[interpreter - 1] do interpreter = interpreter - 1 end
      sh(("mkfifo '%s'"):format(gate))
      for i = 1, PROCESSES do
        running[i] = assert(io.popen(("exec '%s' %s '%s/budget' '%s' %d %d %d '%s' 2>&1"):format(
          arg[interpreter], WORKER, folder, sb.webhook, RATE, BURST, i == PROCESSES and 1000 or CALLS, gate)))
      end
      local victim = running[PROCESSES]
      local pid
      for i, pipe in ipairs(running) do
        local line = pipe:read("l")
        assert(math.tointeger(tonumber(line)), line)
        if i == PROCESSES then pid = line end
      end
      local writer <close> = assert(io.open(gate, "w")) -- luacheck: ignore
      for _ = 1, KILLED_AFTER do assert.equal("answer", victim:read("l")) end
      sh("kill -9 " .. pid)
      local outcomes = {}
      for i, pipe in ipairs(running) do
        local _, answers = pipe:read("a"):gsub("answer\n", "")
        local _, how, status = pipe:close()
        outcomes[i] = { answers = answers, how = how, status = status }
      end
      return outcomes
    end

    it("nothing is refused, and the budget is used; who is killed blocks nobody", function()
      local sb <close> = sandbox.start {
        contacts = CALLS, limits = { rate = RATE, burst = BURST, leak = "step", phase = 0.37 },
      }
      local outcomes = run(sb)
      local killed = table.remove(outcomes)
      for _, outcome in ipairs(outcomes) do
        assert.same({ answers = CALLS, how = "exit", status = 0 }, outcome)
      end
      assert.is_true(killed.status ~= 0)
      local arrived = sb:requests()
      local refused = 0
      for _, request in ipairs(arrived) do
        if request.status ~= 200 then refused = refused + 1 end
      end
      assert.equal(0, refused)
      assert.is_true(#arrived >= (PROCESSES - 1) * CALLS + KILLED_AFTER)
      local used = usage(arrived)
      assert.is_true(used >= 0.95 and used <= 1, ("%.3f of the budget"):format(used))
      assert.same({}, sb:errors())
    end)
  end)

  describe("in one program:", function()
    local sb

    before_each(function() sb = sandbox.start { contacts = 50, limits = false } end)
    after_each(function() sb:stop() end)

    local function connect(limiter, rate, burst)
      return sb:connect {
        limiter = limiter, limits = { rate = rate or 1, burst = burst or 10 },
        wait_max = 0, retries = 0, batch = false,
      }
    end

    --- How many calls go through at once.
    local function count(portal)
      local n = 0
      while n < 50 and pcall(portal.crm.contact.get, { ID = 1 }) do n = n + 1 end
      return n
    end

    it("portals with it share a budget, those without have their own", function()
      local limiter = bitrix24.limiter_file(folder .. "/budget")
      local same = bitrix24.limiter_file(folder .. "/budget")
      local one <close> = connect(limiter)
      local two <close> = connect(limiter)
      local three <close> = connect(same)
      local apart <close> = connect(bitrix24.limiter_file(folder .. "/another"))
      assert.equal(10, count(one))
      assert.equal(0, count(two))
      assert.equal(0, count(three))
      assert.equal(10, count(apart))
    end)

    it("the budget outlives the portal, the limiter and the garbage collector", function()
      do
        local portal <close> = connect(bitrix24.limiter_file(folder .. "/budget"))
        collectgarbage()
        assert.equal(10, count(portal))
      end
      collectgarbage()
      local portal <close> = connect(bitrix24.limiter_file(folder .. "/budget"))
      assert.equal(0, count(portal))
    end)

    it("the same limits for all, unless nobody else is there", function()
      local limiter = bitrix24.limiter_file(folder .. "/budget")
      do
        local portal <close> = connect(limiter)
        assert.equal(10, count(portal))
        local ok, why = pcall(connect, limiter, 2, 50)
        assert.is_false(ok)
        assert.equal("config", why.kind)
        assert.matches("rate = 1, burst = 10", tostring(why), 1, true)
        assert.matches("rate = 2, burst = 50", tostring(why), 1, true)
        assert.matches(folder .. "/budget", tostring(why), 1, true)
      end
      collectgarbage()
      local portal <close> = connect(limiter, 2, 50)
      assert.equal(40, count(portal))
    end)

    it("a file that is something else is refused and left alone", function()
      local path = folder .. "/notes"
      do
        local file <close> = assert(io.open(path, "w"))
        file:write "milk, bread"
      end
      local ok, why = pcall(connect, bitrix24.limiter_file(path))
      assert.is_false(ok)
      assert.equal("config", why.kind)
      assert.matches(path .. " is not a limiter file", tostring(why), 1, true)
      local file <close> = assert(io.open(path))
      assert.equal("milk, bread", file:read("a"))
    end)

    it("without limits there is nothing to share", function()
      local ok, why = pcall(sb.connect, sb, {
        limits = false, limiter = bitrix24.limiter_file(folder .. "/budget"),
      })
      assert.is_false(ok)
      assert.equal("config", why.kind)
    end)
  end)

  it("the path is that of the folder it was made in", function()
    local text = tostring(bitrix24.limiter_file "budget")
    assert.equal(("bitrix24.limiter_file (%s/budget)"):format(sh "pwd -P"), text)
    assert.equal("bitrix24.limiter_file (/a/b)", tostring(bitrix24.limiter_file "/a/b"))
  end)

  it("wrong paths and wrong limiters say so", function()
    for _, path in ipairs { "", "a\0b" } do
      local ok, why = pcall(bitrix24.limiter_file, path)
      assert.is_false(ok)
      assert.equal("config", why.kind)
    end
    for _, limiter in ipairs { 5, "/tmp/x", io.stdout } do
      local ok, why = pcall(bitrix24.connect, {
        webhook = "https://x.bitrix24.com/rest/1/abc/", limiter = limiter,
      })
      assert.is_false(ok)
      assert.equal("config", why.kind)
      assert.matches("limiter_file", tostring(why), 1, true)
    end
    assert.is_false(core.limiter.is_limiter(io.stdout))
    assert.is_true(core.limiter.is_limiter(bitrix24.limiter_file "/a/b"))
  end)
end)
