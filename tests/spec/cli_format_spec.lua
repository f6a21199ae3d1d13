-- Records as text: what stands in the cells, how wide they are, and what a
-- terminal gets to see. No portal, no file.

local console = require "bitrix24.cli.console"
local core = require "bitrix24.core"
local format = require "bitrix24.cli.format"
local json = require "bitrix24.json"
local text = require "bitrix24.cli.text"
local width = require "bitrix24.cli.width"

local function written(options, ...)
  local writer, out = format.new(options), {}
  for i, page in ipairs { ... } do out[i] = writer:page(page) end
  return table.concat(out) .. writer:finish(), writer
end

describe("columns", function()
  it("are trimmed", function()
    assert.same({ "ID", "NAME", "A B" }, format.names " ID, NAME ,,A B ")
    assert.has_error(function() format.names " , " end)
  end)

  it("of records that are arrays are 1, 2, …", function()
    local row = {}
    for i = 1, 11 do row[i] = i * 10 end
    local out = written({ kind = "csv" }, { row, { 7, json.null, { a = 1 } } })
    assert.equal("1,2,3,4,5,6,7,8,9,10,11\r\n10,20,30,40,50,60,70,80,90,100,110\r\n"
      .. '7,,"{""a"":1}",,,,,,,,\r\n', out)
    assert.equal("2\r\n20\r\n", written({ kind = "csv", columns = { "2" } }, { row }))
    assert.truthy(written({ kind = "table" }, { row }):find("^1 +2 +3 .*\n10 +20 +30 "))
  end)

  it("of records that are no objects are value, whatever the value", function()
    assert.equal("value\r\na\r\nfalse\r\n7\r\n", written({ kind = "csv" }, { "a", false, 7 }))
  end)

  it("of a csv are those of the first page, and those asked for by name", function()
    local asked = { "ID", "CREATED_BY", "LATE" }
    local out, writer = written({ kind = "csv", asked = asked }, { { id = 1, createdBy = 2, b = 3 } },
      { { id = 2, LATE = "x" } })
    assert.equal("id,LATE,b,createdBy\r\n1,,3,2\r\n2,x,,\r\n", out)
    assert.same({}, writer:left_names())
    assert.equal("ID,CREATED_BY,LATE\r\n", written { kind = "csv", asked = asked })
    assert.equal("", written { kind = "csv", asked = {} })
  end)

  it("that are missing are told, in a table those with something in them", function()
    local pages = { { { id = 1 } }, { { id = 2, late = "x", empty = "" }, "scalar" } }
    local _, writer = written({ kind = "csv" }, table.unpack(pages))
    assert.same({ "empty", "late", "value" }, writer:left_names())
    _, writer = written({ kind = "table" }, { { id = 1, late = "" } }, table.unpack(pages, 2))
    assert.same({ "late", "value" }, writer:left_names())
    _, writer = written({ kind = "csv", columns = { "id" } }, table.unpack(pages))
    assert.same({}, writer:left_names())
  end)

  it("that no record has are known", function()
    local columns = { "id", "naem", "p.mobile", "p.fax", "q.x", "none" }
    for _, kind in ipairs { "csv", "table", "json", "jsonl" } do
      local _, writer = written({ kind = kind, columns = columns },
        { { id = 1, p = { mobile = "5" }, q = json.array {}, none = json.null } })
      assert.same({ naem = true, ["p.fax"] = true }, writer.unseen)
    end
  end)
end)

