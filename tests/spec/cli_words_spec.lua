-- What is typed, as parameters; records, as text. Without processes.

local doubts = require "bitrix24.cli.doubts"
local format = require "bitrix24.cli.format"
local given = require "bitrix24.cli.given"
local json = require "bitrix24.json"
local text = require "bitrix24.cli.text"
local console = require "bitrix24.cli.console"
local usage = require "bitrix24.cli.usage"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

describe("parameters as they are typed", function()
  -- { method, words …, the JSON that is sent }
  local rows = {
    { nil, "a=b", '{"a":"b"}' },
    { nil, "a=", '{"a":""}' },
    { nil, "a=b=c", '{"a":"b=c"}' },
    { nil, "a[b]=c", "a[d][e]=f", '{"a":{"b":"c","d":{"e":"f"}}}' },
    { nil, "a[]=1", "a[]=2", '{"a":["1","2"]}' },
    { nil, "a[0]=x", "a[1]=y", '{"a":["x","y"]}' },
    { nil, "a[0][VALUE]=x", "a[0][TYPE]=y", '{"a":[{"TYPE":"y","VALUE":"x"}]}' },
    { nil, "filter[>=ID]=5", "filter[!=NAME]=x", "filter[%TITLE]=a:=b",
      '{"filter":{"!=NAME":"x","%TITLE":"a:=b",">=ID":"5"}}' },
    { nil, "a:=7", "b:=true", "c:=null", "d:=[]", "e:={}", "f:=[{}]",
      '{"a":7,"b":true,"c":null,"d":[],"e":{},"f":[{}]}' },
    { nil, 'a:="x\\"]"', 'b:=[1,[],{"c":[]}]', '{"a":"x\\"]","b":[1,[],{"c":[]}]}' },
    { nil, "a:=9007199254740993", '{"a":9007199254740993}' },
    { nil, "order[NAME]=ASC", "order[ID]=DESC", '{"order":{"NAME":"ASC","ID":"DESC"}}' },
    { nil, '{"order":{"NAME":"ASC","ID":"DESC"},"z":[]}', '{"order":{"NAME":"ASC","ID":"DESC"},"z":[]}' },
    { nil, '{"a":1,"b":2}', "b=3", '{"a":1,"b":"3"}' },
    { nil, '[7,{"POST_MESSAGE":"hi"}]', '[7,{"POST_MESSAGE":"hi"}]' },
    { nil, "0=7", "1[POST_MESSAGE]=hi", '["7",{"POST_MESSAGE":"hi"}]' },
    { nil, '{"fields":{"A":1,"B":{"C":2}}}', "fields[B][D]=3", "fields[A]=4",
      '{"fields":{"A":"4","B":{"C":2,"D":"3"}}}' },
    { nil, "fields[A]=4", '{"fields":{"A":1,"B":2}}', '{"fields":{"A":1,"B":2}}' },
    { nil, 'fields:={"A":1}', "fields[B]=2", 'fields:={"A":3}', '{"fields":{"A":3,"B":"2"}}' },
    { nil, '{"a":[1,2]}', "a[]=3", "a[0]:=0", '{"a":[0,2,"3"]}' },
    { nil, '{"a":[1,2]}', "a:=[7]", "b[]=1", "b:=[]", '{"a":[7],"b":[]}' },
    { nil, '{"a":[],"b":null,"c":{"d":1}}', "a[x]=1", "b[x]=1", "c:=null",
      '{"a":{"x":"1"},"b":{"x":"1"},"c":null}' },
    { nil, '[7,{"A":1}]', "1[B]=2", "0=8", '["8",{"A":1,"B":"2"}]' },
    { nil, '{"order":{"NAME":"ASC","ID":"DESC"}}', "order[DATE]=ASC", "order[NAME]=DESC",
      '{"order":{"NAME":"DESC","ID":"DESC","DATE":"ASC"}}' },
    { nil, "a[1]=y", "a[0]=x", '{"a":["x","y"]}' },
    { nil, "a=@x", "b=$result[me][ID]", "c=1", "имя=я", "d[x.y]==",
      '{"a":"@x","b":"$result[me][ID]","c":"1","d":{"x.y":"="},"имя":"я"}' },
    { nil, 'a:={"b":1,"b":2}', 'c:="\\u0000"', "a[e]=1", '{"a":{"b":2,"e":"1"},"c":"\\u0000"}' },
    { nil, "{}" },
    -- the documentation says what a parameter is
    { "crm.item.list", "entityTypeId=3", '{"entityTypeId":3}' },
    { "crm.calllist.add", "ENTITY_TYPE=CONTACT", "ENTITIES[]=1", "ENTITIES[]=2",
      '{"ENTITIES":[1,2],"ENTITY_TYPE":"CONTACT"}' },
    { "crm.item.list", "entityTypeId=abc", '{"entityTypeId":"abc"}' },
    { "user.get", "ID=007x", '{"ID":"007x"}' },
  }
  for _, row in ipairs(rows) do
    it(table.concat(row, " ", 2), function()
      local words, expected = { table.unpack(row, 2, #row - 1) }, row[#row]
      local params = assert(given.params(words, row[1], nil, io.stdin))
      assert.equal(expected, (json.encode(params)))
    end)
  end

  it("are refused with a message that shows no value", function()
    for _, words in ipairs {
      { "word" }, { "=x" }, { "a[b=SECRET1" }, { "a:=SECRET1" }, { "a:={SECRET1" }, { "{SECRET1" },
      { "a=1", "a[b]=SECRET1" }, { "a[b]=1", "a=SECRET1" },
      { "@/nowhere/at/all.json" }, { "a@/nowhere/at/all" },
      { "{}", "{}" }, { "[1]", "a=SECRET1" }, { "a=SECRET1", "[1]" }, { "3" }, { '"text"' },
      { '{"a":{"b":1}}', "a[]=SECRET1" }, { '{"a":[1]}', "a[b]=SECRET1" }, { '{"a":[1]}', "a[3]=SECRET1" },
      { '{"a":{"b":"SECRET1"}}', "a:=[1]" }, { '{"a":"SECRET1"}', "a[b]=1" }, { "a[b]=1", "a[]=SECRET1" },
      { "a:=12345678901234567890" }, { "a:=1e999" }, { "@" }, { "a@" }, { "@/" },
    } do
      local params, message = given.params(words, nil, nil, io.stdin)
      assert.is_nil(params)
      assert.is_string(message)
      assert.is_nil(message:find("SECRET1", 1, true), message)
    end
  end)

  it("name the key that contradicts itself, the file, and the place in a text", function()
    local function refused(...)
      local _, message = given.params({ ... }, nil, nil, io.stdin)
      return message
    end
    assert.equal("fields[PHONE]: cannot be a list and an object",
      refused('{"fields":{"PHONE":[{"VALUE":"5"}]}}', "fields[PHONE][VALUE]=6"))
    assert.equal("a[b]: has a value already", refused('{"a":{"b":1}}', "a[b][c]=2"))
    assert.truthy(refused("@/"):find("cannot read /: ", 1, true))
    assert.truthy(refused("@/nowhere/at/all"):find("/nowhere/at/all", 1, true))
    assert.truthy(refused('{"a":\n  tru}'):find("at line 2, column 3", 1, true))
    assert.truthy(refused("a:=tru"):find("^a is not JSON"))
  end)

  it("read a file as all of them, and a file as one", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write('{"fields": {"TITLE": "x"}}')
    file:close()
    assert.equal('{"fields":{"TITLE":"x"}}', (json.encode(given.params({ "@" .. path }, nil, nil, io.stdin))))
    local params = given.params({ "fields[F]@" .. path }, nil, nil, io.stdin)
    assert.is_true(json.is_file(params.fields.F))
    os.remove(path)
  end)
end)

describe("what the library says", function()
  local errors = require "bitrix24.errors"
  local words = require "bitrix24.cli.words"

  local function said(fields, command)
    fields.kind = fields.kind or "config"
    local e = words.of_command(errors.new(fields), command or "call")
    return e.message, e.hint
  end

  it("is said in the words of the command", function()
    for lua, typed in pairs {
      ["x is a method of REST 2: call it through portal.v2"] = "x is a method of REST 2: use --rest 2",
      ["give the certificate authority's file as ca_file"] =
        "give the certificate authority's file by --ca-file FILE",
      ["connect: option 'ca_file' must be text"] = "--ca-file must be text",
      ["connect: webhook: plain http: use https:// (or insecure = true)"] =
        "the webhook's address: plain http: use https://",
      ["pages: option 'limit' must be an integer, got -1"] = "--limit must be an integer, got -1",
      ["call: option 'timeout' must be text"] = "--timeout must be text",
      ["opts.checkpoint: cannot read x"] = "--checkpoint: cannot read x",
      ["it asks for a wait of 700 s, longer than wait_max"] =
        "it asks for a wait of 700 s, longer than the command waits",
      ['portal:call("user.get", params) returns it as it is'] = "bitrix24 call user.get returns it as it is",
    } do
      assert.equal(typed, (said { message = lua }))
      assert.equal(typed, (select(2, said { message = "", hint = lua })))
    end
  end)

  it("warns of a repeat only where something may have been changed", function()
    local hint = "look whether it took effect before you repeat it, or pass { idempotent = true } "
      .. "if a repeat is harmless"
    local function hinted(method, command)
      return (select(2, said({ kind = "network", message = "", hint = hint, method = method }, command)))
    end
    assert.equal("look whether it took effect before you repeat it", hinted "crm.deal.add")
    assert.equal("look whether it took effect before you repeat it", hinted "my.own.method")
    assert.equal("it only reads: run it again", hinted "crm.deal.get")
    assert.equal("it only reads: run it again", hinted("batch", "list"))
  end)
end)

describe("csv", function()
  local function csv(records, columns)
    local writer = format.new { kind = "csv", columns = columns }
    return writer:page(records) .. writer:finish(), writer
  end

  it("is RFC 4180, with nested values as JSON and null as nothing", function()
    local out = csv { {
      ID = 7, NAME = 'say "hi", twice', NOTE = "two\nlines", PHONE = { { VALUE = "1" } }, OPEN = true,
      NONE = json.null, TAGS = {},
    } }
    assert.equal('ID,NAME,NONE,NOTE,OPEN,PHONE,TAGS\r\n'
      .. '7,"say ""hi"", twice",,"two\nlines",true,"[{""VALUE"":""1""}]",[]\r\n', out)
  end)

  it("takes columns by path, in their order", function()
    local out = csv({ { id = 1, phones = { mobile = "5" } }, { id = 2 } }, { "phones.mobile", "id" })
    assert.equal("phones.mobile,id\r\n5,1\r\n,2\r\n", out)
  end)

  it("tells which fields came too late for a column", function()
    local _, writer = csv { { id = 1 } }
    writer:page { { id = 2, late = 3 } }
    assert.is_true(writer.left.late)
    assert.is_nil(writer.left.id)
  end)

  it("has its head even without records, and a row for a lone empty cell", function()
    local writer = format.new { kind = "csv", columns = { "a", "b" } }
    assert.equal("a,b\r\n", writer:finish())
    assert.equal('a\r\n""\r\n', (csv({ { a = "" } }, { "a" })))
  end)
end)

describe("a table", function()
  it("does not obey what a portal stores", function()
    local writer = format.new { kind = "table", columns = { "n" }, width = 80 }
    local out = writer:page { { n = "a\27[31mb\nc\xC2\x9Bd" } }
    assert.is_nil(out:find("[\27\x9B]"))
    assert.equal(2, select(2, out:gsub("\n", "")))
  end)

  it("fits the terminal and counts letters, not bytes", function()
    local records = {}
    for i = 1, 5 do records[i] = { ID = i, NAME = ("Имя "):rep(30), TITLE = ("t"):rep(50), Z = "z" } end
    local writer = format.new { kind = "table", width = 60 }
    for line in writer:page(records):gmatch("[^\n]+") do assert.is_true(text.width(line) <= 60, line) end
    assert.is_true(writer:hidden() > 0)
  end)
end)

describe("json", function()
  it("is one array, however many pages", function()
    for _, pretty in ipairs { false, true } do
      local writer = format.new { kind = "json", pretty = pretty }
      local out = writer:page { { id = 1 }, { id = 2 } } .. writer:page { { id = 3 } } .. writer:finish()
      assert.same({ { id = 1 }, { id = 2 }, { id = 3 } }, json.decode(out))
      assert.equal(pretty, out:find("\n ") ~= nil)
    end
    assert.equal("[]\n", format.new { kind = "json" }:finish())
  end)
end)

describe("what the documentation has against parameters", function()
  local catalogue = require "bitrix24.catalogue"

  local function told(method, ...)
    local out = {}
    local params = assert(given.params({ ... }, method, nil, io.stdin))
    doubts.tell({ note = function(_, line) out[#out + 1] = line end }, catalogue.find(method), params)
    return table.concat(out, "\n")
  end

  it("is told, with what to write", function()
    for _, row in ipairs {
      { "filter.id=2", "unknown parameter: filter.id; give filter[id]=…" },
      { "limit=2", "unknown parameter: limit; crm.item.list takes entityTypeId, select" },
      { "select=id,name", "select is text, and an array is documented; give select[]=…" },
      { "filter=5", "filter is text, and an object is documented; give filter[KEY]=…" },
    } do
      local line = told("crm.item.list", "entityTypeId=3", row[1])
      assert.equal("warning: " .. row[2], line:sub(1, #"warning: " + #row[2]))
      assert.is_nil(line:find("\n", 1, true))
    end
    assert.equal("", told("crm.item.list", "entityTypeId=3", "filter[>id]=2", "select[]=id", "select:=[]",
      "start=50", "order[id]=ASC"))
    assert.equal("", told("no.such.method", "a.b=2"))
    assert.equal("", told("user.get", "ID=2", "UF_X=1"))
  end)

  it("is nothing against what is documented", function()
    for _, example in ipairs(require "support.check_corpus".examples) do
      doubts.tell({ note = function(_, line) error(example.method .. ": " .. line) end },
        catalogue.find(example.method, example.version), example.request)
    end
  end)

  it("is refused where JSON would be lost as text", function()
    for _, row in ipairs {
      { "crm.item.add", 'fields={"title":"x"}', "'fields:=…'" },
      { "crm.item.list", 'select=["id"]', "'select:=…'" },
      { "user.get", 'FILTER={"ACTIVE":true}', "'FILTER:=…'" },
    } do
      local params, message, hint = given.params({ row[2] }, row[1], nil, io.stdin)
      assert.is_nil(params)
      assert.matches("=… is text, and this is JSON", message)
      assert.truthy(hint:find(row[3], 1, true), hint)
    end
    assert.same({ fields = '{"title":"x"}' },
      given.params({ [[fields:="{\"title\":\"x\"}"]] }, "crm.item.add", nil, io.stdin))
    assert.same({ MESSAGE = '{"a":1}' }, given.params({ 'MESSAGE={"a":1}' }, "im.message.add", nil, io.stdin))
  end)
end)

describe("the bar", function()
  it("shows share, rate and time left", function()
    assert.equal("[##########..........]  50% 500/1000, 100/s, 0:05 left", console.bar(500, 1000, 100))
    assert.equal("500, 100/s", console.bar(500, nil, 100))
    assert.equal("[....................]   0% 1/100000, 1/s, 27:46:39 left", console.bar(1, 100000, 1))
  end)
end)

describe("the words of the command", function()
  it("fit a screen, with an example each", function()
    for _, command in ipairs(usage.commands) do
      local page, lines = usage.page(command.name), 0
      for line in page:gmatch("(.-)\n") do
        lines = lines + 1
        assert.is_true(text.width(line) <= 80, line)
      end
      assert.is_true(lines <= 24, command.name)
      assert.truthy(page:find("example", 1, true), command.name)
      assert.truthy(page:find("\n  bitrix24 " .. command.name, 1, true), command.name)
    end
    assert.is_true(select(2, usage.page():gsub("\n", "")) <= 24)
  end)

  it("are all that the pages and the man page name", function()
    local known = {}
    for _, command in ipairs(usage.commands) do
      local own = {}
      for _, flags in ipairs(usage.flags(command)) do
        for flag in flags:gmatch("%-%-[%w-]+") do own[flag], known[flag] = true, true end
      end
      for line in usage.page(command.name):gmatch("[^\n]+") do
        local flag = line:match("^ +(%-%-%l[%w-]*)") or line:match("^  %-%l, (%-%-%l[%w-]*)")
        assert.is_true(flag == nil or own[flag], command.name .. " " .. tostring(flag))
      end
    end
    for flag in read("csrc/cli/bitrix24.1"):gsub("\\%-", "-"):gmatch("%-%-%l[%w-]*") do
      assert.is_true(known[flag], flag)
    end
  end)

  it("are in the pages, the man page and every completion", function()
    local common = usage.page("options")
    local man = read("csrc/cli/bitrix24.1"):gsub("\\%-", "-")
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      local completion = read("csrc/cli/bitrix24." .. shell)
      for _, command in ipairs(usage.commands) do
        assert.truthy(completion:find(command.name, 1, true), command.name)
        assert.truthy(man:find("%f[%w]" .. command.name .. "%f[%W]"), command.name)
        for _, flags in ipairs(usage.flags(command)) do
          local long = flags:match("%-%-[%w-]+")
          local typed = shell == "fish" and "-l " .. long:sub(3) or long
          assert.truthy(completion:find(typed, 1, true), shell .. " " .. long)
          assert.truthy(man:find(long, 1, true), "man " .. long)
          local page = usage.page(command.name)
          assert.truthy(page:find(long, 1, true) or common:find(long, 1, true), command.name .. " " .. long)
        end
      end
    end
  end)
end)
