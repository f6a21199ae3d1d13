-- Programs of one application that share a token file and are killed: none of
-- them takes the authorization with it. KILLS=500 is a long run, which also
-- kills one at each of its system calls where strace is installed.

local bitrix24 = require "bitrix24"
local core = require "bitrix24.core"
local json = require "bitrix24.json"
local probe = require "support.probe"

local KILLS = math.tointeger(tonumber(os.getenv "KILLS")) or 25
local WORKERS = 4

--- Nobody waits longer: so many looks, a pause after each.
local LOOKS, LOOK_SECONDS = 4000, 0.002

describe("an application whose programs are killed", function()
  local sb, watch, path, store

  local function read(name)
    local file = io.open(name, "rb")
    if not file then return nil end
    local text = file:read("a")
    file:close()
    return text
  end

  local function write(name, text)
    local file = assert(io.open(name, "wb"))
    file:write(text)
    file:close()
  end

  local function shell(line)
    local pipe <close> = assert(io.popen(line))
    return (pipe:read("a"):gsub("%s+$", ""))
  end

  local function mode(name) return shell(("stat -c %%a '%s'"):format(name)) end

  --- A pair that works, as the application would have stored it.
  local function new_pair()
    local t = watch({ pair = true }).pair
    t.member_id, t.client_endpoint = sb.oauth.member_id, sb.oauth.client_endpoint
    return t
  end

  local names = 0

  --- Start a program; it runs when this returns. `below` is what runs it.
  local function start(step, below)
    names = names + 1
    local name = ("worker%d"):format(names)
    local interpreter = 0
    while arg[interpreter - 1] do interpreter = interpreter - 1 end
    local words = {
      arg[interpreter], "tests/support/oauth_worker.lua", path, sb.url, sb.oauth.client_id,
      sb.oauth.client_secret, name, step,
    }
    local pipe = assert(io.popen(("exec %s '%s' 2>&1"):format(below or "", table.concat(words, "' '"))))
    local pid = math.tointeger(pipe:read("n"))
    assert(pid or below, "it did not start")
    return { name = name, pipe = pipe, pid = pid }
  end

  --- Wait until it is dead; what it had to say.
  local function bury(worker)
    local said = worker.pipe:read("a")
    worker.pipe:close()
    worker.dead = true
    return (said:gsub("^%s+", ""))
  end

  local function kill(worker)
    os.execute(("kill -9 %d 2>/dev/null"):format(worker.pid))
    return bury(worker)
  end

  --- Look until something is so.
  local function await(what, is_so)
    for _ = 1, LOOKS do
      local found = is_so()
      if found then return found end
      core.sleep(LOOK_SECONDS)
    end
    error("waited in vain: " .. what, 0)
  end

  local function connect(options)
    local given = {
      domain = sb.url, oauth_url = sb.url, client_id = sb.oauth.client_id,
      client_secret = sb.oauth.client_secret, tokens = store, limits = false, retries = 0,
    }
    for name, value in pairs(options or {}) do given[name] = value end
    return bitrix24.connect(given)
  end

  --- A program that starts now is authorized.
  local function authorized()
    local portal <close> = connect()
    return portal.user.current().ID == "1"
  end

  --- Wait until each of these programs has made calls that it had not made yet.
  local function await_calls(workers, look)
    local function counts()
      local out = {}
      for by, count in pairs(watch({}).calls) do out[by:match("^%S+")] = count end
      return out
    end
    local before = counts()
    await("calls of every program", function()
      if look then look() end
      local now = counts()
      for _, worker in ipairs(workers) do
        if (now[worker.name] or 0) <= (before[worker.name] or 0) then return false end
      end
      return true
    end)
  end

  --- How many renewals the authorization server has carried out.
  local function renewals()
    local count = 0
    for _, ask in ipairs(watch({}).asked) do
      if ask.grant == "refresh_token" and ask.got then count = count + 1 end
    end
    return count
  end

  before_each(function()
    sb = probe.start { limits = false, users = 1 }
    watch = probe.watch(sb)
    path = os.tmpname()
    os.remove(path)
    store = bitrix24.token_file(path)
    store:save(new_pair())
  end)

  after_each(function()
    watch(false)
    local failed = sb:errors()
    sb:stop()
    for _, suffix in ipairs { "", ".lock", ".new" } do os.remove(path .. suffix) end
    assert.same({}, failed)
  end)

  -- step → how often the next program has to renew
  local steps = {
    { "loading", 1 }, { "locked", 1 }, { "reserved", 1 }, { "saved", 0 }, { "released", 0 },
  }
  for _, row in ipairs(steps) do
    local step, renewed = table.unpack(row)
    it("goes on where one died: " .. step, function()
      watch { expire = true }
      local before = renewals()
      assert.equal("", bury(start(step)))
      local died = renewals()
      assert.equal(renewed == 0 and 1 or 0, died - before)
      assert.is_true(watch({ refresh = store:load().refresh_token }).good)
      assert.is_true(authorized())
      assert.equal(renewed, renewals() - died)
      assert.equal("600", mode(path))
    end)
  end

  it("loses only what the server had made useless before the answer could be saved", function()
    watch { expire = true }
    local kept = store:load()
    local worker = start "answered"
    assert.equal("", bury(worker))
    local asked = watch({}).asked
    local last = asked[#asked]
    assert.equal(kept.refresh_token, last.used)
    assert.equal(worker.name, last.by:match("^%S+"))
    assert.same(kept, store:load())
    local portal <close> = connect()
    local ok, e = pcall(portal.user.current)
    assert.is_false(ok)
    assert.equal("auth", e.kind)
    assert.equal("invalid_grant", e.code)
    assert.matches("authorize again", e.hint)
    -- and is healed by a new consent, while it runs
    store:save(new_pair())
    assert.equal("1", portal.user.current().ID)
  end)

  it("finds the lock free at once when its holder is killed", function()
    local holder = start "holding"
    assert.equal("locked", holder.pipe:read("l") and holder.pipe:read("l"))
    assert.is_false(core.lock(path .. ".lock"))
    kill(holder)
    local lock <close> = core.lock(path .. ".lock")
    assert.truthy(lock)
  end)

  describe("in the middle of saving", function()
    local spent, later

    before_each(function()
      spent, later = store:load(), new_pair()
      watch { expire = true }
      spent.access_token, spent.expires = sb.oauth.expired_token, spent.expires - 10
      store:save(spent)
    end)

    local function left(text, permissions)
      write(path .. ".new", text)
      os.execute(("chmod %s '%s.new'"):format(permissions or "600", path))
    end

    local function json_of(t) return (assert(json.encode(t))) end

    local tails = {
      ["all but the renaming"] = "\n", ["all but the cutting"] = "\n" .. ("\0"):rep(300),
    }
    for name, tail in pairs(tails) do
      it("had done " .. name .. ": the next program completes it", function()
        left(json_of(later) .. tail)
        assert.is_true(authorized())
        assert.equal(later.refresh_token, watch({}).asked[1].used)
        assert.is_nil(read(path .. ".new"))
      end)
    end

    it("is no reason to renew when the pair is young enough", function()
      local young = new_pair()
      left(json_of(young))
      assert.is_true(authorized())
      assert.same({}, watch({}).asked)
      assert.equal(young.refresh_token, store:load().refresh_token)
      assert.equal("600", mode(path))
    end)

    local garbage = {
      ["only reserved room"] = function() left(("\0"):rep(5000)) end,
      ["half of the text"] = function() left(json_of(later):sub(1, 60)) end,
      ["nothing but the file"] = function() left("") end,
      ["a file that others can read"] = function() left(json_of(later), "644") end,
      ["a pair of another portal"] = function()
        later.member_id = "another"
        left(json_of(later))
      end,
      ["an older pair"] = function()
        later.expires = spent.expires - 1
        left(json_of(later))
      end,
    }
    for name, leave in pairs(garbage) do
      it("had left " .. name .. ": that is not used", function()
        leave()
        assert.is_true(authorized())
        assert.equal(1, #watch({}).asked)
        assert.equal(spent.refresh_token, watch({}).asked[1].used)
        assert.equal("600", mode(path))
        assert.is_nil(read(path .. ".new"))
      end)
    end
  end)

  --- The system calls of a program that renews: { name, how many of that name
  -- there were }, from the first look at its tokens on.
  local function system_calls(trace)
    local points, counts, begun = {}, {}, false
    for line in io.lines(trace) do
      local name = line:match("^([%w_]+)%(")
      if name then
        counts[name] = (counts[name] or 0) + 1
        begun = begun or line:find(path, 1, true) and name == "openat"
        if begun and name ~= "exit_group" then points[#points + 1] = { name, counts[name] } end
      end
    end
    return points
  end

  if os.getenv "KILLS" and os.execute("strace -o /dev/null true 2>/dev/null") then
    it("loses nothing else at any system call", function()
      watch { expire = true }
      local trace = os.tmpname()
      assert.equal("", bury(start("once", "strace -o " .. trace)))
      local points = system_calls(trace)
      os.remove(trace)
      local ends = { untouched = 0, saved = 0, completed = 0, lost = 0 }
      for _, point in ipairs(points) do
        local kept = new_pair()
        store:save(kept)
        watch { expire = true }
        local strace = ("strace -o /dev/null -e inject=%s:signal=KILL:when=%d"):format(point[1], point[2])
        local worker = start("once", strace)
        bury(worker)
        local t, beside = json.decode(assert(read(path))), read(path .. ".new") or ""
        assert.equal("600", mode(path))
        local works = pcall(authorized)
        local mine, others
        for _, ask in ipairs(watch({}).asked) do
          if ask.used == kept.refresh_token and ask.got then
            if ask.by:match("^%S+") == worker.name then mine = ask else others = ask end
          end
        end
        local fate = not mine and "untouched" or t.refresh_token == mine.got and "saved"
          or beside:find(mine.got, 1, true) and "completed" or "lost"
        ends[fate] = ends[fate] + 1
        assert.equal(fate ~= "lost", works)
        assert.equal(fate == "untouched", others ~= nil)
        assert.equal(fate == "saved" and mine.got or kept.refresh_token, t.refresh_token)
      end
      assert(ends.untouched > 0 and ends.saved > 0 and ends.completed > 0)
      -- from sending the question to writing down the answer
      assert(ends.lost < 20, ends.lost)
      print(("%d system calls: %d before the renewal, %d saved, %d completed from beside, %d answers lost")
        :format(#points, ends.untouched, ends.saved, ends.completed, ends.lost))
    end)
  end

  it("renews once for all that wait, whatever process they are of", function()
    local workers = {}
    for i = 1, 6 do workers[i] = start() end
    await_calls(workers)
    for round = 1, 5 do
      sb:fault { method = "oauth.token", action = { delay = 0.02 } }
      watch { expire = true }
      await_calls(workers)
      assert.equal(round, renewals())
    end
    for _, worker in ipairs(workers) do assert.equal("", kill(worker)) end
    assert.equal(5, #watch({}).asked)
  end)

  it("goes on while they are killed at random", function()
    local random = math.random
    math.randomseed(os.time())
    local workers, dead, lost, completed = {}, {}, {}, 0
    for i = 1, WORKERS do workers[i] = start() end
    local guard <close> = setmetatable({}, { __close = function() -- luacheck: ignore
      for _, worker in ipairs(workers) do
        if not worker.dead then kill(worker) end
      end
    end })

    --- The file is whole, and its owner's, at every look.
    local function look()
      local t = json.decode(assert(read(path), "the file is gone"))
      assert.is_table(t)
      assert.is_string(t.refresh_token)
      assert.equal("600", mode(path))
      return t
    end

    local function by(ask) return ask.by:match("^%S+") end

    --- After a kill: what the file holds still works, or will when those who
    -- live are done; or the server had answered the killed one.
    local function judge()
      local last
      for _, ask in ipairs(watch({ trim = true }).asked) do
        if ask.got then last = ask end
      end
      local t = look() -- later than that: it may have been saved before its program was killed
      if not last or not dead[by(last)] then return end
      if t.refresh_token ~= last.used then return end
      local beside = read(path .. ".new") or ""
      if beside:find(last.got, 1, true) and json.decode((beside:gsub("%z+$", ""))) then
        completed = completed + 1
        return
      end
      if not lost[last.used] then
        if look().refresh_token ~= last.used then return end -- completed meanwhile
        lost[last.used], lost[#lost + 1] = by(last), last.used
        store:save(new_pair())
      end
    end

    local kills = 0
    while kills < KILLS do
      local way = random(3)
      if way == 3 then
        sb:fault { method = "oauth.token", action = { delay = random() * 0.01 } }
      end
      local asked = #watch({ expire = true }).asked
      local victim
      if way == 1 then
        core.sleep(random() * 0.03)
      else
        -- whoever renews
        await("a renewal", function()
          local list = watch({}).asked
          if #list == asked then return false end
          for i, worker in ipairs(workers) do
            if worker.name == by(list[#list]) then victim = i end
          end
          return true
        end)
        core.sleep(random() * (way == 2 and 0.002 or 0.012))
      end
      victim = victim or random(WORKERS)
      local worker = workers[victim]
      assert.equal("", kill(worker))
      dead[worker.name] = true
      kills = kills + 1
      judge()
      workers[victim] = start()
    end

    -- those who live go on, and so does whoever comes
    watch { expire = true }
    await_calls(workers, judge)
    for _, worker in ipairs(workers) do assert.equal("", kill(worker)) end
    for _, worker in ipairs(workers) do dead[worker.name] = true end
    judge()
    assert.is_true(authorized())
    assert.is_true(watch({ refresh = look().refresh_token }).good)

    -- one renewal for each expiry at most, and no refresh token asked for twice
    -- but after a kill that lost the answer
    local state, granted, refused = watch {}, 0, 0
    for _, ask in ipairs(state.asked) do
      if ask.got then
        granted = granted + 1
      else
        refused = refused + 1
        assert(lost[ask.used], "a spent refresh token was used by " .. ask.by)
      end
    end
    for _, used in ipairs(lost) do assert(dead[lost[used]]) end
    assert(granted <= state.expired, ("%d renewals, %d expiries"):format(granted, state.expired))
    if os.getenv "KILLS" then
      print(("%d kills, %d expiries, %d renewals, %d answers lost, %d completed from beside, %d refused")
        :format(kills, state.expired, granted, #lost, completed, refused))
    end
  end)
end)
