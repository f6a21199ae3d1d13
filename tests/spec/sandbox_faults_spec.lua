-- What each fault of the sandbox puts on the wire, seen by curl over HTTP and
-- HTTPS, so that nothing of the client is in between.

local json = require "bitrix24.json"
local sandbox = require "bitrix24.sandbox"

-- curl prints the body, then a line for each address with what it knows.
local FACTS = [[\n%{exitcode} %{http_code} %{num_connects} %{num_redirects} %{size_header}]]

-- → { body=, exit=, status=, connects=, redirects=, header_bytes= }, text
local function curl(sb, arguments)
  local trust = sb.ca_file and "--cacert " .. sb.ca_file or ""
  local pipe <close> = assert(io.popen(("curl -gs %s -m 20 -w '%s' %s"):format(trust, FACTS, arguments)))
  local text = pipe:read("a")
  local body, exit, status, connects, redirects, header_bytes =
    text:match("^(.*)\n(%d+) (%d+) (%d+) (%d+) (%d+)$")
  return {
    body = body, exit = tonumber(exit), status = tonumber(status), connects = tonumber(connects),
    redirects = tonumber(redirects), header_bytes = tonumber(header_bytes),
  }, text
end

-- A write, so that running shows.
local function add(sb, options)
  return curl(sb, ("%s -d 'fields[NAME]=New' %scrm.contact.add"):format(options or "", sb.webhook))
end

local function ran(sb)
  local count = 0
  for _, record in ipairs(sb:records "contacts") do
    if record.NAME == "New" then count = count + 1 end
  end
  return count
end

local function is_whole(body) return json.decode(body) ~= nil end

local SOON = "-m 0.4"