describe("a terminal", function()
  local evil = "a\27[31mb\7\xC2\x9B1mc\rd\te\nf\127"

  it("obeys nothing that a portal stores", function()
    for _, kind in ipairs { "table", "csv", "json", "jsonl" } do
      local out = written({ kind = kind, pretty = true, width = 80 }, { { ["n" .. evil] = evil } })
      assert.is_nil(out:gsub("\r\n", "\n"):find("[\1-\8\11-\31\127\x9B]"), kind)
      assert.truthy(out:find("\\u009b1m", 1, true), out)
    end
    assert.equal(evil, json.decode(written({ kind = "jsonl", pretty = true }, { { n = evil } })).n)
    assert.equal("a\\x1b[31mb\\x07\\u009b1mc d e f\\x7f", text.shown(evil))
    assert.equal("\\x9b1m \\xc3", text.shown "\x9B1m \xC3") -- no UTF-8
  end)

  it("is not told apart in a csv that goes elsewhere", function()
    assert.equal('n\r\n"' .. evil .. '"\r\n', written({ kind = "csv" }, { { n = evil } }))
  end)

  it("gets messages that it does not obey", function()
    local said = {}
    local here = console.new { out = io.stdout, err = io.stderr, input = io.stdin }
    here.err = { write = function(_, ...) said[#said + 1] = table.concat { ... } end }
    here.seen, here.marks = true, false
    here:fail("no \27[2J\xC2\x9B2J", "try \xC2\x9D")
    here:note("in a\nfile")
    assert.same({ "bitrix24: no \\x1b[2J\\u009b2J\n", "hint: try \\u009d\n", "in a\\x0afile\n" }, said)
  end)
end)

describe("the width of a text", function()
  it("is that of its letters on a terminal", function()
    for line, columns in pairs {
      [""] = 0, ["abc"] = 3, ["Имя"] = 3, ["é"] = 1, ["e\u{301}"] = 1, ["山田"] = 4, ["한국"] = 4, ["🎉"] = 2,
      ["a\u{200B}b"] = 2, ["ｱ"] = 1, ["Ａ"] = 2, ["หน้าที่"] = 4, ["…"] = 1, ["\xFF\xFE"] = 2,
    } do assert.equal(columns, width.of(line), line) end
  end)

  it("aligns and cuts", function()
    assert.equal("山田  ", text.fit("山田", 6))
    assert.equal("山… ", text.fit("山田太", 4)) -- half a letter does not fit
    assert.equal("e\u{301}e\u{301}…", text.fit(("e\u{301}"):rep(5), 3))
    local out = written({ kind = "table", width = 40 },
      { { ID = 1, NAME = "山田太郎", Z = "x" }, { ID = 2, NAME = "e\u{301}", Z = "x" } })
    for line in out:gmatch("[^\n]+") do assert.equal(16, width.of(line:sub(1, -2)), line) end
  end)
end)

describe("the bar", function()
  it("fits the window", function()
    local full = console.bar(500, 100000, 100, 79)
    assert.equal("[....................]   0% 500/100000, 100/s, 16:35 left", full)
    for room = 0, 79 do
      local line = console.bar(500, 100000, 100, room)
      assert.is_true(#line <= room, line)
      if room >= 10 then assert.truthy(line:find("500/100000", 1, true), line) end
    end
    assert.equal("[.....]   0% 500/100000, 100/s, 16:35 left", console.bar(500, 100000, 100, 42))
    assert.equal("  0% 500/100000", console.bar(500, 100000, 100, 20))
  end)

  it("knows no share without a total, or with one that is too small", function()
    assert.equal("500, 100/s", console.bar(500, nil, 100, 79))
    assert.equal("500, 0.2/s", console.bar(500, 0, 0.2, 79))
    assert.equal("500", console.bar(500, 400, 0, 79))
  end)

  it("is for terminals that can wipe a line", function()
    local here = console.new { out = io.stdout, err = io.stderr, input = io.stdin }
    here.live = true
    assert.is_function(here:progress())
    here.quiet = true
    assert.is_nil(here:progress())
    here.live, here.quiet = false, false
    assert.is_nil(here:progress())
  end)
end)

describe("the console of the core", function()
  it("refuses what is no stream", function()
    assert.has_error(function() core.console.width("stdlog") end)
    assert.is_nil(core.console.kind("/no/such/file"))
    assert.equal("folder", core.console.kind("."))
    assert.equal("other", core.console.kind("/dev/null"))
    assert.is_nil((core.console.like("/no/such/file", ".")))
  end)
end)
