-- Batches from end to end: what is recorded, the requests it becomes, and what
-- every command comes to, against the sandbox's own reading of a batch.

local bitrix24 = require "bitrix24"
local json = require "bitrix24.json"

local state = bitrix24.state

describe("a batch", function()
  local here = require "support.portal" (_ENV, { users = 5, contacts = 150, chats = 3, departments = 4 })

  local function states(handles)
    local out = {}
    for i, handle in ipairs(handles) do out[i] = state(handle) end
    return table.concat(out, " ")
  end

  --- Methods of the requests that arrived, a batch with the number of its commands.
  local function traffic()
    local out = {}
    for i, request in ipairs(here:sent()) do
      out[i] = request.method == "batch" and ("batch/%d"):format(#(request.commands or {})) or request.method
    end
    return table.concat(out, " ")
  end

  local function contact(b, id) return b.crm.contact.get { ID = id } end

  describe("is recorded", function()
    it("without a request, and sent as one", function()
      local b = here.portal:batch()
      local me = b.user.current()
      local dept = b.department.get { ID = me.UF_DEPARTMENT[1] }
      assert.equal("", traffic())
      assert.equal("pending pending", states { me, dept })
      assert.equal(0, b:run { halt = true })
      assert.equal("batch/2", traffic())
      assert.equal("ok ok", states { me, dept })
      assert.equal("string", type(dept()[1].NAME))
      assert.equal(here.portal.user.current().UF_DEPARTMENT[1], math.tointeger(tonumber(dept()[1].ID)))
    end)

    it("with references as the platform writes them, counted from 0", function()
      local b = here.portal:batch()
      local me = b.user.current()
      b.department.get { ID = me.UF_DEPARTMENT[1] }
      b:run()
      assert.equal(
        '{"cmd":{"c00":"user.current","c01":"department.get?ID=$result[c00][UF_DEPARTMENT][0]"},"halt":1}',
        here:sent("batch")[1].body)
    end)

    it("by name, through nodes kept aside, and where a domain is called call", function()
      local b = here.portal:batch()
      local users = b.user
      local handles = { b:call("user.current"), b:call("crm.contact.get", { id = 3 }), users.current() }
      assert.equal(0, b:run())
      assert.equal("3", tostring(handles[2]().ID))
      assert.equal("batch/3", traffic())
      assert.matches("call%.followup", tostring(b.call.followup.get))
    end)

    it("empty, and then sends nothing", function()
      assert.equal(0, here.portal:batch():run())
      local results, errors = here.portal:batch {}
      assert.same({ {}, {} }, { results, errors })
      assert.equal("", traffic())
    end)

    it("with the parameters as they were then", function()
      local b, params = here.portal:batch(), { ID = 1, nested = { list = { 1 } } }
      local handle = b.crm.contact.get(params)
      params.ID, params.nested.list[1] = 2, 9
      b:run()
      assert.equal("1", tostring(handle().ID))
      assert.same({ list = { "1" } }, here:sent()[1].commands[1].params.nested)
    end)

    it("and closed like any variable", function()
      do
        local b <close> = here.portal:batch()
        b.user.current()
      end
      assert.equal("", traffic())
    end)
  end)

  describe("takes references", function()
    it("at any depth, in sequences, and to a whole result", function()
      local b = here.portal:batch()
      local id = b.crm.contact.add { fields = { NAME = "A" } }
      local me = b.user.current()
      b.vendor.x.y { a = { { b = me.NAME }, me.ID, 5 }, whole = id }
      b:run()
      local params = here:sent()[1].commands[3].params
      local user = here.portal.user.current()
      assert.equal(user.NAME, params.a[1].b)
      assert.equal(user.ID, params.a[2])
      assert.equal("5", params.a[3])
      assert.equal(id(), params.whole)
    end)

    it("and keeps what json marks: order, arrays", function()
      local b = here.portal:batch()
      local me = b.user.current()
      b.vendor.x.y { o = bitrix24.ordered { { "z", me.ID }, { "a", 1 } }, l = bitrix24.array { me.ID } }
      b:run()
      local body = here:sent()[1].body
      assert.truthy(body:find("z", 1, true) < body:find("=1", 1, true))
      assert.same({ me().ID }, here:sent()[1].commands[2].params.l)
    end)

    it("that can be called for their value", function()
      local b = here.portal:batch()
      local me = b.user.current()
      b:run()
      assert.equal(me().NAME, (me.NAME()))
      assert.is_nil((me.NOT_THERE()))
      local _, response = me()
      assert.equal("user.current", response.method)
      assert.equal(200, response.status)
      assert.equal(1, response.attempts)
      assert.equal("table", type(response.time))
    end)

    it("of itself alone", function()
      local one, two = here.portal:batch(), here.portal:batch()
      local me = one.user.current()
      local e = here.raises("config", function() two.department.get { ID = me.UF_DEPARTMENT[1] } end)
      assert.matches("another batch", e.message)
      e = here.raises("config", function() here.portal.department.get { ID = me.UF_DEPARTMENT[1] } end)
      assert.equal("params.ID is a reference to a batch's result, which JSON has no form for", e.message)
      assert.equal("", traffic())
    end)

    it("to names that the platform's syntax cannot say, filled in by the client", function()
      local b = here.portal:batch()
      local odd = b.vendor.x.y()
      local got = b.crm.contact.get { ID = odd["a]b"][1] }
      here.sb:fault { method = "batch", action = {
        body = '{"result":{"result":{"c00":{"a]b":[4]}},"result_time":{"c00":{}}},"time":{}}',
      } }
      assert.equal(0, b:run())
      assert.equal("4", tostring(got().ID))
      assert.equal("4", here:sent()[2].commands[1].params.ID)
    end)

    it("to a failed command with the failure as the cause", function()
      local b = here.portal:batch()
      local lost = contact(b, 999999)
      local dept = b.department.get { ID = lost.ID }
      assert.equal(2, b:run())
      assert.equal("failed skipped", states { lost, dept })
      assert.equal(here.raises("api", lost), here.raises("cancelled", dept).cause)
      for _, request in ipairs(here:sent()) do
        for _, command in ipairs(request.commands) do assert.equal("crm.contact.get", command.method) end
      end
    end)

    it("that lead nowhere as a failure of the command that had them", function()
      local b = here.portal:batch()
      local me = b.user.current()
      local dept = b.department.get { ID = me.NO_SUCH_FIELD }
      assert.equal(1, b:run())
      assert.equal("ok failed", states { me, dept })
      local e = here.raises("protocol", dept)
      assert.equal("department.get", e.method)
      assert.matches("result%.NO_SUCH_FIELD of command 1 %(user%.current%) is absent or null", e.message)
    end)
  end)

  describe("carries user data", function()
    local params = {
      amp = "a&b=c", percent = "100%25 %41", plus = "1+1", space = " a  b ", brackets = "[x][]",
      utf8 = "чат 日本 😀",
      empty = "", yes = true, no = false, deep = { { a = { 1, { b = "2" } } }, { c = { "x", "" } } },
      hash = "#?/\\\"'\n\t", dollar = "$result", int = 9007199254740993,
    }
    local arrived = {
      amp = "a&b=c", percent = "100%25 %41", plus = "1+1", space = " a  b ", brackets = "[x][]",
      utf8 = "чат 日本 😀",
      empty = "", yes = "1", no = "0", deep = { { a = { "1", { b = "2" } } }, { c = { "x", "" } } },
      hash = "#?/\\\"'\n\t", dollar = "$result", int = "9007199254740993",
    }

    it("of every kind as it was given", function()
      local b = here.portal:batch()
      b.user.current()
      b.vendor.x.y(params)
      b:run()
      assert.equal("batch/2", traffic())
      assert.same(arrived, here:sent()[1].commands[2].params)
    end)

    it("that reads like a reference, alone and in its place", function()
      local b = here.portal:batch()
      local me = b.user.current()
      local add = b.crm.contact.add { fields = { NAME = "$result[c00][NAME]", LAST_NAME = me.LAST_NAME } }
      local got = b.crm.contact.get { ID = add }
      assert.equal(0, b:run())
      assert.equal("batch/1 crm.contact.add batch/1", traffic())
      assert.equal("$result[c00][NAME]", got().NAME)
      assert.equal(me().LAST_NAME, got().LAST_NAME)
    end)

    it("that a query cannot say, alone and exactly", function()
      local b = here.portal:batch()
      local handles = {
        b.user.current(), b.vendor.x.y { a = bitrix24.null, b = bitrix24.array {} }, b.user.current(),
      }
      assert.equal(1, b:run())
      assert.equal("batch/1 vendor.x.y batch/1", traffic())
      assert.equal('{"a":null,"b":[]}', here:sent("vendor.x.y")[1].body)
      assert.equal("ok failed ok", states(handles))
    end)
  end)

  describe("of more than 50", function()
    it("is split in order, and references across the splits are filled in", function()
      local b, handles = here.portal:batch(), {}
      for i = 1, 120 do
        handles[i] = i == 1 and contact(b, 7) or contact(b, handles[math.max(1, i - 60)].ID)
      end
      assert.equal(0, b:run())
      assert.equal("batch/50 batch/50 batch/20", traffic())
      for i = 1, 120 do assert.equal("7", tostring(handles[i]().ID)) end
      local third = here:sent()[3].commands[20]
      assert.equal("7", third.params.ID)
      assert.falsy(here:sent()[3].body:find("result", 1, true))
    end)

    it("keeps to a size of body", function()
      local b = here.portal:batch()
      for _ = 1, 30 do b.vendor.x.y { text = ("x"):rep(90000) } end
      assert.equal(30, b:run())
      assert.equal("batch/11 batch/11 batch/8", traffic())
    end)

    it("skips a command whose reference is absent, and never sends its text", function()
      local b, handles = here.portal:batch(), {}
      for i = 1, 50 do handles[i] = contact(b, i) end
      handles[51] = b.department.get { ID = handles[1].NO_SUCH_FIELD }
      handles[52] = contact(b, 52)
      assert.equal(1, b:run { halt = false })
      assert.equal("ok skipped ok", states { handles[50], handles[51], handles[52] })
      local e = here.raises("cancelled", handles[51])
      assert.is_false(e.sent)
      assert.matches("result%.NO_SUCH_FIELD of command 1 %(crm%.contact%.get%) is absent or null", e.message)
      for _, request in ipairs(here:sent()) do assert.falsy(request.body:find("NO_SUCH_FIELD", 1, true)) end
    end)
  end)

  describe("with a failing command", function()
    local function middle(portal, count, chained)
      local b, handles = portal:batch(), {}
      for i = 1, count do handles[i] = contact(b, i == 3 and 999999 or i) end
      if chained then handles[count + 1] = contact(b, handles[1].ID) end
      return b, handles
    end

    it("runs the others", function()
      local b, handles = middle(here.portal, 5)
      assert.equal(1, b:run())
      assert.equal("ok ok failed ok ok", states(handles))
      local e = here.raises("api", handles[3])
      assert.equal("crm.contact.get", e.method)
      assert.is_true(e.sent)
      assert.equal("5", tostring(handles[5]().ID))
    end)

    it("stops there with halt = true, in all requests", function()
      local b, handles = middle(here.portal, 60)
      assert.equal(58, b:run { halt = true })
      assert.equal("batch/3", traffic())
      assert.equal("ok failed skipped skipped", states { handles[2], handles[3], handles[4], handles[60] })
      local e = here.raises("cancelled", handles[60])
      assert.is_false(e.sent)
      assert.equal("crm.contact.get", e.method)
      assert.equal(here.raises("api", handles[3]), e.cause)
      assert.matches("command 3 %(crm%.contact%.get%) failed", e.message)
    end)

    it("stops there by default when a command refers to another", function()
      local b, handles = middle(here.portal, 4, true)
      assert.equal(3, b:run())
      assert.equal("ok ok failed skipped skipped", states(handles))
    end)

    it("and halt = false runs what does not depend on it, and nothing with a reference's text", function()
      local b = here.portal:batch()
      local handles = { contact(b, 999999), contact(b, 2) }
      handles[3] = contact(b, handles[1].ID)
      handles[4] = contact(b, handles[2].ID)
      handles[5] = contact(b, handles[3].ID)
      assert.equal(3, b:run { halt = false })
      assert.equal("failed ok skipped ok skipped", states(handles))
      assert.equal("2", tostring(handles[4]().ID))
      for _, request in ipairs(here:sent()) do assert.falsy(request.body:find("result", 1, true)) end
      assert.equal(here.raises("api", handles[1]), here.raises("cancelled", handles[3]).cause)
    end)
  end)

  describe("whose request is lost", function()
    it("raises; earlier commands keep their results, its own are unknown, later ones pending", function()
      local b, handles = here.portal:batch(), {}
      for i = 1, 120 do
        handles[i] = i == 60 and b.crm.contact.add { fields = { NAME = "x" } } or contact(b, i)
      end
      here.sb:fault { method = "batch", nth = 2, action = "reset" }
      local e = here.raises("network", b.run, b)
      assert.equal("batch", e.method)
      assert.equal("ok unknown unknown pending pending",
        states { handles[50], handles[51], handles[100], handles[101], handles[120] })
      assert.equal("50", tostring(handles[50]().ID))
      local lost = here.raises("network", handles[60])
      assert.equal("crm.contact.add", lost.method)
      assert.is_nil(lost.sent)
      assert.equal(e, lost.cause)
      assert.matches("not run", here.raises("config", handles[101]).message)
    end)

    it("sends the rest when it is run again, never the same twice", function()
      local b, handles = here.portal:batch(), {}
      for i = 1, 60 do handles[i] = b.crm.contact.add { fields = { NAME = "n" .. i } } end
      here.sb:fault { method = "batch", action = "reset", after = true }
      here.raises("network", b.run, b)
      assert.equal(0, b:run())
      assert.equal("unknown ok", states { handles[50], handles[60] })
      assert.equal(210, #here.sb:records("contacts"))
    end)

    it("is asked again when it only reads", function()
      local b = here.portal:batch()
      local handle = contact(b, 1)
      here.sb:fault { method = "batch", action = "reset" }
      assert.equal(0, b:run())
      local _, response = handle()
      assert.equal(2, response.attempts)
    end)

    it("or refused: what the portal refused has failed", function()
      local b = here.portal:batch()
      local handle = b.crm.contact.add { fields = { NAME = "x" } }
      here.sb:fault { method = "batch", action = "NO_AUTH_FOUND" }
      here.raises("auth", b.run, b)
      assert.equal("failed", state(handle))
      here.raises("auth", handle)
    end)

    it("or never sent: it may be run again", function()
      local sandbox = require "bitrix24.sandbox"
      local other = sandbox.start { limits = false }
      local portal = other:connect { retries = 0 }
      other:stop()
      local b = portal:batch()
      local handle = b.user.current()
      here.raises("network", b.run, b)
      assert.equal("pending", state(handle))
      local waiting = here.raises("config", handle)
      assert.matches("run the batch again", waiting.hint)
      assert.equal("network", waiting.cause.kind)
      portal:close()
    end)

    it("because the portal was closed", function()
      local portal = here:connect()
      local b = portal:batch()
      local handle = b.crm.contact.add { fields = { NAME = "x" } }
      here.sb:fault { method = "batch", action = { delay = 5 } }
      local results = table.pack(pcall(portal.gather, portal,
        function() b:run() end, function()
          portal:close()
        end))
      assert.is_false(results[1])
      assert.truthy(({ unknown = true, pending = true })[state(handle)])
      here.raises("config", function() portal:batch() end)
    end)
  end)

  describe("with a command that a batch may not hold", function()
    it("sends it alone, in its place, references to and from it filled in", function()
      local b = here.portal:batch()
      local me = b.user.current()
      local up = b.disk.storage.uploadFile { id = me.ID, data = { NAME = "a.txt" } }
      contact(b, 1)
      b:run { halt = false }
      assert.equal("batch/1 disk.storage.uploadFile batch/1", traffic())
      assert.equal(me().ID, here:sent("disk.storage.uploadFile")[1].params.id)
      assert.is_not.equal("pending", state(up))
    end)

    it("learns it from the portal, once", function()
      local function run()
        local b = here.portal:batch()
        local me = b.user.current()
        local got = contact(b, me.ID)
        local last = contact(b, got.ID)
        assert.equal(0, b:run())
        assert.equal(me().ID, tostring(got().ID))
        assert.equal(me().ID, tostring(last().ID))
      end
      here.sb:fault { method = "crm.contact.get", action = "ERROR_BATCH_METHOD_NOT_ALLOWED" }
      run()
      assert.equal("batch/2 crm.contact.get crm.contact.get", traffic())
      run()
      assert.equal("batch/2 crm.contact.get crm.contact.get batch/1 crm.contact.get crm.contact.get",
        traffic())
    end)

    it("takes methods of REST 3.0 along, alone", function()
      local b = here.portal:batch()
      local me = b.user.current()
      local node = b.humanresources.node.get { id = me.UF_DEPARTMENT[1] }
      local user = b.vendor.x.y { id = me.ID, name = node.item.name }
      assert.equal(1, b:run())
      assert.equal("batch/1 humanresources.node.get batch/1", traffic())
      assert.equal("string", type(node().item.name))
      assert.equal(node().item.name, here:sent()[3].commands[1].params.name)
      assert.equal("failed", state(user))
    end)
  end)

  describe("with a command over a limit", function()
    it("repeats that command alone", function()
      local b, handles = here.portal:batch(), {}
      for i = 1, 3 do handles[i] = b.crm.contact.add { fields = { NAME = "n" .. i } } end
      here.sb:fault { method = "crm.contact.add", nth = 2, action = "QUERY_LIMIT_EXCEEDED" }
      assert.equal(0, b:run())
      assert.equal("batch/3 crm.contact.add", traffic())
      assert.equal("ok ok ok", states(handles))
      assert.equal(153, #here.sb:records("contacts"))
    end)

    it("says which, when the wait would be too long, and runs the others", function()
      local portal = here:connect { wait_max = 0.05, retries = 1, limits = { rate = 1000, burst = 1000 } }
      here.sb:fault { method = "crm.contact.get", action = "OPERATION_TIME_LIMIT" }
      local b = portal:batch()
      local handles = { b.user.current(), contact(b, 1), b.department.get { ID = 1 } }
      assert.equal(1, b:run())
      assert.equal("ok failed ok", states(handles))
      local e = here.raises("limit", handles[2])
      assert.same({ "OPERATION_TIME_LIMIT", "crm.contact.get", false }, { e.code, e.method, e.sent })
    end)

    it("and goes on with the rest of a chain, in order", function()
      local b = here.portal:batch()
      local add = b.crm.contact.add { fields = { NAME = "first" } }
      local update = b.crm.contact.update { ID = add, fields = { NAME = "second" } }
      local got = b.crm.contact.get { ID = add }
      here.sb:fault { method = "crm.contact.update", action = "QUERY_LIMIT_EXCEEDED" }
      assert.equal(0, b:run())
      assert.equal("batch/2 crm.contact.update batch/1", traffic())
      assert.equal("ok ok ok", states { add, update, got })
      assert.equal("second", got().NAME)
      assert.equal(151, #here.sb:records("contacts"))
    end)
  end)

  it("with a command whose token expired sends that command again", function()
    local b = here.portal:batch()
    local handles = {
      b.crm.contact.add { fields = { NAME = "a" } }, b.crm.contact.add { fields = { NAME = "b" } },
    }
    here.sb:fault { method = "crm.contact.add", nth = 2, action = "expired_token" }
    assert.equal(0, b:run())
    assert.equal("batch/2 crm.contact.add", traffic())
    assert.equal("ok ok", states(handles))
  end)

  describe("of calls given as a table", function()
    it("answers keyed alike, in the order of the keys", function()
      local results, errors = here.portal:batch {
        me = { "user.current" }, d = { "department.get", { ID = 1 } }, bad = { "user.nope" },
      }
      assert.equal("1", results.me.ID)
      assert.equal("1", tostring(results.d[1].ID))
      assert.is_nil(results.bad)
      assert.equal("ERROR_METHOD_NOT_FOUND", errors.bad.code)
      assert.is_nil(errors.me)
      assert.equal("batch/3", traffic())
      local methods = {}
      for i, command in ipairs(here:sent()[1].commands) do methods[i] = command.method end
      assert.same({ "user.nope", "department.get", "user.current" }, methods)
    end)

    it("answers a sequence in its order, and halts when told to", function()
      local results, errors = here.portal:batch({
        { "crm.contact.get", { id = 2 } }, { "user.nope" }, { "crm.contact.get", { id = 3 } },
      }, { halt = true })
      assert.equal("2", tostring(results[1].ID))
      assert.equal("api", errors[2].kind)
      assert.equal("cancelled", errors[3].kind)
    end)

    it("is the platform's method when called with a dot", function()
      local result = here.portal.batch { cmd = { me = "user.current" }, halt = 0 }
      assert.equal("1", result.result.me.ID)
    end)

    it("refuses what is no command", function()
      for _, calls in ipairs {
        { "user.current" }, { { "user.current", {}, 3 } }, { { user = 1 } }, { [1.5] = {} }, 7, { { 5 } },
        { { "user.current", "x" } },
      } do
        here.raises("config", here.portal.batch, here.portal, calls)
      end
      here.raises("config", here.portal.batch, here.portal, { { "user.current" } }, { stop = true })
      local e = here.raises("config", here.portal.batch, here.portal, { me = { "user.current" }, deal = {} })
      assert.matches("command deal must be", e.message)
      assert.equal("", traffic())
    end)
  end)

  describe("may be run", function()
    it("again for what was added, with references to what is there", function()
      local b = here.portal:batch()
      local me = b.user.current()
      assert.equal(0, b:run())
      here.raises("config", b.run, b)
      local dept = b.department.get { ID = me.UF_DEPARTMENT[1] }
      assert.equal(0, b:run())
      assert.equal("batch/1 batch/1", traffic())
      assert.equal(tostring(me().UF_DEPARTMENT[1]), here:sent()[2].commands[1].params.ID)
      assert.equal("string", type(dept()[1].NAME))
    end)

    it("inside map, where it blocks its task alone", function()
      local sums = here.portal:map({ 1, 2, 3 }, function(id)
        local b = here.portal:batch()
        local one, two = contact(b, id), contact(b, id + 10)
        assert(b:run() == 0)
        return one().ID + two().ID
      end)
      assert.same({ 12, 14, 16, n = 3 }, sums)
      assert.equal("batch/2 batch/2 batch/2", traffic())
    end)

    it("by one at a time; a sibling's failure leaves its commands unknown", function()
      local b = here.portal:batch()
      local handle = b.crm.contact.add { fields = { NAME = "x" } }
      local second
      here.sb:fault { method = "batch", action = { delay = 0.2 } }
      here.raises("config", function()
        here.portal:gather(function() b:run() end, function()
          second = select(2, pcall(b.run, b))
          b.user.current()
        end)
      end)
      assert.equal("config", second.kind)
      assert.equal("unknown", state(handle))
      here.raises("config", b.run, b)
    end)
  end)

  it("knows null results, totals and next pages", function()
    local b = here.portal:batch()
    local list = b.crm.contact.list { select = { "ID" } }
    local null = b.vendor.x.y()
    here.sb:fault { method = "batch", action = { body = [[{"result":{
      "result":{"c00":[{"ID":"1"}],"c01":null},
      "result_error":[],"result_total":{"c00":"150"},"result_next":{"c00":50},
      "result_time":{"c00":{},"c01":{}}},"time":{}}]] } }
    assert.equal(0, b:run())
    local _, response = list()
    assert.equal(150, response.total)
    assert.equal(50, response.next)
    assert.is_nil((null()))
    assert.equal("ok", state(null))
  end)

  it("says when the answer does not mention a command", function()
    local b = here.portal:batch()
    local handles = { b.user.current(), b.crm.contact.add { fields = { NAME = "x" } } }
    here.sb:fault { method = "batch", action = {
      body = '{"result":{"result":[{"ID":"1"}],"result_error":[],"result_time":[{}]},"time":{}}',
    } }
    assert.equal(1, b:run())
    assert.equal("ok unknown", states(handles))
    here.raises("protocol", handles[2])
  end)

  describe("of REST 3.0", function()
    local DEPARTMENT = { type = "DEPARTMENT", name = "New", parentId = 1 }

    it("is an array with references by name", function()
      local b = here.portal.v3:batch()
      local list = b.tasks.task.list { select = { "id", "title" }, pagination = { limit = 2 } }
      local task = b.tasks.task.get { id = list.items[2].id, select = { "id", "title" } }
      assert.equal(0, b:run())
      assert.equal("batch/2", traffic())
      assert.equal(3, here:sent()[1].version)
      assert.equal(list().items[2].id, task().item.id)
      local body = json.decode(here:sent()[1].body)
      assert.equal("tasks.task.list", body[1].method)
      assert.equal(body[1].as .. ".items.1.id", body[2].query.id["$ref"])
    end)

    it("asks first for what the platform cannot refer to", function()
      local b = here.portal.v3:batch()
      local added = b.humanresources.node.add(DEPARTMENT)
      local got = b.humanresources.node.get { id = added.id }
      assert.equal(0, b:run())
      assert.equal("humanresources.node.add humanresources.node.get", traffic())
      assert.equal(added().id, got().item.id)
    end)

    it("is all or nothing: writes are unknown, reads have failed", function()
      local b = here.portal.v3:batch()
      local handles = {
        b.tasks.task.list { select = { "id" } }, b.humanresources.node.add(DEPARTMENT),
        b.tasks.task.get { id = 999999 },
      }
      local e = here.raises("api", b.run, b)
      assert.equal("failed unknown failed", states(handles))
      assert.equal(e, here.raises("api", handles[2]).cause)
    end)

    it("of more than 50 is split in order, references filled in", function()
      local b, handles = here.portal.v3:batch(), {}
      for i = 1, 120 do
        local id = i == 1 and 2 or handles[i > 60 and i - 60 or 1].item.id
        handles[i] = b.tasks.task.get { id = id, select = { "id" } }
      end
      assert.equal(0, b:run())
      assert.equal("batch/50 batch/50 batch/20", traffic())
      for i = 1, 120 do assert.equal(2, handles[i]().item.id) end
    end)

    it("sends data that reads like a reference alone", function()
      local b = here.portal.v3:batch()
      b.tasks.task.list { select = { "id" } }
      b.vendor.x.y { value = { ["$ref"] = "c00.items.0.id" } }
      here.raises("api", b.run, b)
      assert.equal('{"value":{"$ref":"c00.items.0.id"}}', here:sent("vendor.x.y")[1].body)
    end)

    it("loses its commands with its request", function()
      local b, handles = here.portal.v3:batch(), {}
      for i = 1, 60 do handles[i] = b.humanresources.node.add(DEPARTMENT) end
      here.sb:fault { method = "batch", nth = 2, action = "reset" }
      here.raises("network", b.run, b)
      assert.equal("ok ok unknown unknown", states { handles[1], handles[50], handles[51], handles[60] })
    end)

    it("that holds writes is not repeated for the limit of one method", function()
      local b = here.portal.v3:batch()
      local handles = { b.humanresources.node.add(DEPARTMENT), b.tasks.task.get { id = 1 } }
      here.sb:fault { method = "tasks.task.get", action = "OPERATION_TIME_LIMIT" }
      here.raises("limit", b.run, b)
      assert.equal("batch/2", traffic())
      assert.equal("unknown failed", states(handles))
    end)

    it("that one command's scope ends does not say that the others did not run", function()
      local b = here.portal.v3:batch()
      local handles = { b.humanresources.node.add(DEPARTMENT), b.tasks.task.get { id = 1 } }
      here.sb:fault { method = "tasks.task.get", action = "insufficient_scope" }
      local e = here.raises("auth", b.run, b)
      assert.is_nil(e.sent)
      assert.equal("unknown failed", states(handles))
      assert.is_nil(here.raises("auth", handles[1]).sent)
    end)

    it("is repeated when the request was refused", function()
      local b = here.portal.v3:batch()
      local handles = { b.humanresources.node.add(DEPARTMENT), b.tasks.task.get { id = 1 } }
      here.sb:fault { method = "batch", action = "QUERY_LIMIT_EXCEEDED" }
      assert.equal(0, b:run())
      assert.equal("ok ok", states(handles))
    end)

    it("given as a table", function()
      local results, errors = here.portal.v3:batch {
        a = { "tasks.task.get", { id = 1, select = { "id" } } },
        b = { "tasks.task.list", { select = { "id" } } },
      }
      assert.equal(1, results.a.item.id)
      assert.equal("table", type(results.b.items))
      assert.same({}, errors)
    end)
  end)
end)
