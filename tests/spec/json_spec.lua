--- JSON in and out. What is received is checked on the lua-cjson that is
-- installed and on a stand-in for its other line, each with the decoder in C
-- before it and by itself, with equal expectations.

local core = require "bitrix24.core"

local huge = math.huge

--- json.lua, loaded afresh over a given cjson; `alone`: without the decoder in C.
local function load_json(cjson, alone)
  local kept_cjson, kept_json = package.loaded["cjson"], package.loaded["bitrix24.json"]
  local decode = core.json.decode
  package.loaded["cjson"], package.loaded["bitrix24.json"] = cjson, nil
  if alone then core.json.decode = function() end end
  local ok, json = pcall(require, "bitrix24.json")
  core.json.decode = decode
  package.loaded["cjson"], package.loaded["bitrix24.json"] = kept_cjson, kept_json
  assert(ok, json)
  return json
end

local installed = require "cjson"
local stand_in = dofile("tests/support/cjson_new.lua")

--- Equal in value, in the subtype of numbers and in the sign of zero.
local function same(want, got, where)
  where = where or "value"
  assert.are.equal(type(want), type(got), where)
  if type(want) == "number" then
    assert.are.equal(math.type(want), math.type(got), where)
    assert.are.equal(("%q"):format(want), ("%q"):format(got), where)
  elseif type(want) == "table" then
    assert.is_nil(getmetatable(got), where)
    for key, value in pairs(want) do same(value, got[key], where .. "." .. tostring(key)) end
    for key in pairs(got) do assert.is_not_nil(want[key], where .. "." .. tostring(key)) end
  else
    assert.are.equal(want, got, where)
  end
end

