-- A portal that means harm: answers without end, larger than they look, nested
-- beyond any stack, leading round in circles. Each ends in an error that says
-- what is wrong, within a bound, and the client goes on.

local json = require "bitrix24.json"
local sandbox = require "bitrix24.sandbox"
local support = require "support.portal"

local MB = 1024 * 1024
local CAP = 64 * MB
-- What the sockets of both ends may hold besides.
local BUFFERS = 32 * MB

-- The most memory this process ever had, in bytes, where the system tells.
local function peak()
  local file <close> = io.open("/proc/self/status")
  local kb = file and file:read("a"):match("VmHWM:%s*(%d+)")
  return kb and tonumber(kb) * 1024
end

-- A checker that keeps freed memory would be measured instead.
local is_measurable = peak() ~= nil and not os.getenv("ASAN_OPTIONS") and not os.getenv("LD_PRELOAD")

-- action, kind, sent, what the message says, bytes that may leave the portal,
-- does the method run?
local ANSWERS = {
  { "flood", "protocol", true, "larger than this client takes", CAP + BUFFERS },
  { "flood_length", "protocol", true, "larger than this client takes", BUFFERS },
  { "headers", "protocol", true, "larger than this client takes: its headers", BUFFERS },
  { "bomb", "protocol", true, "larger than this client takes", BUFFERS },
  { { status = 500, body = "<html>", transfer = "flood" }, "protocol", true, "larger than", CAP + BUFFERS },
  { "deep", "protocol", true, "not whole JSON.*nested", 0 },
  { { depth = 1000000 }, "protocol", true, "not whole JSON.*nested", 0 },
  { { body = ("["):rep(1000000) }, "protocol", true, "not whole JSON.*nested", 0 },
  { { body = ('{"result":'):rep(100000) }, "protocol", true, "not whole JSON.*nested", 0 },
  { { status = 400, depth = 10000 }, "protocol", true, "not whole JSON.*nested", 0 },
  { "gzip", "protocol", true, "broke off", 0 },
  { "gzip_cut", "protocol", true, "not whole JSON", 0, true },
  { "redirect", "protocol", false, "redirects without end", 0 },
  { "redirect_new", "protocol", false, "redirects without end", 0 },
}