-- action, curl's options, what curl saw, does the method run without `after`?
local ROWS = {
  { "reset", "", function(r) return r.exit == 56 and r.status == 0 end, false },
  { "hang", SOON, function(r) return r.exit == 28 and r.status == 0 end, false },
  { "html", "", function(r) return r.exit == 0 and r.status == 502 and r.body:find "<html>" end, false },
  { "unavailable", "", function(r)
    return r.exit == 0 and r.status == 503 and not is_whole(r.body)
  end, false },
  { "empty", "", function(r) return r.exit == 0 and r.status == 200 and r.body == "" end, false },
  { "gzip", "--compressed", function(r) return r.exit == 61 and r.status == 200 end, false },
  { "deep", "", function(r)
    return r.exit == 0 and r.body == '{"result":' .. ("["):rep(10000) .. ("]"):rep(10000) .. "}"
  end, false },
  { "redirect", "", function(r) return r.exit == 0 and r.status == 302 end, false },
  { "redirect_new", "", function(r) return r.exit == 0 and r.status == 302 end, false },
  { "cut", "", function(r) return r.exit == 18 and r.status == 200 and #r.body > 0 end, true },
  { "reset_body", "", function(r) return r.exit == 56 and r.status == 200 and #r.body > 0 end, true },
  { "stall", SOON, function(r) return r.exit == 28 and r.status == 200 and #r.body > 0 end, true },
  { "length", "", function(r)
    return r.exit == 0 and r.status == 200 and #r.body > 0 and not is_whole(r.body)
  end, true },
  { "gzip_cut", "--compressed", function(r)
    return r.exit == 0 and r.status == 200 and not is_whole(r.body)
  end, true },
  { "drip", "-N | head -c 4", function(r, text) return r.exit == nil and text == '{"re' end, true },
  { "flood", "--max-filesize 999999999 | head -c 3000000", function(r, text)
    return r.exit == nil and text:find '^{"result":"aaaa' and #text == 3000000
  end, false },
  { "flood_length", "--max-filesize 10737418239", function(r)
    return r.exit == 63 and r.status == 200
  end, false },
  -- newer versions give up, from 8.6 on with an error of its own, CURLE_TOO_LARGE
  { "headers", SOON, function(r) return r.exit == 100 or r.exit ~= 0 and r.header_bytes > 250000 end, false },
  -- twenty kilobytes stand for nearly as many megabytes
  { "bomb", "| head -c 20000 | gzip -dc 2>/dev/null | tail -c +12 | tr -d '\\n' | tr -d -c a | wc -c",
    function(_, text) return tonumber(text) > 15000000 end, false },
}

for _, tls in ipairs { false, true } do
  describe(tls and "over HTTPS" or "over HTTP", function()
    local sb

    setup(function() sb = sandbox.start { limits = false, users = 5, contacts = 3, tls = tls } end)
    teardown(function() sb:stop() end)
    before_each(function() sb:reset() end)
    after_each(function() assert.same({}, sb:errors()) end)

    for _, row in ipairs(ROWS) do
      local action, options, is_expected, runs = table.unpack(row)
      it(action .. " is what its name says", function()
        for _, after in ipairs(runs and { false } or { false, true }) do
          sb:fault { method = "crm.contact.add", action = action, after = after, count = 1 }
          local command, shell = options:match("^(.-)(|.*)$")
          local r, text
          if shell then -- what the shell reads is enough
            r, text = curl(sb, ("%s -d 'fields[NAME]=New' %scrm.contact.add %s")
              :format(command, sb.webhook, shell))
          else
            r, text = add(sb, options)
          end
          assert.truthy(is_expected(r, text), text:sub(-200))
          assert.equal((runs or after) and 1 or 0, ran(sb))
          assert.equal(action, sb:requests()[1].fault)
          r = curl(sb, sb.webhook .. "profile")
          assert.same({ 0, 200 }, { r.exit, r.status })
          sb:reset()
        end
      end)
    end

    it("forget leaves the next request of the connection without an answer, and does not run it", function()
      -- curl goes on by a new connection; nothing but the first and the third is seen
      sb:fault { method = "profile", action = "forget" }
      local add_url = ("-d 'fields[NAME]=New' %scrm.contact.add"):format(sb.webhook)
      local _, text = curl(sb, ("%sprofile --next %s -m 20 -w '%s' %s"):format(sb.webhook,
        sb.ca_file and "--cacert " .. sb.ca_file or "", FACTS, add_url))
      assert.truthy(text:find("\n0 200 1 0 %d+$"), text)
      assert.same({ 2, 1 }, { #sb:requests(), ran(sb) })
    end)

    it("vanish meets it with silence", function()
      sb:fault { method = "profile", action = "vanish" }
      local _, text = curl(sb, ("%s %sprofile %sserver.time"):format(SOON, sb.webhook, sb.webhook))
      assert.truthy(text:find("\n28 000 0 0 0$"), text)
      assert.equal(1, #sb:requests())
    end)

    it("redirects without end, under one path or ever new ones", function()
      for _, action in ipairs { "redirect", "redirect_new" } do
        sb:fault { method = "profile", action = action }
        local r = curl(sb, ("-L --max-redirs 20 %sprofile"):format(sb.webhook))
        assert.same({ 47, 20, 21 }, { r.exit, r.redirects, #sb:requests() })
        local paths, count = {}, 0
        for _, request in ipairs(sb:requests()) do
          count = count + (paths[request.path] and 0 or 1)
          paths[request.path] = true
        end
        assert.equal(action == "redirect" and 1 or 21, count)
        sb:reset()
      end
    end)

    it("redirects as often as it was told", function()
      sb:fault { method = "profile", action = "redirect_new", count = 3 }
      local r = curl(sb, ("-L %sprofile"):format(sb.webhook))
      assert.same({ 0, 200, 3 }, { r.exit, r.status, r.redirects })
    end)

    it("combines an answer with a way to send it", function()
      sb:fault { method = "profile", action = { status = 500, body = "half of it", transfer = "cut" } }
      local r = curl(sb, sb.webhook .. "profile")
      assert.same({ 18, 500, "half " }, { r.exit, r.status, r.body })
      sb:fault { method = "profile", action = { headers = { ["X-One"] = "1" }, transfer = "length" } }
      r = curl(sb, "-i " .. sb.webhook .. "profile")
      assert.truthy(r.body:find("\r\nX-One: 1\r\n", 1, true))
      sb:fault { method = "profile", action = { depth = 3, status = 400 } }
      r = curl(sb, sb.webhook .. "profile")
      assert.same({ 400, '{"result":[[[]]]}' }, { r.status, r.body })
      sb:fault { method = "profile", action = { body = "{}", transfer = "drip", every = 0.001 } }
      local _, text = curl(sb, sb.webhook .. "profile -N | head -c 50")
      assert.equal("{}" .. (" "):rep(48), text)
    end)

    it("strikes the whole batch where its command was meant", function()
      sb:fault { method = "crm.contact.add", action = "reset_body" }
      local command = "--data-urlencode 'cmd[a]=crm.contact.add?fields[NAME]=New' "
      local r = curl(sb, command .. sb.webhook .. "batch")
      assert.same({ 56, 200, 1 }, { r.exit, r.status, ran(sb) })
    end)

    it("moves to its other name", function()
      local old = sb.url
      for _, status in ipairs { 301, 302, 307, 308 } do
        local new = sb:move { status = status }
        assert.not_equal(old, new)
        local there = sb.webhook:gsub(old, new, 1)
        local r = curl(sb, "-i '" .. sb.webhook .. "profile?x=1'")
        assert.equal(status, r.status)
        assert.truthy(r.body:find(("\r\nLocation: %sprofile?x=1\r\n"):format(there), 1, true), r.body)
        assert.equal("1", json.decode(curl(sb, there .. "profile").body).result.ID)
        assert.equal(old, sb:move(false))
        assert.equal(200, curl(sb, sb.webhook .. "profile").status)
      end
      assert.same({ 302, "profile" }, { sb:requests()[4].status, sb:requests()[4].method })
    end)

    it("tells its new address with new tokens, and runs nothing under the old one", function()
      local function endpoint(grant)
        local o = sb.oauth
        local form = ("%s&client_id=%s&client_secret=%s"):format(grant, o.client_id, o.client_secret)
        return json.decode(curl(sb, ("-d '%s' %s/oauth/token/"):format(form, sb.url)).body).client_endpoint
      end
      local new = sb:move {}
      assert.equal(302, add(sb).status)
      assert.equal(0, ran(sb))
      local token = sb.oauth.refresh_token
      assert.equal(new .. "/rest/", endpoint("grant_type=refresh_token&refresh_token=" .. token))
      sb:reset()
      assert.equal(200, add(sb).status)
      assert.equal(sb.url .. "/rest/", endpoint("grant_type=authorization_code&code=" .. sb.oauth.code))
    end)

    it("moves on, back, and to another server", function()
      local first = sb.url
      local second = sb:move {}
      assert.equal(first, sb:move {})
      assert.equal(200, curl(sb, sb.webhook .. "profile").status)
      assert.equal(302, curl(sb, (sb.webhook:gsub(first, second, 1)) .. "profile").status)
      local other <close> = sandbox.start { tls = tls }
      assert.equal(other.url, sb:move { to = other.url .. "/", status = 307 })
      -- one seed, one code; each sandbox has an authority of its own
      local r = curl(sb, ("-kL -d 'x=1' %sprofile"):format(sb.webhook))
      assert.same({ 200, 1 }, { r.status, r.redirects })
      assert.equal("POST", other:requests()[1].http_method)
    end)
  end)
end

describe("the sandbox", function()
  local function memory_kb(name)
    local file = io.open("/proc/self/status")
    local text = file and file:read("a") or ""
    if file then file:close() end
    return tonumber(text:match(name .. ":%s*(%d+)"))
  end

  it("makes endless answers from nothing, and stopping ends them all", function()
    local sb <close> = sandbox.start { limits = false }
    local names = { "flood", "flood_length", "bomb", "drip", "stall", "hang", "vanish" }
    local before = memory_kb "VmRSS"
    local pipes = {}
    for i, name in ipairs(names) do
      sb:fault { method = "profile", action = name }
      local url = sb.webhook .. "profile"
      local urls = name == "vanish" and url .. " " .. url or url
      pipes[i] = assert(io.popen(("curl -gs -m 60 %s >/dev/null; echo over"):format(urls)))
      while #sb:requests() < i do os.execute("sleep 0.01") end
    end
    while sb:sent() < 256 * 1024 * 1024 do os.execute("sleep 0.01") end
    if before then assert.truthy(memory_kb "VmRSS" - before < 32 * 1024) end
    sb:stop()
    for _, pipe in ipairs(pipes) do
      assert.equal("over\n", pipe:read("a"))
      pipe:close()
    end
  end)

  it("knows its actions", function()
    local sb <close> = sandbox.start {}
    local rows = {
      { { action = "reset_bdy" }, "reset_body" }, { { action = "bom" }, "bomb" },
      { { action = { transfer = "cute" } }, "cut" },
      { { action = { transfer = "drip", evry = 1 } }, "every" },
      { { action = { every = "1" } }, "seconds" }, { { action = { depth = -1 } }, "levels" },
      { { action = { forget = "maybe" } }, "forget, vanish" },
    }
    for _, row in ipairs(rows) do
      local ok, e = pcall(sb.fault, sb, row[1])
      assert.falsy(ok)
      assert.equal("config", e.kind)
      assert.truthy(tostring(e):find(row[2], 1, true), tostring(e))
    end
    assert.error_matches(function() sb:move { status = 303 } end, "301, 302, 307 or 308")
    assert.error_matches(function() sb:move { to = "portal" } end, "origin")
    assert.error_matches(function() sb:move { too = "" } end, "did you mean 'to'")
  end)

  it("has a port that refuses, and keeps it", function()
    local port <close> = sandbox.closed_port()
    assert.equal(("http://127.0.0.1:%d"):format(port.port), port.url)
    assert.equal(7, curl({}, port.webhook .. "profile").exit)
    assert.error_matches(function() sandbox.start { port = port.port } end, "cannot listen")
    port:close()
    port:close()
    local sb <close> = sandbox.start { port = port.port }
    assert.equal(200, curl(sb, sb.webhook .. "profile").status)
  end)

  it("has a port that does not answer", function()
    local hole <close> = sandbox.blackhole()
    assert.equal(28, curl({}, "--connect-timeout 0.3 " .. hole.webhook .. "profile").exit)
    hole:close()
    assert.equal(7, curl({}, hole.webhook .. "profile").exit)
  end)
end)
