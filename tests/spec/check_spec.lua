-- `check`: the ways in which scripts reach a portal, what it says and where,
-- what it leaves alone, and the same in a strict portal.

local catalogue = require "bitrix24.catalogue"
local check = require "bitrix24.check"
local corpus = require "support.check_corpus"

local EXAMPLES, HEAD = corpus.examples, corpus.HEAD
local errors_in, find, show = corpus.errors_in, corpus.find, corpus.show

local function rest_errors(script)
  return errors_in(check.script(script, "script.lua"))
end

--- The interpreter that runs this.
local LUA = "lua5.4"
for i = -1, -9, -1 do LUA = arg and arg[i] or LUA end

describe("check", function()
  describe("says nothing against", function()
    it("what only running would tell", function()
      local script = HEAD .. [[
        local name, params = arg[1], { id = 1 }
        portal:call(name, params)
        portal.crm[name].get(params)
        portal.crm.deal.get(params)
        portal.crm.deal.get(table.unpack(arg))
        portal.crm.deal.get{ [name] = 1 }
        portal.user.get(...)
        local b = portal:batch()
        local me = b.user.current()
        b.department.get{ ID = me.UF_DEPARTMENT[1].ANYTHING.AT_ALL }
        local fields = { TITLE = "x", UF_CRM_1 = 1, PARENT_ID_130 = 2, NAME2 = 3 }
        portal.crm.deal.add{ fields = fields }
        portal.crm.deal.add{ fields = { TITLE = "x", UF_CRM_1 = 1, PARENT_ID_130 = 2, TITLE2 = 3 } }
        portal.crm.deal.list{ FILTER = { [">=OPPORTUNITY"] = 1, ["%TITLE"] = "x", MY_FIELD = 1 }, START = 50 }
      ]]
      assert.same({}, rest_errors(script))
    end)

    it("parameters in a variable that something else may change", function()
      assert.same({}, rest_errors(HEAD .. [[
        local a, b, c, d = { ENTITES = 1 }, { ENTITES = 1 }, { ENTITES = 1 }, { ENTITES = 1 }
        a.ENTITES = nil
        rename(b)
        c[arg[1] ] = nil
        if arg[2] then d = { ENTITY_TYPE = "CONTACT", ENTITIES = { 1 } } end
        for _, params in ipairs{ a, b, c, d } do portal.crm.calllist.add(params) end
        portal.crm.calllist.add(a)
        portal.crm.calllist.add(b)
        portal.crm.calllist.add(c)
        portal.crm.calllist.add(d)
        local function add(params) return portal.crm.calllist.add(params) end
        add{ ENTITES = 1 }
        function make() local made = {}; return made end
        portal.crm.calllist.add(make())
      ]]))
    end)

    it("parameters by position, which every method of task takes", function()
      assert.same({}, rest_errors(HEAD .. [[
        portal.task.checklistitem.add{ 13, { TITLE = "x", IS_COMPLETE = "Y" } }
        portal.task.checklistitem.delete{ 13, 5 }
        portal.task.commentitem.add{ 13, { POST_MESSAGE = "hi" } }
      ]]))
    end)

    it("what is no portal", function()
      local script = [[
        local app = require "some.framework"
        app.get("/users", function(portal) return portal.url, portal:match "x" end)
        local function parse(portal) return portal:gsub("a", "b"), portal.host.name, portal.user.login end
        local crm = { dael = {} }
        crm.dael.get()
        local portal = io.open("x")
        portal:read("a")
        print(parse, crm.nothing)
      ]]
      assert.same({}, { table.unpack(check.script(script)) })
    end)
  end)

  it("lets an application call what needs one", function()
    local findings = check.script [[
      local bitrix24 = require "bitrix24"
      local app = bitrix24.connect{ domain = "example.bitrix24.com", access_token = arg[1] }
      print(app.app.info(), app.v2.app.info())
    ]]
    assert.same({}, { table.unpack(findings) })
    assert.is_true(findings.application)
  end)

  it("tells the scopes that a script needs", function()
    local findings = check.script(HEAD .. [[
      portal.crm.item.list:all{ entityTypeId = 3 }
      portal:call("im.search.chat.list", { FIND = "x" })
      print(portal.user.current().NAME)
    ]])
    assert.same({ "crm", "im", "user|user_basic|user_brief" }, findings.scopes)
    findings = check.script(HEAD .. "portal.user.current() portal.user.add{ EMAIL = 'a@b.c' }")
    assert.same({ "user" }, findings.scopes)
    assert.same({}, check.script("print(1)").scopes)
  end)

  describe("understands", function()
    local function finds(code, script, hint)
      local findings = check.script(HEAD .. script)
      local finding = find(findings, code, hint)
      assert(finding, show(findings, script))
      return finding
    end

    it("aliases, fields, results and parameters of functions", function()
      local slip = "unknown-method"
      finds(slip, "local crm = portal.crm  local deal = crm.deal  deal.gte{ id = 1 }", "crm.deal.get")
      finds(slip, "local get = portal.crm.dael.get  get{ id = 1 }", "crm.deal.get")
      finds(slip, "local t = { api = portal }  t.api.crm.dael.get{ id = 1 }", "crm.deal.get")
      finds(slip, "local t = {}  t.api = portal.crm  t.api.dael.get{ id = 1 }", "crm.deal.get")
      finds(slip, "local function open() return bitrix24.connect() end  open().crm.dael.get{ id = 1 }")
      finds(slip, "local function f(api) api.crm.dael.get{ id = 1 } end  f(portal)")
      finds(slip, "local function f(portal) portal.crm.dael.get{ id = 1 } end  return f")
      finds(slip, "return { run = function(portal) return portal.crm.dael.get{ id = 1 } end }")
      finds(slip, "local p  if arg then p = bitrix24.connect() end  p.crm.dael.get{ id = 1 }")
      finds(slip, "bitrix24.crm.dael.get{ id = 1 }")
      finds(slip, "print(portal:plan(function(p) p.crm.dael.get{ id = 1 } end))")
      finds(slip, "local function main(p) p.crm.dael.get{ id = 1 } end  portal:plan(main)")
      finds(slip, "local NAME <const> = 'crm.dael.get'  portal:call(NAME, { id = 1 })", "crm.deal.get")
      finds(slip, "portal['crm']['dael'].get{ id = 1 }")
      finds(slip, "local sb = require 'bitrix24.sandbox'.start()  sb:connect().crm.dael.get{ id = 1 }")
      finds(slip, "assert(portal).crm.dael.get{ id = 1 }")
      finds(slip, "print(pcall(portal.crm.dael.get, { id = 1 }))")
      finds(slip, "print(pcall(portal.call, portal, 'crm.dael.get'))")
      finds(slip, "local get = portal.crm.dael.get  return get")
      finds(slip, "bitrix24.conect()", "bitrix24.connect")
      finds(slip, "portal:gahter()", ":gather")
    end)

    it("scopes of variables as Lua has them", function()
      local script = HEAD .. [[
        do local portal = {} ; portal.crm = { dael = print } ; portal.crm.dael() end
        for portal in pairs {} do portal.crm.dael.get() end
        local function f() local portal = 1 ; return portal end
      ]]
      local findings = check.script(script)
      assert.same({}, { table.unpack(findings) })
      finds("unknown-method", "local function f(portal) portal.crm.dael.get() end return f")
    end)

    it("globals, objects, callbacks and what may have failed", function()
      local slip = "unknown-method"
      finds(slip, "P = bitrix24.connect()  P.crm.dael.get{ id = 1 }")
      finds(slip, "function go() return P.crm.dael.get{ id = 1 } end  P = bitrix24.connect()")
      finds(slip, "function open() return bitrix24.connect() end  open().crm.dael.get{ id = 1 }")
      finds(slip, "local M = { api = portal }  function M:go() self.api.crm.dael.get{ id = 1 } end")
      finds(slip, "local M = {}  function M:init() self.api = portal end  M.api.crm.dael.get{ id = 1 }")
      finds(slip, "local o = setmetatable({ api = portal }, {})  o.api.crm.dael.get{ id = 1 }")
      finds(slip, "local M = {}  function M.go(self) return self.portal.crm.dael.get{ id = 1 } end")
      finds(slip, "local function with(f) f(portal) end  with(function(b) b.crm.dael.get{ id = 1 } end)")
      finds(slip, "local t = { go = function(b) b.crm.dael.get{ id = 1 } end }  t.go(portal)")
      finds(slip, "local M = {}  function M.go(b) b.crm.dael.get{ id = 1 } end  M.go(portal)")
      finds(slip, "local M = {}  function M:go(b) b.crm.dael.get{ id = 1 } end  M:go(portal)")
      finds(slip, "local ok, portal = pcall(bitrix24.connect)  portal.crm.dael.get{ id = 1 }")
      finds("missing-parameter", "portal.crm.item.get(nil)")
    end)

    it("that another thing may have the name", function()
      local findings = check.script [[
        P = io.open("x")
        P.crm.dael.get()
        P = require "other"
        local bitrix24 = { connect = print }
        Q = bitrix24.connect()
        Q.crm.dael.get()
        local http = {}
        function http:get() return self.portal.host.name, self.portal:close(), self.portal.run() end
        function http:set() self.portal = {} ; self.portal.crm.dael = print ; self.portal.crm.dael() end
        portal = {}
        portal.crm = { dael = print }
        portal.crm.dael()
        local M = {}
        function M:go(q) return q.crm.dael() end
        M:go({ crm = { dael = print } })
        M:go(io.stdout)
        function require(name) return name end
      ]]
      assert.same({}, { table.unpack(findings) })
    end)

    it("versions", function()
      finds("unknown-method", "portal.v3.crm.deal.get{ id = 1 }", "portal.v2")
      finds("unknown-method", "portal.v2.humanresources.node.communication.list{ id = 1 }", "portal.v3")
      finds("missing-parameter", "portal.v3.tasks.task.get{}", "id")
      finds("missing-parameter", "portal.task.checklistitem.add{ TASKID = 1 }")
      finds("missing-parameter", "portal.task.commentitem.add{ 1 }")
      finds("missing-parameter", "portal.task.commentitem.add()")
      finds("wrong-value", "portal.task.checklistitem.add{ 1, { TITLE = 'x', IS_COMPLETE = 'X' } }")
    end)

    it("parameters whose names differ in case alone", function()
      finds("wrong-value", "portal.department.get{ sort = 'NAMES' }", "did you mean NAME?")
      assert.same({}, rest_errors(HEAD .. "portal.department.get{ sort = 'name', SORT = 500 }"))
    end)

    it("values that are names of classes, or hold a slash", function()
      local moved = "portal.vote.AttachedVote.get{ moduleId = 'Im', entityId = 1, entityType = %q }"
      assert.same({}, rest_errors(HEAD .. moved:format("Bitrix\\Vote\\Attachment\\ImMessageConnector")))
      finds("wrong-value", moved:format("Bitrix\\Vote\\Attachment\\ImMesageConnector"), "ImMessageConnector?")
      finds("wrong-value", "portal.sale.property.getfieldsbytype{ type = 'Y/M' }", "did you mean Y/N?")
    end)

    it("what is wrong with parameters in a variable, where they are written", function()
      local finding = finds("unknown-parameter", [[local fields = { title = "x", typIds = { 1 } }
portal.crm.automatedsolution.add{ fields = fields }]], "typeIds")
      assert.equal(3, finding.line)
      local script = "local params = { ENTITY_TYPE = 'CONTCT' }\nlocal n = portal.crm.calllist.add(params)\n"
      finding = finds("missing-parameter", script .. "portal:call('crm.calllist.add', params)", "ENTITIES")
      assert.equal(3, finding.line)
      finds("wrong-value", script, "CONTACT")
    end)

    it("a method called with a colon", function()
      finds("colon", "portal.crm.deal:get{ id = 1 }", "crm.deal.get")
    end)

    it("places", function()
      local finding = finds("unknown-method", "portal.crm.dael.get{ id = 1 }")
      assert.equal(3, finding.line)
      assert.equal(12, finding.column)
      finding = finds("wrong-value",
        "\n  portal.crm.calllist.add{ ENTITIES = { 1 },\n    ENTITY_TYPE = 'CONTCT' }")
      assert.equal(5, finding.line)
      assert.equal(19, finding.column)
      assert.equal("did you mean CONTACT?", finding.hint)
    end)

    it("a shebang line, and what is no Lua", function()
      local findings = check.script("#!/usr/bin/lua5.4\nlocal x = = 1\n", "x.lua")
      assert.equal("syntax", findings[1].code)
      assert.equal(2, findings[1].line)
      assert.equal("x.lua", findings[1].file)
      assert.equal(11, findings[1].column)
      assert.equal(1, findings.errors)
      assert.same({}, { table.unpack(check.script "#!/usr/bin/lua5.4\nprint(1)") })
      assert.has_error(function() check.script(nil) end)
    end)

    it("files from Windows", function()
      local script = HEAD .. "portal.crm.dael.get{ id = 1 }\n"
      local findings = check.script("\xEF\xBB\xBF" .. script:gsub("\n", "\r\n"))
      assert.equal("unknown-method", findings[1].code)
      assert.equal(3, findings[1].line)
      assert.equal(12, findings[1].column)
      assert.same({}, { table.unpack(check.script "\xEF\xBB\xBF#!/usr/bin/lua5.4\r\nprint '\xE9'\r\n") })
    end)

    it("every construct of Lua 5.4", function()
      local findings = check.script [[
        local a <const>, b <close> = 1, nil
        do goto done ; ::done:: end
        ::again::
        for i = 1, 10, 2 do
          local c = a // i
          if c > 1 then break elseif c < 0 then goto again else c = ~c & 7 end
        end
        while false do repeat local z = 1 until z end
        local function f(...)
          local t = { ..., n = select("#", ...), [1] = 0x1p4, "a\u{e9}\z
            b", [==[ long ]==] }
          return t, ..., b
        end
        function t.a.b:c() return self end
        return f(1) or not a
      ]]
      assert.same({}, { table.unpack(findings) })
    end)
  end)

  it("runs nothing", function()
    check.script "error('ran')"
    local before = package.loaded["bitrix24.check.none"]
    check.script "package.loaded['bitrix24.check.none'] = true"
    assert.equal(before, package.loaded["bitrix24.check.none"])
  end)

  it("says what to install when the parser is missing", function()
    local program = [[
      package.preload["luacheck.parser"] = function() error "none" end
      local ok, e = pcall(require "bitrix24.check".script, "return 1")
      print(ok, e.kind, e.message, e.hint)
    ]]
    local path = os.tmpname()
    do
      local file <close> = assert(io.open(path, "wb"))
      file:write(program)
    end
    local pipe <close> = assert(io.popen(("%s %s 2>&1"):format(LUA, path)))
    local said = pipe:read "a"
    os.remove(path)
    assert.matches("^false\tconfig\tcheck: the parser of luacheck is not installed\tinstall it: ", said)
  end)

  describe("in a strict portal", function()
    local bitrix24 = require "bitrix24"
    local hints = require "bitrix24.hints"

    it("refuses what check calls an error", function()
      local row = catalogue.find "crm.calllist.add"
      assert.equal("missing required parameter: ENTITIES", (hints.refusal(row, { ENTITY_TYPE = "CONTACT" })))
      local message, hint = hints.refusal(row, { ENTITY_TYPE = "CONTACT", ENTITIES = { 1 }, WEBFROM_ID = 2 })
      assert.equal("unknown parameter: WEBFROM_ID", message)
      assert.equal("did you mean WEBFORM_ID?", hint)
      message, hint = hints.refusal(row, { entity_type = "CONTAKT", ENTITIES = { 1 } })
      assert.equal("ENTITY_TYPE must be one of CONTACT, COMPANY", message)
      assert.equal("did you mean CONTACT?", hint)
      assert.is_nil(hints.refusal(row, { entity_type = "contact", ENTITIES = bitrix24.array {} }))
      assert.equal("missing required parameters: ENTITY_TYPE, ENTITIES", (hints.refusal(row, nil)))
      assert.is_nil(hints.refusal(catalogue.find "task.checklistitem.add", { 13, { TITLE = "x" } }))
    end)

    it("refuses no documented request", function()
      for _, example in ipairs(EXAMPLES) do
        local row = catalogue.find(example.method, example.version)
        assert.is_nil(hints.refusal(row, example.request), example.method)
      end
    end)
  end)
end)