-- What a body holds is the same over both.
local OVER_TLS = {}
for _, row in ipairs(ANSWERS) do
  if type(row[1]) == "string" then OVER_TLS[#OVER_TLS + 1] = row end
end

local function name_of(action)
  return type(action) == "string" and action or json.encode(action):sub(1, 60)
end

for _, tls in ipairs { false, true } do
  describe(tls and "a hostile portal over HTTPS" or "a hostile portal over HTTP", function()
    local here = support(_ENV, { tls = tls, contacts = 2 })

    for _, row in ipairs(tls and OVER_TLS or ANSWERS) do
      local action, kind, sent, words, bytes, runs = table.unpack(row)
      it("is told, and left in time: " .. name_of(action), function()
        here.portal:call("profile")
        local before = here.sb:sent()
        -- a write, and a read that may be repeated
        for _, method in ipairs { "crm.contact.add", "crm.contact.list" } do
          here.sb:fault { method = method, action = action }
          local portal = here:connect { retries = 0 }
          local e = here.raises(kind, portal.call, portal, method, { fields = { NAME = "New" } })
          assert.equal(sent, e.sent)
          assert.matches(words, e.message)
          assert.truthy(#tostring(e) < 1000)
          assert.equal("1", portal:call("profile").ID)
        end
        assert.truthy(here.sb:sent() - before <= 2 * bytes,
          ("%d bytes were read"):format(here.sb:sent() - before))
        assert.equal(runs and 3 or 2, #here.sb:records "contacts")
      end)
    end

    it("is not asked again for an answer that is too large", function()
      for _, action in ipairs { "flood_length", "headers", "bomb" } do
        here.sb:reset()
        here.sb:fault { method = "crm.contact.list", action = action, count = 9 }
        local e = here.raises("protocol", here.portal.crm.contact.list)
        assert.same({ 1, 1, false }, { e.attempts, #here:sent(), e.retryable })
      end
    end)

    it("is left after the time-out where it drips or stalls", function()
      local fast = { transfer = "drip", every = 0.001 }
      local actions = { profile = "drip", ["server.time"] = "stall", scope = fast }
      local methods = {}
      for method, action in pairs(actions) do
        here.sb:fault { method = method, action = action }
        methods[#methods + 1] = method
      end
      local portal = here:connect { timeout = 1, retries = 0, batch = false }
      local _, errors = portal:map(methods, function(method)
        return portal:call(method)
      end, { on_error = "collect" })
      for i, method in ipairs(methods) do
        local e = errors[i]
        assert.same({ "network", true, 1 }, { e.kind, e.sent, e.attempts }, method)
        assert.matches("took too long", e.message)
      end
      assert.equal("1", here.portal:call("profile").ID)
    end)

    it("does not get the client to knock at other doors for ever", function()
      local closed <close> = sandbox.closed_port()
      local place = closed.webhook .. "profile"
      if tls then place = place:gsub("^http:", "https:") end
      here.sb:fault { method = "profile", action = { status = 302, headers = { Location = place } } }
      local portal = here:connect { retries = 1 }
      local e = here.raises("network", portal.call, portal, "profile")
      assert.equal(false, e.sent)
      assert.equal(1, #here:sent())
    end)

    it("harms no call that travels beside", function()
      here.sb:fault { method = "profile", action = "flood" }
      here.sb:fault { method = "user.current", action = "deep" }
      local portal = here:connect { batch = false, retries = 0 }
      local methods = { "profile", "server.time", "user.current", "methods" }
      local results, errors = portal:map(methods, function(method)
        return portal:call(method) ~= nil
      end, { on_error = "collect" })
      assert.same({ "protocol", "protocol" }, { errors[1].kind, errors[3].kind })
      assert.same({ true, true }, { results[2], results[4] })
    end)
  end)
end

describe("two portals that send the client to each other", function()
  local here = support(_ENV, {})

  it("are left after three hops, and the client goes on where one answers", function()
    local other <close> = sandbox.start { limits = false }
    here.sb:move { to = other.url }
    other:move { to = here.sb.url }
    local e = here.raises("protocol", here.portal.call, here.portal, "profile")
    assert.matches("redirects without end", e.message)
    assert.same({ false, 4, 4 }, { e.sent, e.attempts, #here:sent() + #other:requests() })
    here.sb:move(false)
    other:move(false)
    assert.equal("1", here.portal:call("profile").ID)
  end)
end)

describe("memory", function()
  local here = support(_ENV, {})

  it("does not grow beyond the largest answer, however many come", function()
    if not is_measurable then return end
    for _ = 1, 5 do
      for _, action in ipairs { "flood", "bomb" } do
        here.sb:fault { method = "profile", action = action }
        here.raises("protocol", here.portal.call, here.portal, "profile")
      end
    end
    assert.truthy(peak() < CAP + 64 * MB, ("%d MB"):format(peak() // MB))
  end)
end)

describe("nested JSON", function()
  -- how deep it may be is the decoder's business; what is deeper is refused
  it("is read up to a depth, refused beyond it, and never overflows a stack", function()
    local readable = true
    for _, depth in ipairs { 1, 63, 64, 65, 66, 500, 999, 1001, 2000, 10000, 100000, 1000000 } do
      for _, form in ipairs { { "[", "1", "]" }, { '{"a":', "1", "}" }, { '[{"a":', "1", "}]" } } do
        local value, why = json.decode(form[1]:rep(depth) .. form[2] .. form[3]:rep(depth))
        if depth <= 65 then assert.truthy(value) end
        if depth > 1000 then readable = false end
        if not readable then assert.truthy(value == nil and #why > 0) end
        -- unfinished, too
        assert.is_nil((json.decode(form[1]:rep(depth))))
      end
    end
  end)
end)

describe("endless pages", function()
  local here = support(_ENV, { deals = 10 })

  local function page(first, count, more)
    local list = {}
    for i = 1, count do list[i] = ('{"ID":"%d"}'):format(first + i - 1) end
    return ('{"result":[%s],"time":{}%s}'):format(table.concat(list, ","), more)
  end

  -- What the portal answers to request n.
  local PORTALS = {
    ["the same page under the same number"] = function() return page(1, 50, ',"next":50') end,
    ["the same page under ever new numbers"] = function(n)
      return page(1, 50, (',"next":%d'):format(n * 50))
    end,
    ["nothing, and more of it"] = function(n) return page(1, 0, (',"next":%d'):format(n * 50)) end,
    ["nothing, under the same number"] = function() return page(1, 0, ',"next":50') end,
    ["pages that go backwards"] = function(n)
      return page(n, 50, (',"next":%d'):format(1000 - n * 50))
    end,
  }

  for name, answer in pairs(PORTALS) do
    it("end: " .. name, function()
      for n = 1, 130 do
        here.sb:fault { method = "crm.deal.list", nth = n, action = { body = answer(n) } }
      end
      local portal = here:connect { retries = 0 }
      local seen, count = {}, 0
      local e = here.raises("protocol", function()
        for deal in portal.crm.deal.list:each({}, { strategy = "sequential" }) do
          count = count + 1
          seen[deal.ID] = (seen[deal.ID] or 0) + 1
        end
      end)
      assert.equal("crm.deal.list", e.method)
      assert.truthy(#e.message > 0 and #here:sent() <= 103, #here:sent())
      assert.truthy(count <= 1000)
      here.sb:reset()
      assert.equal(10, #portal.crm.deal.list:all({}, { strategy = "sequential" }))
    end)
  end

  -- The answer to the nth batch for pages of a list: the same records, or none, and more to come.
  local function batch_of(n, size)
    local results, nexts = {}, {}
    for i = 0, 49 do
      results[i + 1] = ('"c%02d":[%s]'):format(i, page(51, size, ""):match('"result":%[(.-)%],"time"'))
      nexts[i + 1] = ('"c%02d":%d'):format(i, 50 * (2 + 50 * (n - 1) + i))
    end
    return ('{"result":{"result":{%s},"result_error":[],"result_total":[],"result_next":{%s}},"time":{}}')
      :format(table.concat(results, ","), table.concat(nexts, ","))
  end

  for _, size in ipairs { 0, 50 } do
    it(("end where they come fifty at a time, %d records each"):format(size), function()
      -- a portal of its own: what an earlier walk sent and dropped arrives late
      local sb <close> = sandbox.start { limits = false }
      local portal <close> = sb:connect()
      sb:fault { method = "crm.deal.list", action = { body = page(1, 50, ',"total":500000,"next":50') } }
      for n = 1, 6 do
        sb:fault { method = "batch", nth = n, action = { body = batch_of(n, size) } }
      end
      local count = 0
      local e = here.raises("protocol", function()
        for _ in portal.crm.deal.list:each({}, { strategy = "batch" }) do count = count + 1 end
      end)
      assert.equal("crm.deal.list", e.method)
      assert.truthy(count <= 100 and #sb:requests() <= 6, count .. " " .. #sb:requests())
    end)
  end

  it("end in REST 3.0, where no page comes again behind the last one", function()
    local items = {}
    for i = 1, 1000 do items[i] = ('{"id":%d}'):format(i) end
    here.sb:fault { method = "tasks.task.list", count = 200,
      action = { body = ('{"result":{"items":[%s]},"time":{}}'):format(table.concat(items, ",")) } }
    local count = 0
    local e = here.raises("protocol", function()
      for _ in here.portal.v3.tasks.task.list:each() do count = count + 1 end
    end)
    assert.matches("repeats itself", e.message)
    assert.same({ 1000, 2 }, { count, #here:sent() })
  end)

  it("end where the portal ignores the filter of a walk by id", function()
    here.sb:fault { method = "crm.deal.list", count = 200, action = { body = page(1, 50, "") } }
    local count = 0
    local e = here.raises("protocol", function()
      for _ in here.portal.crm.deal.list:each({}, { strategy = "keyset" }) do count = count + 1 end
    end)
    assert.equal("crm.deal.list", e.method)
    assert.truthy(count <= 100 and #here:sent() <= 4)
  end)
end)