for _, way in ipairs {
  { "lua-cjson as installed", installed, true }, { "lua-cjson with integers", stand_in, true },
  { "the decoder in C and lua-cjson as installed", installed, false },
  { "the decoder in C and lua-cjson with integers", stand_in, false },
} do
  local name, cjson, alone = way[1], way[2], way[3]
  describe("decode on " .. name, function()
    local json = load_json(cjson, alone)
    local null = json.null

    local function decodes(text, want, options)
      same(want, (assert(json.decode(text, options))))
    end

    local function refuses(text, pattern)
      local value, message = json.decode(text)
      assert.is_nil(value)
      assert.is_string(message)
      if pattern then assert.matches(pattern, message) end
      return message
    end

    it("keeps integers exact", function()
      decodes("[0,1,-1,137,999999999999999,-999999999999999]",
        { 0, 1, -1, 137, 999999999999999, -999999999999999 })
      decodes("[9007199254740991,9007199254740992,9007199254740993]",
        { 9007199254740991, 9007199254740992, 9007199254740993 })
      decodes("[-9007199254740991,-9007199254740992,-9007199254740993]",
        { -9007199254740991, -9007199254740992, -9007199254740993 })
      decodes("[999999999999999999,1000000000000000000,9223372036854775806,9223372036854775807]",
        { 999999999999999999, 1000000000000000000, math.maxinteger - 1, math.maxinteger })
      decodes("[-9223372036854775807,-9223372036854775808]", { -math.maxinteger, math.mininteger })
      assert.are.equal("chat1137", "chat" .. json.decode('{"id":1137}').id)
    end)

    it("makes floats of integers beyond int64", function()
      decodes("[9223372036854775808,-9223372036854775809,18446744073709551615]",
        { 0x1p63, -0x1p63, 1.8446744073709552e19 })
      decodes("[1" .. ("0"):rep(30) .. "]", { 1e30 })
      decodes("1" .. ("0"):rep(400), huge)
    end)

    it("keeps floats floats", function()
      decodes("[1.0,1e3,1E5,1.5e1,-2.0,100e-2]", { 1.0, 1000.0, 100000.0, 15.0, -2.0, 1.0 })
      decodes("[0.1,-1.5,3.14,1e-7,1716823948.432123]", { 0.1, -1.5, 3.14, 1e-7, 1716823948.432123 })
      decodes("[0.99999999999999999999,1.00000000000000000001,123456789012345.0]",
        { 1.0, 1.0, 123456789012345.0 })
      decodes("[1e400,-1e400,1e-400]", { huge, -huge, 0.0 })
      decodes("1.0", 1.0)
    end)

    it("tells the zeros apart", function()
      decodes("[0,-0,0.0,-0.0,0e0]", { 0, 0, 0.0, -0.0, 0.0 })
    end)

    it("decodes containers", function()
      decodes("[]", {})
      decodes("{}", {})
      decodes('{"a":[],"b":{},"c":[[1],{"d":[2]}]}', { a = {}, b = {}, c = { { 1 }, { d = { 2 } } } })
      decodes('{"1":"x","2":"y"}', { ["1"] = "x", ["2"] = "y" })
    end)

    it("leaves null fields out and null items in", function()
      local text = '{"a":null,"b":[null,1,null],"c":{"d":null,"e":{"f":null,"g":7}},"h":[{"i":null}]}'
      decodes(text, { b = { null, 1, null }, c = { e = { g = 7 } }, h = { {} } })
      decodes(text, { b = { null, 1, null }, c = { e = { g = 7 } }, h = { {} } }, { nulls = "drop" })
      decodes(text, { a = null, b = { null, 1, null }, c = { d = null, e = { f = null, g = 7 } },
        h = { { i = null } } }, { nulls = "keep" })
      decodes('{"null":"null"}', { null = "null" })
      decodes('{"a":null,"b":"x","c":null}', { b = "x" })
      decodes('[null]', { null })
    end)

    it("keeps null fields down to a depth", function()
      local text = '{"a":null,"b":[null,{"c":null,"d":{"e":null,"f":1}}],"g":{"h":null,"i":2.0}}'
      local all = { a = null, b = { null, { c = null, d = { e = null, f = 1 } } }, g = { h = null, i = 2.0 } }
      local wants = {
        [0] = { b = { null, { d = { f = 1 } } }, g = { i = 2.0 } },
        { a = null, b = { null, { d = { f = 1 } } }, g = { i = 2.0 } },
        { a = null, b = { null, { d = { f = 1 } } }, g = { h = null, i = 2.0 } },
        { a = null, b = { null, { c = null, d = { f = 1 } } }, g = { h = null, i = 2.0 } },
        all, all,
      }
      for below = 0, 5 do decodes(text, wants[below], { below = below }) end
      decodes(text, all, { nulls = "keep", below = 1 })
      decodes(text, wants[0], { below = -1 })
      decodes(text, all, { below = math.maxinteger })
    end)

    it("returns scalars", function()
      decodes("null", null)
      decodes('"x"', "x")
      decodes("true", true)
      decodes("12", 12)
      decodes("12345678901234567", 12345678901234567)
      assert.are.equal(false, json.decode("false"))
      assert.are.equal(null, json.decode("null", { nulls = "keep" }))
    end)

    it("takes the last of two equal names", function()
      decodes('{"a":1,"a":2}', { a = 2 })
      decodes('{"a":1,"a":null}', {})
      decodes('{"a":null,"a":1,"b":2}', { a = 1, b = 2 })
    end)

    it("takes strings as they came", function()
      decodes([["\"\\\/\b\f\n\r\t"]], "\"\\/\b\f\n\r\t")
      decodes([["\u0041\u00e9\u20ac\ud83d\ude00"]], "Aé€😀")
      decodes([[{"\u0000":"a\u0000b"}]], { ["\0"] = "a\0b" })
      decodes('"\xFF\xFE\x80"', "\xFF\xFE\x80")
      decodes([=[["\\",1.0,"\\\"",12345678901234567,"\\\\\"[1.0"]]=],
        { "\\", 1.0, '\\"', 12345678901234567, '\\\\"[1.0' })
      decodes('["1.0","12345678901234567","null"]', { "1.0", "12345678901234567", "null" })
      local long = ("я\\\""):rep(300000)
      assert.are.equal((long:gsub('\\"', '"')), json.decode('"' .. long .. '"'))
    end)

    it("is not fooled by strings that look like its own marks", function()
      local forged = { "\xFF1.0", "\xFF\x801.0", "\xFF\x8112345678901234567", "\xFF", "\xFF\xFF\xFF7" }
      local text = '["' .. table.concat(forged, '","') .. '",1.0,12345678901234567]'
      table.move({ 1.0, 12345678901234567 }, 1, 2, #forged + 1, forged)
      decodes(text, forged)
      decodes('["\xFF\\u00001.0",2.0]', { "\xFF\0001.0", 2.0 })
    end)

    it("tolerates a byte order mark and blanks", function()
      decodes("\xEF\xBB\xBF{\"a\":1}", { a = 1 })
      decodes(" \r\n\t[1 , 2.0 ]\n\n", { 1, 2.0 })
      decodes('{ "a" : null , "b" : 12345678901234567 }', { b = 12345678901234567 })
    end)

    it("refuses what is not JSON, quoting nothing", function()
      for _, text in ipairs { "", " ", "[", "]", "{", "[1", "[1,]", "{,}", '{"a"}', '{"a":}', '{"a":1,}',
        "{a:1}", "'a'", "[1 2]", "[1]x", "[1][2]", "tru", "nulls", "undefined", "<html>", '"cut', '"\\q"',
        '{"a":null,}', '{,"a":null}', '{"a":null "b":1}', '["a":null,"b"]', '{"a":null]', '{"a" null}',
        "+1", ".5", "0x10", "Infinity", "NaN", "-", "--1", "[1.5.2]", '{"secret":"xyzzy"' } do
        local message = refuses(text)
        assert.is_nil(message:find("secret", 1, true))
        assert.is_nil(message:find("xyzzy", 1, true))
      end
    end)

    it("refuses numbers that only C takes for such", function()
      for _, text in ipairs { "[01]", "[-01]", "[1.]", "[1.e3]", "[1e]", "[1e+]", "[0000000000000001]" } do
        refuses(text, "^found an invalid number at character 2$")
      end
      refuses("{12345678901234567:1}")
      refuses("{1.0:1}")
      refuses('{"a":1,12345678901234567:1}')
    end)

    it("names the place in the text as it came", function()
      assert.are.equal(refuses("[1.0,2.0,12345678901234567 x]"):match("character (%d+)"), "28")
    end)

    it("refuses NUL bytes and other encodings", function()
      refuses("[1]\0")
      refuses("[1]\0[2]")
      refuses('"a\0b"')
      refuses("[\0001\0]\0")
    end)

    it("refuses lone surrogates", function()
      refuses([["\ud800"]], "invalid unicode escape")
      refuses([["\udc00"]], "invalid unicode escape")
      refuses([["\ud800\u0041"]], "invalid unicode escape")
      refuses([["\u12"]], "invalid unicode escape")
    end)

    it("bounds the nesting", function()
      local deep = ("["):rep(1000) .. "1.0" .. ("]"):rep(1000)
      local value = assert(json.decode(deep))
      for _ = 1, 999 do value = value[1] end
      same({ 1.0 }, value)
      refuses(("["):rep(1001) .. ("]"):rep(1001), "nested")
      refuses(("["):rep(100000), "nested")
      refuses(('{"a":'):rep(100000), "nested")
    end)

    it("decodes wide answers", function()
      local items, want = {}, {}
      for i = 1, 2500 do
        items[i] = ('{"ID":"%d","A":%d,"B":null,"C":%d.0,"D":"x"}'):format(i, i, i)
        want[i] = { ID = tostring(i), A = i, C = i + 0.0, D = "x" }
      end
      decodes("[" .. table.concat(items, ",") .. "]", want)
    end)

    it("keeps to its own settings", function()
      if cjson.decode_array_with_array_mt then cjson.decode_array_with_array_mt(true) end
      cjson.decode_max_depth(3)
      finally(function()
        if cjson.decode_array_with_array_mt then cjson.decode_array_with_array_mt(false) end
        cjson.decode_max_depth(1000)
      end)
      decodes("[[[[[1]]]]]", { { { { { 1 } } } } })
    end)

    it("raises on misuse at the caller's line", function()
      local ok, message = pcall(function() json.decode(7) end)
      assert.is_false(ok)
      assert.matches("json_spec%.lua:%d+: decode: expected a string, got number", message)
      assert.has_error(function() json.decode("1", { nulls = "no" }) end)
      assert.has_error(function() json.decode("1", { below = 1.5 }) end)
    end)
  end)
end

describe("encode", function()
  local json = load_json(installed)

  local function encodes(value, want, shape)
    local text, path, message = json.encode(value, shape)
    assert.are.equal(want, text, path and path .. " " .. message)
  end

  local function refuses(value, want_path, pattern, root)
    local text, path, message = json.encode(value, nil, root)
    assert.is_nil(text)
    assert.are.equal(want_path, path)
    assert.matches(pattern, message)
  end

  it("sorts names by their bytes", function()
    encodes({ b = 1, a = 2, B = 3, ["é"] = 4, ["a!"] = 5, [""] = 6, aa = 7 },
      '{"":6,"B":3,"a":2,"a!":5,"aa":7,"b":1,"é":4}')
    local many, want = {}, {}
    for i = 1, 300 do
      many[("k%04d"):format(i)] = i
      want[i] = ('"k%04d":%d'):format(i, i)
    end
    encodes(many, "{" .. table.concat(want, ",") .. "}")
  end)

  it("knows arrays from objects", function()
    encodes({ 1, 2, 3 }, "[1,2,3]")
    encodes({}, "{}")
    encodes({ a = {}, b = { {} } }, '{"a":{},"b":[{}]}')
    encodes(json.array {}, "[]")
    encodes(json.array { "x", json.array {} }, '["x",[]]')
    encodes(json.object {}, "{}")
    encodes({ [1.0] = "a", [2] = "b" }, '["a","b"]')
    encodes({ 1, json.null, 3 }, "[1,null,3]")
  end)

  it("types empty tables by the shape", function()
    local shape = {
      select = { array = true },
      filter = { array = false, children = { ids = { array = true } } },
      rows = { array = true, children = { tags = { array = true } } },
    }
    encodes({ select = {}, filter = {}, other = {} }, '{"filter":{},"other":{},"select":[]}', shape)
    encodes({ filter = { ids = {}, x = {} } }, '{"filter":{"ids":[],"x":{}}}', shape)
    encodes({ rows = { { tags = {} }, { tags = {}, n = {} } } },
      '{"rows":[{"tags":[]},{"n":{},"tags":[]}]}', shape)
    encodes({ select = json.object {} }, '{"select":{}}', shape)
    encodes({ select = { a = 1 } }, '{"select":{"a":1}}', shape)
    encodes({ rows = json.ordered { { "tags", {} } } }, '{"rows":{"tags":[]}}', shape)
    encodes({}, "{}", shape)
  end)

  it("matches names of the top level without case, when no other is there", function()
    local shape = { select = { array = true }, Filter = { children = { ids = { array = true } } } }
    encodes({ SELECT = {}, FILTER = { ids = {}, IDS = {} } },
      '{"FILTER":{"IDS":{},"ids":[]},"SELECT":[]}', shape)
    encodes({ SELECT = {} }, '{"SELECT":{}}', { SELECT = {}, select = { array = true } })
    encodes({ Select = {} }, '{"Select":[]}', { SELECT = { array = true }, select = {} })
  end)

  it("writes numbers so that they read back", function()
    encodes({ 1, -1, 0, math.maxinteger, math.mininteger },
      "[1,-1,0,9223372036854775807,-9223372036854775808]")
    encodes({ 2.0, -0.0, 0.1, 1e15, 1e300, 5e-324, 2 ^ 53, 1 / 3, 100.25 },
      "[2.0,-0.0,0.1,1e+15,1e+300,4.9406564584125e-324,9007199254740992.0,0.3333333333333333,100.25]")
    for _, float in ipairs { 0.1 + 0.2, 1.7976931348623157e308, 1716823948.432123, -1e-7, 123456789.0 } do
      same(float, json.decode(json.encode(float)))
    end
  end)

  it("writes numbers with a point under every locale", function()
    local kept = os.setlocale(nil, "numeric")
    local set
    for _, name in ipairs { "de_DE.UTF-8", "ru_RU.UTF-8", "fr_FR.UTF-8", "de_DE", "ru_RU" } do
      set = set or os.setlocale(name, "numeric")
    end
    finally(function() os.setlocale(kept, "numeric") end)
    encodes({ 0.5, 1e300, 2.0 }, "[0.5,1e+300,2.0]")
    same({ 1.5, 2.0, 0.99999999999999999999 }, json.decode("[1.5,2.0,0.99999999999999999999]"))
  end)

  it("escapes what must be, and nothing else", function()
    encodes('a"b\\c/d', [["a\"b\\c/d"]])
    encodes("\b\f\n\r\t\0\1\31\127", [["\b\f\n\r\t\u0000\u0001\u001f]] .. '\127"')
    encodes("Ё€😀\u{2028}", '"Ё€😀\u{2028}"')
    encodes({ ['k"\n'] = true }, [[{"k\"\n":true}]])
    local long = ("x\"я"):rep(100000)
    assert.are.equal(long, json.decode(json.encode(long)))
  end)

  it("sends scalars", function()
    encodes({ json.null, true, false, "" }, '[null,true,false,""]')
    encodes(json.null, "null")
    encodes({ installed.null }, "[null]")
    encodes("x", '"x"')
  end)

  it("sends a table that is used twice", function()
    local shared = { 1 }
    encodes({ a = shared, b = { shared } }, '{"a":[1],"b":[[1]]}')
  end)

  it("keeps the order of an ordered object", function()
    local order = json.ordered { { "LAST_NAME", "ASC" }, { "ID", "DESC" } }
    encodes({ order = order }, '{"order":{"LAST_NAME":"ASC","ID":"DESC"}}')
    encodes(json.ordered {}, "{}")
    assert.are.equal("LAST_NAME", order[1][1])
    order[3] = { "ID", "ASC" }
    refuses({ order = order }, "params.order.ID", "twice")
    order[3] = "ID"
    refuses({ order = order }, "params.order[3]", "pair")
    order[3] = { "X", print }
    refuses({ order = order }, "params.order.X", "function")
  end)

  it("never calls metamethods", function()
    local boom = function() error("called") end
    local value = setmetatable({ a = 1 },
      { __index = boom, __pairs = boom, __len = boom, __tostring = boom, __name = "x", __eq = boom })
    encodes({ v = value }, '{"v":{"a":1}}')
    encodes(setmetatable({ 1, 2 }, { __len = boom, __index = boom }), "[1,2]")
    encodes(setmetatable({}, { __metatable = false }), "{}")
  end)

  it("refuses what has no JSON form, naming where it stands", function()
    refuses({ fields = { TITLE = print } }, "params.fields.TITLE", "is a function")
    refuses({ 1, { x = coroutine.create(print) } }, "params[2].x", "is a thread")
    refuses({ ["odd key"] = io.stdout }, 'params["odd key"]', "is a userdata")
    refuses({ a = { { b = 0 / 0 } } }, "params.a[1].b", "NaN")
    refuses({ a = 1 / 0 }, "params.a", "infinite")
    refuses({ a = -1 / 0 }, "params.a", "infinite")
    refuses({ a = { 1, 2, x = 3 } }, "params.a", "mixes")
    refuses({ a = { [1] = 1, [3] = 3 } }, "params.a", "holes")
    refuses({ a = { [7] = 1 } }, "params.a", "holes")
    refuses({ a = { [0] = 1 } }, "params.a[0]", "below 1")
    refuses({ a = { [1.5] = 1 } }, "params.a", "fraction")
    refuses({ a = { [true] = 1 } }, "params.a", "boolean")
    refuses({ a = { [{}] = 1 } }, "params.a", "table")
    refuses(print, "params", "function")
    refuses(nil, "params", "nil")
    refuses({ x = print }, "query.x", "function", "query")
  end)

  it("refuses text that is not UTF-8, which PHP would refuse as a whole", function()
    for _, bytes in ipairs { "\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
      "\xF8\x88\x80\x80\x80", "ok\xFF", "\xF0\x9F\x98" } do
      refuses({ a = bytes }, "params.a", "UTF%-8.*whole request")
    end
    refuses({ ["\xFF"] = 1 }, 'params["\\xFF"]', "UTF%-8")
    encodes("\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}\u{D7FF}\u{E000}",
      '"\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}\u{D7FF}\u{E000}"')
  end)

  it("refuses cycles and deep nesting", function()
    local cycle = { a = { b = {} } }
    cycle.a.b.c = cycle
    refuses(cycle, "params.a.b.c", "itself")
    local own = {}
    own[1] = own
    refuses(own, "params[1]", "itself")
    local function nested(levels)
      local value = {}
      for _ = 2, levels do value = { value } end
      return value
    end
    assert.are.equal(("["):rep(99) .. "{}" .. ("]"):rep(99), json.encode(nested(100)))
    refuses(nested(101), "params" .. ("[1]"):rep(100), "100 levels")
    refuses(nested(100000), "params" .. ("[1]"):rep(100), "100 levels")
  end)

  it("survives a collector that runs all the time", function()
    local value = { list = {}, o = json.ordered { { "x", { 1.5 } } } }
    for i = 1, 60 do
      local file = json.file { name = "a", content = "b" }
      value.list[i] = { ["name" .. i] = "text " .. i, n = i, f = file }
    end
    local want = json.encode(value)
    local mode = collectgarbage("generational")
    debug.sethook(function() collectgarbage() end, "", 50)
    local got = json.encode(value)
    local back = json.decode(got)
    debug.sethook()
    collectgarbage(mode)
    assert.are.equal(want, got)
    same({ 1.5 }, back.o.x)
  end)
end)

describe("marked values", function()
  local json = load_json(installed)
  local path = os.tmpname()
  teardown(function() os.remove(path) end)

  local function raises(pattern, f, ...)
    local arguments = table.pack(...)
    local ok, e = pcall(function() f(table.unpack(arguments, 1, arguments.n)) end)
    assert.is_false(ok)
    assert.are.equal("config", e.kind)
    assert.matches(pattern, e.message)
    assert.matches("json_spec%.lua:%d+$", e.where)
  end

  it("leave the argument alone and can be filled further", function()
    local list, fields = { 1, 2 }, { a = 1 }
    local array, object = json.array(list), json.object(fields)
    array[3], object.b = 3, 2
    assert.are.same({ 1, 2 }, list)
    assert.are.same({ a = 1 }, fields)
    assert.is_nil(getmetatable(list))
    assert.are.equal('[[1,2,3],{"a":1,"b":2}]', json.encode { array, object })
    assert.are.equal(3, #array)
  end)

  it("are checked when made", function()
    raises("array: expected a sequence, got nil", json.array, nil)
    raises("array: .*other keys", json.array, { a = 1 })
    raises("array: .*holes", json.array, { [1] = 1, [3] = 3 })
    raises("object: expected a table, got string", json.object, "x")
    raises("object: names must be strings", json.object, { 1 })
    raises("ordered: expected a sequence of pairs, got number", json.ordered, 1)
    raises("ordered: item 1 is not a pair", json.ordered, { "ID" })
    raises("ordered: item 2 is not a pair", json.ordered, { { "A", 1 }, { "B" } })
    raises("ordered: item 1 is not a pair", json.ordered, { { 1, "A" } })
    raises("ordered: item 1 is not a pair", json.ordered, { { "A", 1, 2 } })
    raises("ordered: item 1 is not a pair", json.ordered, { ID = "ASC" })
    raises('ordered: "A" is named twice', json.ordered, { { "A", 1 }, { "A", 2 } })
  end)

  it("are checked again when sent", function()
    local array, object = json.array { 1 }, json.object { a = 1 }
    array.x, object[1] = 1, 1
    local _, where, why = json.encode { a = array }
    assert.are.equal("params.a mixes a sequence with named keys", where .. " " .. why)
    _, where, why = json.encode { a = object }
    assert.are.equal("params.a mixes a sequence with named keys", where .. " " .. why)
    array[1] = nil
    _, where, why = json.encode { a = array }
    assert.are.equal("params.a is an array and cannot have named keys", where .. " " .. why)
  end)

  it("tell what they are", function()
    assert.is_true(json.is_array(json.array {}))
    assert.is_false(json.is_array {})
    assert.is_false(json.is_array(json.null))
    assert.is_true(json.is_file(json.file { name = "a", content = "" }))
    assert.is_false(json.is_file "a")
    assert.are.equal("ordered", json.kind(json.ordered {}))
    assert.are.equal("object", json.kind(json.object {}))
    assert.is_nil(json.kind {})
    assert.is_nil(json.kind(setmetatable({}, { __metatable = "locked" })))
  end)

  it("send files as name and base64", function()
    local handle = assert(io.open(path, "wb"))
    handle:write("\0\xFFfile\n")
    handle:close()
    local file = json.file(path)
    assert.are.equal(('{"f":["%s","AP9maWxlCg=="]}'):format(path:match("[^/]*$")), json.encode { f = file })
    assert.are.equal('["é.txt","aGVsbG8="]', json.encode(json.file { name = "é.txt", content = "hello" }))
    assert.are.equal('["a",""]', json.encode(json.file { name = "a", content = "" }))
    assert.are.equal('file "a"', tostring(json.file { name = "a", content = "" }))
  end)

  it("take an empty file", function()
    assert(io.open(path, "wb")):close()
    assert.are.equal(('["%s",""]'):format(path:match("[^/]*$")), json.encode(json.file(path)))
  end)

  it("raise at once for a file that cannot be read", function()
    raises("file: cannot read /nonexistent/x: No such file", json.file, "/nonexistent/x")
    raises("file: cannot read /tmp: Is a directory", json.file, "/tmp")
    raises("file: expected a path", json.file, 7)
    raises("file: unknown field path", json.file, { path = "x" })
    raises("file: name must be", json.file, { content = "x" })
    raises("file: content must be", json.file, { name = "x", content = 1 })
  end)

  it("say so when a file has gone meanwhile", function()
    assert(io.open(path, "wb")):close()
    local file = json.file(path)
    os.remove(path)
    local text, where, why = json.encode { fields = { DOC = file } }
    assert.is_nil(text)
    assert.are.equal("params.fields.DOC", where)
    assert.matches("^cannot be read: .*No such file", why)
  end)

  it("refuse a file name that is not UTF-8", function()
    local _, where, why = json.encode { f = json.file { name = "\xFF", content = "" } }
    assert.are.equal("params.f", where)
    assert.matches("UTF%-8", why)
  end)

  it("include base64 for bytes", function()
    assert.are.equal("AP8Q", json.base64("\0\255\16"))
    assert.are.equal("", json.base64(""))
    assert.are.equal(core.json.base64("x"), json.base64("x"))
  end)

  it("include what lua-cjson marks as arrays", function()
    local other = load_json(stand_in)
    assert.are.equal("[]", other.encode(setmetatable({}, stand_in.array_mt)))
    assert.are.equal("[]", other.encode(setmetatable({}, stand_in.empty_array_mt)))
  end)
end)
