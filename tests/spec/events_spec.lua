-- bitrix24.events: bodies that a portal posts, the application token, the tokens
-- of ONAPPINSTALL. The offline queue is events_offline_spec.lua.

local errors = require "bitrix24.errors"
local events = require "bitrix24.events"
local form = require "bitrix24.events.form"
local independent = require "bitrix24.sandbox.form"
local json = require "bitrix24.json"

local FORM = "application/x-www-form-urlencoded"
local TOKEN = "51856fefc120afa4b628cc82d3935cce"

local function raises(kind, f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  assert.is_true(errors.is_error(e), tostring(e))
  assert.equal(kind, e.kind, tostring(e))
  return e
end

local function encode(text)
  return (text:gsub("[^%w._-]", function(c)
    return c == " " and "+" or ("%%%02X"):format(c:byte())
  end))
end

-- A table as PHP's http_build_query writes it; keys of lists from 0.
local function pairs_of(value, name, out)
  if type(value) ~= "table" then
    out[#out + 1] = encode(name) .. "=" .. encode(value)
    return out
  end
  for key, item in pairs(value) do
    if #value > 0 then key = key - 1 end
    pairs_of(item, name == "" and tostring(key) or ("%s[%s]"):format(name, key), out)
  end
  return out
end

local function build(value)
  return table.concat(pairs_of(value, "", {}), "&")
end

-- How events/index and app-installation show them.
local function deal_update()
  return {
    event = "ONCRMDEALUPDATE", event_handler_id = "685",
    data = { FIELDS = { ID = "7" } },
    ts = "1466439714",
    auth = {
      access_token = "s6p6eclrvim6da22ft9ch94ekreb52lv", expires_in = "3600", scope = "crm",
      domain = "some-domain.bitrix24.com", server_endpoint = "https://oauth.bitrix.info/rest/", status = "F",
      client_endpoint = "https://some-domain.bitrix24.com/rest/",
      member_id = "a223c6b3710f85df22e9377d6c4f7553", application_token = TOKEN,
    },
  }
end

local function app_install()
  local event = deal_update()
  event.event, event.data = "ONAPPINSTALL", { VERSION = "1", LANGUAGE_ID = "en" }
  event.auth.refresh_token = "4s386p3q0tr8dy89xvmt96234v3dljg8"
  return event
end

describe("events.parse", function()
  it("decodes a form", function()
    assert.same(deal_update(), events.parse(build(deal_update()), FORM))
    assert.same(app_install(), events.parse(build(app_install()), FORM .. "; charset=UTF-8"))
  end)

  it("decodes brackets as they are, and encoded", function()
    local plain = events.parse("event=ONTASKADD&data[FIELDS_AFTER][ID]=12&auth[domain]=a.bitrix24.com", FORM)
    local encoded = events.parse(
      "event=ONTASKADD&data%5BFIELDS_AFTER%5D%5BID%5D=12&auth%5bdomain%5d=a.bitrix24.com", FORM)
    assert.same({ FIELDS_AFTER = { ID = "12" } }, plain.data)
    assert.same(plain, encoded)
  end)

  it("decodes percent, plus and UTF-8 in names and values", function()
    local event = events.parse("event=X&data[a+b%26c]=%D0%9F%D1%80%D0%B8+100%25%2B", FORM)
    assert.same({ ["a b&c"] = "При 100%+" }, event.data)
  end)

  it("makes sequences of lists, tables of other keys", function()
    local event = events.parse("event=X&data[l][0]=a&data[l][1]=b&data[p][]=c&data[p][]=d&data[m][1]=e"
      .. "&data[m][7]=f&data[r][1]=y&data[r][0]=x&data[z][00]=g&data[o][][ID]=1&data[o][][ID]=2", FORM)
    assert.same({
      l = { "a", "b" }, p = { "c", "d" }, m = { ["1"] = "e", ["7"] = "f" }, r = { "x", "y" },
      z = { ["00"] = "g" }, o = { { ID = "1" }, { ID = "2" } },
    }, event.data)
  end)

  it("decodes a JSON body", function()
    local given = deal_update()
    given.data = { FIELDS = { ID = 7, LIST = { 1, 2 } } }
    given.ts = 1466439714
    assert.same(given, events.parse(json.encode(given), "application/json; charset=utf-8"))
    assert.same(given, events.parse(json.encode(given), "application/vnd.api+json"))
  end)

  it("tells by the body what no header says", function()
    for _, header in ipairs { false, "", "  " } do
      header = header or nil
      assert.equal("ONCRMDEALUPDATE", events.parse(build(deal_update()), header).event)
      assert.equal("ONCRMDEALUPDATE", events.parse(" \r\n" .. json.encode(deal_update()), header).event)
    end
  end)

  it("gives data and auth always, as tables", function()
    for _, body in ipairs {
      "event=X", "event=X&data=&auth=", '{"event":"X","data":null}', '{"event":"X","data":[]}',
    } do
      local event = events.parse(body)
      assert.same({ event = "X", data = {}, auth = {} }, event)
    end
  end)

  it("keeps what else came, and takes what robots post, which have no event", function()
    local event = events.parse("workflow_id=w.1&event_token=t&properties[x]=1&auth[domain]=d", FORM)
    assert.same({
      workflow_id = "w.1", event_token = "t", properties = { x = "1" }, auth = { domain = "d" }, data = {},
    }, event)
  end)

  it("gives plain tables whose tostring shows nothing", function()
    local event = events.parse(build(app_install()), FORM)
    assert.is_nil(getmetatable(event))
    assert.matches("^table: ", tostring(event))
    assert.matches("^table: ", tostring(event.auth))
  end)

  local deep = ("[a]"):rep(form.DEPTH_MAX)
  local many = {}
  for i = 1, form.PAIRS_MAX do many[i] = "data[]=" .. i end
  many = table.concat(many, "&")

  it("takes as much as it says, and no more", function()
    assert.equal("1", (function(event)
      local t = event.x
      for _ = 1, form.DEPTH_MAX do t = t.a end
      return t
    end)(events.parse("event=X&x" .. deep .. "=1", FORM)))
    assert.equal(form.PAIRS_MAX, #form.decode(many).data)
  end)

  for title, case in pairs {
    ["nothing"] = { "", "empty" },
    ["only spaces"] = { " \r\n ", "empty" },
    ["a value and a list of one name"] = { "event=X&a=1&a[b]=2", "pair 3 has a name that is both" },
    ["a list and a value of one name"] = { "event=X&a[b]=2&a=1", "pair 3 has a name that is both" },
    ["the same further in"] = { "event=X&a[b][c]=2&a[b]=1", "both a value and a list" },
    ["an open bracket"] = { "event=X&a[b=1", "pair 2 has a bracket that is not closed" },
    ["text behind a bracket"] = { "event=X&a[b]c=1", "text behind a closing bracket" },
    ["no name"] = { "event=X&=1", "a value without a name" },
    ["brackets without a name"] = { "event=X&[a]=1", "a value without a name" },
    ["a percent sign"] = { "event=X&a=100%", "percent" },
    ["a percent sign with one digit"] = { "event=X&a=%4", "percent" },
    ["a percent sign with letters"] = { "event=X&a%zz=1", "percent" },
    ["a percent sign behind one"] = { "event=X&a=%%41", "percent" },
    ["a broken UTF-8 value"] = { "event=X&a=%C3%28", "UTF%-8" },
    ["a broken UTF-8 name"] = { "event=X&%FF=1", "UTF%-8" },
    ["surrogates in UTF-8"] = { "event=X&a=%ED%A0%80", "UTF%-8" },
    ["brackets too deep"] = { "event=X&x" .. deep .. "[a]=1", "nested deeper than 32" },
    ["too many pairs"] = { many .. "&event=X", "more than 10000 pairs" },
    ["too long a body"] = { ("a"):rep(8 * 1024 * 1024 + 1), "longer than" },
    ["neither event nor auth"] = { "DOMAIN=a&AUTH_ID=b", "neither 'event' nor 'auth'" },
    ["an event that is a list"] = { "event[]=X", "'event' is not a name" },
    ["an auth that is text"] = { "event=X&auth=1", "'auth' is not a list of fields" },
    ["a data that is text"] = { "event=X&data=1", "'data' is not a list of fields" },
    ["JSON that is cut"] = { '{"event":"X"', "not JSON" },
    ["JSON that is a list"] = { '[{"event":"X"}]', "not a JSON object" },
    ["JSON that is nothing"] = { "{}", "neither 'event' nor 'auth'" },
    ["an event that is a number"] = { '{"event":1}', "'event' is not a name" },
    ["JSON that is text"] = { '"X"', "not a JSON object", "application/json" },
    ["JSON that is null"] = { "null", "not a JSON object", "application/json" },
    ["a form that is called JSON"] = { "event=X", "not JSON", "application/json" },
    ["another content type"] = { "event=X", "not 'multipart/form%-data'", "multipart/form-data; boundary=x" },
    ["a content type that is none"] = { "event=X", "not what is given", "<script>" .. ("x"):rep(500) },
    ["JSON nested without end"] = { ("["):rep(100000), "not JSON" },
    ["objects nested without end"] = { ('{"a":'):rep(100000), "not JSON" },
  } do
    it("refuses " .. title, function()
      local e = raises("protocol", events.parse, case[1], case[3])
      assert.matches(case[2], e.message)
      assert.is_true(#tostring(e) < 400, tostring(e))
    end)
  end

  it("shows nothing of a body that it refuses", function()
    local secret = "S3CRETs3cret"
    for _, body in ipairs {
      "auth[" .. secret .. "=1", "auth[a]=1&auth=" .. secret, "event=" .. secret .. "%", secret .. "=%FF",
      '{"auth":"' .. secret .. '"', "event=X&auth=" .. secret, '{"event":{"' .. secret .. '":1}}', secret,
    } do
      local e = raises("protocol", events.parse, body)
      assert.is_nil(tostring(e):find(secret, 1, true), tostring(e))
    end
  end)

  it("blames the caller for what is no body", function()
    for _, wrong in ipairs { 1, true, {}, print } do
      raises("config", events.parse, wrong)
      raises("config", events.parse, "event=X", wrong)
    end
    raises("config", events.parse, nil)
    assert.matches("events_spec%.lua:%d+", raises("config", function() events.parse(nil) end).where)
  end)
end)

describe("hostile bodies", function()
  local random = (function()
    local state = 88172645463325252
    return function(n)
      state = state ~ (state << 13)
      state = state ~ (state >> 7)
      state = state ~ (state << 17)
      return (state >> 11) % n + 1
    end
  end)()

  local function tree(depth)
    local out = {}
    if random(2) == 1 then
      for i = 1, random(4) do
        out[i] = depth > 0 and random(3) == 1 and tree(depth - 1) or "v" .. random(99)
      end
    else
      for _ = 1, random(4) do
        out[("abcXYZ_"):sub(random(7)):sub(1, 3) .. "k"] =
          depth > 0 and random(3) == 1 and tree(depth - 1) or ("x &=%+[]é"):sub(1, random(8))
      end
    end
    return out
  end

  it("are read as another decoder reads them, where they are a portal's", function()
    for i = 1, 500 do
      local given = { event = "X", data = tree(3), auth = { domain = "d", n = tostring(i) } }
      local body = build(given)
      assert.same(given, events.parse(body, FORM))
      assert.same(given, independent.decode(body))
    end
  end)

  local pieces = {
    "&", "=", "[", "]", "[]", "%", "%5B", "%5D", "%00", "%FF", "+", "auth", "event", "data", "[0]", "[1]",
    "\0", "\xC3", "{", "}", '"', ":", ",", "null", "1e999", "\\u0000", "\\ud800", "&&&", "[[", "]]",
    "a=1&a[b]=2",
  }

  -- Mutations of good bodies, and of their mutations.
  it("are events or protocol errors, whatever is done to them", function()
    local good = { build(deal_update()), build(app_install()), json.encode(app_install()), "", "event=X" }
    local headers = { FORM, "application/json", "" }
    local taken, refused = 0, 0
    for i = 1, 10000 do
      local body = good[random(#good)]
      for _ = 1, random(6) do
        local at, what = random(#body + 1), random(5)
        if what == 1 then
          body = body:sub(1, at - 1) .. pieces[random(#pieces)] .. body:sub(at)
        elseif what == 2 then
          body = body:sub(1, at - 1) .. body:sub(at + random(9))
        elseif what == 3 then
          body = body:sub(1, at - 1) .. string.char(random(256) - 1) .. body:sub(at + 1)
        elseif what == 4 then
          body = body .. "&" .. body:sub(at, at + 40)
        else
          body = body:sub(1, at) .. pieces[random(#pieces)]:rep(random(60))
        end
      end
      local ok, result = pcall(events.parse, body, headers[i % 3 + 1])
      if ok then
        taken = taken + 1
        assert(type(result.data) == "table" and type(result.auth) == "table")
        assert(type(events.verify(result, TOKEN)) == "boolean")
        events.tokens(result)
      else
        refused = refused + 1
        if not errors.is_error(result) or result.kind ~= "protocol" then
          error(("%q: %s"):format(body, tostring(result)))
        end
      end
    end
    assert.is_true(taken > 500 and refused > 500, taken .. " taken, " .. refused .. " refused")
  end)

  -- Eight times the text may take some more than eight times as long, not 64.
  local function cost(body)
    local best = math.huge
    for _ = 1, 3 do
      local before = os.clock()
      pcall(events.parse, body)
      best = math.min(best, os.clock() - before)
    end
    return best
  end

  for title, make in pairs {
    ["one long value"] = function(n) return "event=X&a=" .. ("a"):rep(n) end,
    ["one long value of percents"] = function(n) return "event=X&a=" .. ("%41"):rep(n // 3) end,
    ["a name of open brackets"] = function(n) return "event=X&a" .. ("["):rep(n) .. "=1" end,
    ["a name of closed brackets"] = function(n) return "event=X&a" .. ("[]"):rep(n // 2) .. "=1" end,
    ["a name of closing brackets"] = function(n) return "event=X&a[" .. ("]"):rep(n) .. "=1" end,
    ["only separators"] = function(n) return "event=X" .. ("&"):rep(n) end,
    ["only equals signs"] = function(n) return "event=X&" .. ("="):rep(n) end,
    ["only spaces"] = function(n) return (" "):rep(n) end,
    ["nested JSON"] = function(n) return ("["):rep(n) end,
    ["nested JSON objects"] = function(n) return ('{"a":'):rep(n // 5) end,
    ["JSON of one text"] = function(n) return '{"event":"' .. ("\\u0041"):rep(n // 6) .. '"}' end,
    ["JSON of many names"] = function(n) return '{"event":"X"' .. (',"a":1'):rep(n // 6) .. "}" end,
    ["many pairs"] = function(n) return "event=X" .. ("&data[]=1"):rep(n // 100) end,
  } do
    it("take time in proportion to their length: " .. title, function()
      local small, large = cost(make(250000)), cost(make(2000000))
      assert.is_true(large < math.max(small, 0.001) * 32, ("%f → %f"):format(small, large))
    end)
  end
end)

describe("events.verify", function()
  local function event_with(token) return { event = "X", auth = { application_token = token } } end

  it("is true for the token alone", function()
    local event = events.parse(build(deal_update()), FORM)
    assert.is_true(events.verify(event, TOKEN))
    assert.is_false(events.verify(event, TOKEN .. "0"))
    assert.is_false(events.verify(event, TOKEN:sub(1, -2)))
    assert.is_false(events.verify(event, TOKEN:upper()))
    for i = 1, #TOKEN do
      assert.is_false(events.verify(event_with(TOKEN:sub(1, i - 1) .. "_" .. TOKEN:sub(i + 1)), TOKEN))
      assert.is_false(events.verify(event_with(TOKEN:sub(1, i - 1)), TOKEN))
    end
    assert.is_false(events.verify(event_with(TOKEN .. TOKEN), TOKEN))
    assert.is_false(events.verify(event_with(TOKEN .. "\0"), TOKEN))
    assert.is_true(events.verify(event_with "a\0b", "a\0b"))
    assert.is_false(events.verify(event_with "a\0b", "a\0c"))
  end)

  it("is false where there is no token, or none that is text", function()
    for _, token in ipairs { "", 1, true, {}, { TOKEN } } do
      assert.is_false(events.verify(event_with(token), TOKEN))
    end
    assert.is_false(events.verify(event_with(nil), TOKEN))
    assert.is_false(events.verify({}, TOKEN))
    assert.is_false(events.verify({ auth = TOKEN }, TOKEN))
  end)

  it("refuses a secret that verifies nothing", function()
    for _, token in ipairs { "", 0, false, {} } do
      raises("config", events.verify, event_with "", token)
    end
    raises("config", events.verify, event_with(nil), nil)
    raises("config", events.verify, nil, TOKEN)
    raises("config", events.verify, "event=X", TOKEN)
  end)

  it("takes as long wherever they differ, and however long the secret is", function()
    local size = 4000000
    local given = ("s"):rep(size)
    local function cost(secret)
      local event, best = event_with(given), math.huge
      for _ = 1, 7 do
        local before = os.clock()
        assert.is_false(events.verify(event, secret))
        best = math.min(best, os.clock() - before)
      end
      return best
    end
    local at_end = cost(given:sub(1, -2) .. "x")
    for _, secret in ipairs { "x" .. given:sub(2), "x", "s", given .. given } do
      local other = cost(secret)
      assert.is_true(other > at_end / 3 and at_end > other / 3, ("%f, %f"):format(other, at_end))
    end
  end)
end)

describe("events.tokens", function()
  it("gives what came with ONAPPINSTALL as a store takes it", function()
    local event = events.parse(build(app_install()), FORM)
    assert.same({
      access_token = "s6p6eclrvim6da22ft9ch94ekreb52lv", refresh_token = "4s386p3q0tr8dy89xvmt96234v3dljg8",
      expires = 1466439714 + 3600, domain = "some-domain.bitrix24.com",
      client_endpoint = "https://some-domain.bitrix24.com/rest/",
      member_id = "a223c6b3710f85df22e9377d6c4f7553",
    }, events.tokens(event))
    assert.equal("integer", math.type(events.tokens(event).expires))
  end)

  it("prefers a time of expiry to a lifetime", function()
    local event = app_install()
    event.auth.expires = "1466440000"
    assert.equal(1466440000, events.tokens(event).expires)
  end)

  it("gives nothing without a pair", function()
    assert.is_nil(events.tokens(events.parse(build(deal_update()), FORM)))
    assert.is_nil(events.tokens { auth = { refresh_token = "x" } })
    assert.is_nil(events.tokens {})
    raises("config", events.tokens, nil)
  end)
end)
