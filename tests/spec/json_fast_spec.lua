--- The decoder in C against lua-cjson with what json.lua puts around it: equal
-- results or none, whatever the text. JSON_ROUNDS in the environment is how
-- many changed texts are tried; the same ones in every run.

local core = require "bitrix24.core"

local envelope = require "bitrix24.envelope"
local wire = require "bitrix24.wire"

local decode = core.json.decode
local ROUNDS = math.tointeger(tonumber(os.getenv "JSON_ROUNDS" or "")) or 20000

--- json.lua over the installed lua-cjson, without the decoder in C.
local function load_alone()
  local kept = package.loaded["bitrix24.json"]
  package.loaded["bitrix24.json"] = nil
  core.json.decode = function() end
  local ok, json = pcall(require, "bitrix24.json")
  core.json.decode, package.loaded["bitrix24.json"] = decode, kept
  assert(ok, json)
  return json
end

local json = load_alone()
local null = json.null

--- Equal in value, in the subtype of numbers and in the sign of zero; quick.
local function equal(a, b)
  if type(a) ~= type(b) then return false end
  if type(a) == "number" then
    return math.type(a) == math.type(b) and (a == b and (a ~= 0 or 1 / a == 1 / b))
  end
  if type(a) ~= "table" then return a == b end
  if getmetatable(a) or getmetatable(b) then return false end
  for key, value in pairs(a) do
    if not equal(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

--- How null fields are treated: what each side is told.
local WAYS = {
  { kept = 0, options = { nulls = "drop" } },
  { kept = nil, options = { nulls = "keep" } },
  { kept = 2, options = { nulls = "drop", below = 2 } },
}

--- Was it decoded? Fails when it was, and comes out different.
local function agree(text, way)
  local value = decode(text, way.kept)
  if value == nil then return false end
  local other, why = json.decode(text, way.options)
  if not equal(value, other) then
    error(("differ on %q: %s"):format(text, tostring(why)), 2)
  end
  return true
end

local SEEDS = {
  '{"result":{"items":[{"id":1,"name":"In\\u00eas","companyId":null,"sum":1.50},{"id":2}]},"total":2}',
  '{"result":{"result":{"c00":null,"c01":[],"c02":{"ID":"7","X":null}},"result_error":[],"result_next":[]}}',
  '{"time":{"start":1716823948.432123,"duration":0.00033211708068847656,"operating":0,"e":-1.5e-7}}',
  '{"error":"","error_description":"\\ud83d\\ude00 \\"x\\" \\\\ \\/ \\b\\f\\n\\r\\t"}',
  '{"a":1,"a":null,"b":null,"b":2,"":{"":[null,true,false]}}',
  ' [ 0 , -0 , 0.0 , -0.0 , 1e3 , 1E+3 , 123456789012345678 , -999999999999999999 ] ',
  '[[],{},[[]],[{}],{"a":[]},"",null,9223372036854775807,1e400,0.1e1]',
  '"Привет, \xD0\\u043c\\u0438\\u0440 \xFF"', "null", "-12.5", "true",
  '{"k0":0,"k1":1,"k2":2,"k3":3,"k4":4,"k5":5,"k6":6,"k7":7,"k8":8,"k9":[1,2,3,4,5,6,7,8,9]}',
}

local PIECES = {
  '"', "\\", "{", "}", "[", "]", ",", ":", "null", "true", "false", "n", "0", "-", ".", "e", "E+", "1",
  "00", "12345678901234567890", "0.1", "1e5", " ", "\t", "\n", "\r", "\0", "\x01", "\x1F", "\x7F", "\x80",
  "\xFF", "\xEF\xBB\xBF", "\\u", "\\u0041", "\\u0000", "\\ud83d", "\\ude00", "\\uDBFF\\uDFFF", "\\uFFFF",
  "\\q", '"a":', '"a":null,', ',"a":1', "[]", "{}", "/", "Infinity", "nan", "0x1",
}

local random = (function()
  local state = 20240527
  return function(n)
    state = state ~ (state << 13)
    state = state ~ (state >> 7)
    state = state ~ (state << 17)
    return (state >> 1) % n + 1
  end
end)()

local function cut_at(text, size)
  local from = random(#text + 1)
  return text:sub(1, from - 1), text:sub(from + random(size) - 1)
end

local CHANGES = {
  function(text) -- a byte
    local from = random(#text)
    return text:sub(1, from - 1) .. string.char(random(256) - 1) .. text:sub(from + 1)
  end,
  function(text) -- a piece more
    local before, after = cut_at(text, 1)
    return before .. PIECES[random(#PIECES)] .. after
  end,
  function(text) -- a piece in place of some bytes
    local before, after = cut_at(text, 6)
    return before .. PIECES[random(#PIECES)] .. after
  end,
  function(text) -- some bytes less
    local before, after = cut_at(text, 4)
    return before .. after
  end,
  function(text) -- a part of it twice
    local from = random(#text)
    local to = math.min(from + random(20), #text)
    return text:sub(1, to) .. text:sub(from)
  end,
  function(text) return "[" .. text .. "," .. SEEDS[random(#SEEDS)] .. "]" end,
}

local function change(text)
  for _ = 1, random(3) do
    if #text > 0 then text = CHANGES[random(#CHANGES)](text) end
  end
  return text
end

local function read(path)
  local handle <close> = assert(io.open(path, "rb"))
  return handle:read "a"
end

--- Each value of a decoded text, encoded again.
local function parts(value, out)
  if type(value) == "table" then
    out[#out + 1] = json.encode(value)
    for _, part in pairs(value) do parts(part, out) end
  end
  return out
end

describe("the decoder in C", function()
  it("decodes what portals send, as lua-cjson does", function()
    for i = 1, #SEEDS do
      local large = SEEDS[i]:find("9223372036854775807", 1, true)
      for _, way in ipairs(WAYS) do assert.are.equal(not large, agree(SEEDS[i], way), SEEDS[i]) end
    end
  end)

  it("decodes the documentation's examples", function()
    local text = read "tests/fixtures/examples.json"
    for _, way in ipairs(WAYS) do
      assert.is_true(agree(text, way))
      for _, part in ipairs(parts(json.decode(text), {})) do
        assert.is_true(agree(part, way))
        if part:find('\\"', 1, true) then agree(part:gsub('\\"', '"'), way) end
      end
    end
  end)

  it("agrees or leaves it on changed texts", function()
    local decoded = 0
    for i = 1, ROUNDS do
      local text = change(SEEDS[i % #SEEDS + 1])
      if agree(text, WAYS[i % #WAYS + 1]) then decoded = decoded + 1 end
    end
    -- both sides of the question were asked
    assert.is_true(decoded > ROUNDS // 20 and decoded < ROUNDS // 2, tostring(decoded))
  end)

  it("agrees or leaves it at every cut", function()
    for _, seed in ipairs(SEEDS) do
      for i = 0, #seed do agree(seed:sub(1, i), WAYS[1]) end
      for i = 1, #seed do agree(seed:sub(i), WAYS[1]) end
    end
  end)

  it("reads every number as Lua does", function()
    local digits = { "0", "7", "12", "999", "100000000000000001", "123456789012345678", "00" }
    local fractions = { "", ".0", ".5", ".000123", ".99999999999999999999", ".", ".1e" }
    local exponents = { "", "e0", "E5", "e-7", "e+22", "e308", "e309", "e-324", "e-400", "e", "e+" }
    for _, sign in ipairs { "", "-", "+", "--" } do
      for _, whole in ipairs(digits) do
        for _, fraction in ipairs(fractions) do
          for _, exponent in ipairs(exponents) do
            agree("[" .. sign .. whole .. fraction .. exponent .. "]", WAYS[1])
          end
        end
      end
    end
    for size = 50, 70 do agree("0." .. ("3"):rep(size), WAYS[1]) end
  end)

  it("tells the names of many records apart", function()
    local names = { "", "a", "\\u0041b", "Имя", ("n"):rep(300) }
    -- alike in length, at both ends and in the middle; and any others
    for i = 1, 60 do names[#names + 1] = ("x%dyz%dx"):format(10 + i % 7, 10 + i) end
    for i = 1, 200 do names[#names + 1] = ("%s%d"):format(("F"):rep(random(9)), i) end
    local records = {}
    for i = 1, 40 do
      local fields = {}
      for k = 1, 50 do
        fields[k] = ('"%s":%s'):format(names[random(#names)], k % 9 == 0 and "null" or i * 100 + k)
      end
      records[i] = "{" .. table.concat(fields, ",") .. "}"
    end
    local text = "[" .. table.concat(records, ",") .. "]"
    for _, way in ipairs(WAYS) do assert.is_true(agree(text, way)) end
    for i = #text - 700, #text - 1 do assert.is_false(agree(text:sub(1, i), WAYS[1])) end
  end)

  it("decodes escapes in strings of every length", function()
    for size = 0, 40 do
      for _, escape in ipairs { "\\n", "\\u0416", "\\ud83d\\ude00", "\\u0000" } do
        local run = ("x"):rep(size)
        assert.is_true(agree(('{"%s%s%s":"%s%s"}'):format(run, escape, run, escape, run), WAYS[1]))
      end
    end
    local long = ("я\\\"\\u20ac"):rep(200000)
    assert.is_true(agree('["' .. long .. '",1]', WAYS[1]))
  end)

  it("gives up where it is not certain", function()
    for _, text in ipairs {
      "", " ", "[", "]", "[1]x", "[1]\0", "\0", "[1,]", '{"a":1,}', '{"a"}', "{1:2}", "{,}", "[,]", "[1 2]",
      "tru", "nul", "falsy", "[01]", "[1.]", "[-]", "1e", "9223372036854775807", "0." .. ("1"):rep(80),
      '"a\tb"', '"a\0b"', '"cut', '"cut\\', '"cut\\"', '"\\', '"\\q"', '"\\u12"', '"\\ud800"', '"\\udc00"',
      '"\\ud800\\u0041"', '"\\ud800\\ud800"', '"\\ud83dx"', '"\\' .. "\0" .. '"', "\xEF\xBB\xBF[1]",
      ("["):rep(65) .. ("]"):rep(65), ("["):rep(100000), ('{"a":'):rep(100000),
      '"' .. ("x"):rep(5000) .. '\\q"', '["' .. ("x"):rep(5000) .. '\\n", x]',
    } do
      assert.are.equal(0, select("#", decode(text)), text:sub(1, 20))
    end
    assert.is_true(agree(("["):rep(64) .. ("]"):rep(64), WAYS[1]))
  end)

  it("takes the last of equal names, also a null", function()
    assert.are.same({ b = 2 }, decode('{"a":1,"b":2,"a":null}', 0))
    assert.are.same({ a = 1 }, decode('{"a":null,"a":1}', 0))
    assert.are.same({ a = null }, decode('{"a":1,"a":null}'))
  end)

  it("reserves no more than twice what is there", function()
    local wide = {}
    for i = 1, 128 do wide[i] = ('"k%d":%d'):format(i, i) end
    local text = "[{" .. table.concat(wide, ",") .. "}" .. (",{}"):rep(20000) .. "]"
    collectgarbage()
    local before = collectgarbage "count"
    local value = decode(text)
    local bytes = (collectgarbage "count" - before) * 1024
    assert.are.equal(20001, #value)
    assert.is_true(bytes < 20001 * 100, ("%d bytes"):format(bytes))
  end)

  it("survives a collector that runs all the time", function()
    local items, want = {}, {}
    for i = 1, 300 do
      items[i] = ('{"id":%d,"name":"n\\u0416%d","f":%d.5,"x":null,"list":["a%d"]}'):format(i, i, i, i)
      want[i] = { id = i, name = "nЖ" .. i, f = i + 0.5, list = { "a" .. i } }
    end
    collectgarbage("incremental", 1, 1000)
    local value = decode("[" .. table.concat(items, ",") .. "]", 0)
    collectgarbage("incremental", 200, 100)
    assert.is_true(equal(want, value))
  end)
end)

describe("an answered batch", function()
  --- The outcomes of an answer; `large` is a number that the decoder in C leaves.
  local function outcomes(body, version, nulls, large)
    if large then body = body:gsub("}$", ',"large":18446744073709551616}') end
    assert.are.equal(not large, decode(body) ~= nil)
    local answer = envelope.read(body, 200, "application/json", nil, nulls, wire.below(version))
    return wire.read({ version = version, result = answer.result }, 4)
  end

  for _, large in ipairs { false, true } do
    local by = large and "lua-cjson" or "the decoder in C"
    it("tells a result of null from none, and drops the nulls inside results, by " .. by, function()
      local body = '{"result":{"result":{"c00":null,"c01":{"A":null,"B":[null,{"C":null}]},"c02":[]},'
        .. '"result_error":{"c02":{"error":"X","error_description":null}},"result_total":{"c01":3},'
        .. '"result_time":{"c00":{"operating":0,"reset":null},"c01":{"operating":1}}}}'
      local got = outcomes(body, 2, "drop", large)
      assert.are.same({ time = { operating = 0 } }, got[1])
      assert.are.same({ time = { operating = 1 }, result = { B = { null, {} } }, total = 3 }, got[2])
      assert.are.equal("X", got[3].code)
      assert.is_true(got[4].skipped)
      got = outcomes(body, 2, "keep", large)
      assert.are.same({ A = null, B = { null, { C = null } } }, got[2].result)
      assert.is_nil(got[1].result)
    end)

    it("of REST 3.0 keeps the places of nulls, by " .. by, function()
      local body = '{"result":[null,{"item":null,"id":7},[null]],"time":{"x":null}}'
      local got = outcomes(body, 3, "drop", large)
      assert.are.same({}, got[1])
      assert.are.same({ result = { id = 7 } }, got[2])
      assert.are.same({ result = { null } }, got[3])
      assert.is_string(got[4].message)
      got = outcomes(body, 3, "keep", large)
      assert.are.same({ result = { item = null, id = 7 } }, got[2])
    end)
  end
end)
