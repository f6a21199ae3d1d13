-- One call from end to end: the bytes that arrive, and what comes back.

local bitrix24 = require "bitrix24"

local huge = math.huge

describe("a call", function()
  local here = require "support.portal" (_ENV, { users = 5, contacts = 20, chats = 3 })

  --- The body that a call sends. What the sandbox answers is no matter.
  local function body(method, params, opts)
    here.sb:fault { action = { body = '{"result":true,"time":{}}' } }
    here.portal:call(method, params, opts)
    local requests = here:sent()
    return requests[#requests].body
  end

  --- What a call gives when the portal answers with `text`.
  local function answered(text, options, method)
    local portal = options and here:connect(options) or here.portal
    here.sb:fault { action = { body = text } }
    return portal:call(method or "vendor.some.method")
  end

  describe("sends", function()
    it("JSON by POST, keys sorted at every depth, so that equal tables are equal bytes", function()
      local params = { ID = 1, fields = { b = 2, a = 1, C = { z = 1, y = 2 } }, ["1x"] = true }
      assert.equal('{"1x":true,"ID":1,"fields":{"C":{"y":2,"z":1},"a":1,"b":2}}', body("vendor.x.y", params))
      local request = here:sent()[1]
      assert.equal("POST", request.http_method)
      assert.matches("^application/json", request.headers["content-type"])
    end)

    it("no parameters as an empty object", function()
      assert.equal("{}", body("vendor.x.y"))
      assert.equal("{}", body("vendor.x.y", {}))
      assert.equal("{}", body("profile"))
    end)

    it("an empty table as the array that the catalogue types, else as an object", function()
      assert.equal('{"fields":{"typeIds":[]},"id":1}',
        body("crm.automatedsolution.update", { id = 1, fields = { typeIds = {} } }))
      assert.equal('{"fields":{},"id":1}', body("crm.automatedsolution.update", { id = 1, fields = {} }))
      assert.equal('{"x":{}}', body("vendor.x.y", { x = {} }))
      assert.equal('{"x":[]}', body("vendor.x.y", { x = bitrix24.array {} }))
      assert.equal('{"ENTITIES":[]}', body("crm.calllist.add", { ENTITIES = {} }))
      assert.equal('{"entities":[]}', body("crm.calllist.add", { entities = {} }))
    end)

    it("null, arrays, order and files as marked", function()
      assert.equal('{"a":null,"b":[1,null,3]}',
        body("vendor.x.y", { a = bitrix24.null, b = { 1, bitrix24.null, 3 } }))
      assert.equal('{"order":{"LAST_NAME":"ASC","ID":"DESC"}}',
        body("vendor.x.y", { order = bitrix24.ordered { { "LAST_NAME", "ASC" }, { "ID", "DESC" } } }))
      assert.equal('{"f":["a.txt","aGVsbG8="]}',
        body("vendor.x.y", { f = bitrix24.file { name = "a.txt", content = "hello" } }))
      local path = os.tmpname()
      local file = assert(io.open(path, "wb"))
      file:write("\0\255hello")
      file:close()
      assert.equal(('{"f":["%s","AP9oZWxsbw=="]}'):format(path:match("[^/]*$")),
        body("vendor.x.y", { f = bitrix24.file(path) }))
      os.remove(path)
    end)

    it("numbers exactly", function()
      assert.equal('{"n":[1,-1,9223372036854775807,0.5,1e+30,137]}',
        (body("vendor.x.y", { n = { 1, -1, math.maxinteger, 0.5, 1e30, 137.0 } })
          :gsub("137%.0", "137"):gsub("1e30", "1e+30")))
    end)

    it("text as it is, whatever it reads like", function()
      local value = '$result[a] & = ? % \\ " \n чат 日本 \u{1F600} \127'
      here.sb:fault { action = { body = '{"result":true,"time":{}}' } }
      here.portal.vendor.x.y { value = value }
      assert.equal(value, here:sent()[1].params.value)
    end)

    it("tables within tables", function()
      local deep = {}
      for _ = 1, 97 do deep = { x = deep } end
      here.sb:fault { action = { body = '{"result":true,"time":{}}' } }
      here.portal.vendor.x.y { deep = deep }
      assert.equal('{"deep":' .. ('{"x":'):rep(97) .. "{}" .. ("}"):rep(98), here:sent()[1].body)
      local at, depth = here:sent()[1].params.deep, 0
      while at.x do at, depth = at.x, depth + 1 end
      assert.equal(97, depth)
    end)

    it("positional parameters as an array", function()
      local params = { 51, { POST_MESSAGE = "hi" } }
      assert.equal('[51,{"POST_MESSAGE":"hi"}]', body("task.commentitem.add", params))
      assert.equal("[]", body("task.commentitem.getlist"))
      assert.equal("[7]", body("task.commentitem.getlist", { 7 }))
    end)

    it("what was given and changes nothing in it", function()
      local params = { fields = { A = 1 }, list = {} }
      body("vendor.x.y", params)
      assert.same({ fields = { A = 1 }, list = {} }, params)
      assert.is_nil(getmetatable(params.list))
    end)

    it("names of a method that goes by places in the documented order", function()
      local params = { FIELDS = { POST_MESSAGE = "hi" }, TASKID = 51 }
      assert.equal('{"TASKID":51,"FIELDS":{"POST_MESSAGE":"hi"}}', body("task.commentitem.add", params))
      assert.equal('{"TASKID":51,"ORDER":{},"FILTER":{"AUTHOR_ID":1}}',
        body("task.commentitem.getlist", { FILTER = { AUTHOR_ID = 1 }, TASKID = 51 }))
      assert.equal('{"ORDER":{},"FILTER":{},"select":["ID"]}',
        body("task.elapseditem.getlist", { select = { "ID" } }))
      assert.same({ FIELDS = { POST_MESSAGE = "hi" }, TASKID = 51 }, params)
    end)

    it("a whole number as an integer, however it was computed", function()
      assert.same('{"big":1000000000000000,"id":5,"none":0,"price":0.5}',
        body("vendor.x.y", { id = 10 / 2, price = 0.5, big = 1e15, none = -0.0 }))
    end)

    it("a whole number as an integer in a batch, too", function()
      local portal = here.portal
      portal:map({ 1e15, 2e15 }, function(id) return portal.crm.deal.list { filter = { ID = id } } end)
      assert.matches("=1000000000000000\".*=2000000000000000\"", here:sent()[1].body)
      local b = portal.v3:batch()
      for _ = 1, 2 do b.tasks.task.get { id = 10 / 2 } end
      pcall(b.run, b)
      assert.matches('"query":{"id":5}.*"query":{"id":5}', here:sent()[2].body)
    end)

    it("an idempotency key with writes of REST 3.0, another for each", function()
      for _ = 1, 2 do pcall(here.portal.v3.tasks.task.add, { fields = { title = "x" } }) end
      pcall(here.portal.v3.call, here.portal.v3, "tasks.task.add", {}, { idempotency_key = "mine" })
      local requests, keys = here:sent("tasks.task.add"), {}
      assert.equal(3, #requests)
      for i, request in ipairs(requests) do keys[i] = request.headers["idempotency-key"] end
      assert.matches("^%x+$", keys[1])
      assert.truthy(#keys[1] >= 32)
      assert.not_equal(keys[1], keys[2])
      assert.equal("mine", keys[3])
    end)
  end)

  it("refuses a token of the script's own beside the portal's", function()
    local portal = here:connect { domain = here.sb.url, access_token = "any-token-of-the-portal" }
    local e = here.raises("config", portal.user.current, { auth = "copied-from-an-example" })
    assert.matches("'auth'", e.message, 1, true)
    assert.equal(0, #here:sent())
  end)

  describe("refuses, naming the place, and sends nothing:", function()
    local cycle = { a = {} }
    cycle.a.b = cycle
    local deep = {}
    local at = deep
    for _ = 1, 5000 do at.x = {}; at = at.x end
    local rows = {
      { "a function", { fields = { X = print } }, "params.fields.X" },
      { "a coroutine", { fields = { X = coroutine.create(print) } }, "params.fields.X" },
      { "a userdata", { fields = { X = io.stdout } }, "params.fields.X" },
      { "NaN", { fields = { X = 0 / 0 } }, "params.fields.X" },
      { "infinity", { fields = { X = -huge } }, "params.fields.X" },
      { "a cycle", { fields = cycle }, "params.fields.a" },
      { "a table with a sequence and names", { fields = { X = { 1, 2, a = 3 } } }, "params.fields.X" },
      { "a sequence with a hole", { fields = { X = { 1, nil, 3 } } }, "params.fields.X" },
      { "a boolean as a name", { fields = { X = { [true] = 1 } } }, "params.fields.X" },
      { "a float as a name", { fields = { X = { [1.5] = 1 } } }, "params.fields.X" },
      { "text that is not UTF-8", { fields = { X = "caf\233" } }, "params.fields.X" },
      { "half a character", { fields = { X = "\208" } }, "params.fields.X" },
      { "a name that is not UTF-8", { fields = { ["\255"] = 1 } }, "params.fields" },
      { "an item of an array", { list = { 1, { 2, print } } }, "params.list" },
      { "a depth without end", { fields = deep }, "params.fields.x" },
    }
    for _, row in ipairs(rows) do
      it(row[1], function()
        local e = here.raises("config", here.portal.crm.deal.add, row[2])
        assert.truthy(e.message:find(row[3], 1, true), tostring(e))
        assert.equal("crm.deal.add", e.method)
        assert.is_false(e.sent)
        assert.truthy(#tostring(e) < 500, "a message of " .. #tostring(e) .. " bytes")
        assert.equal(0, #here:sent())
      end)
    end

    it("a result of a batch in a call outside of it, and tells how to get its value", function()
      local batch = here.portal:batch()
      local me = batch.user.current()
      for _, reference in ipairs { me, me.UF_DEPARTMENT[1] } do
        local e = here.raises("config", here.portal.department.get, { ID = reference })
        assert.truthy(e.message:find("params.ID is a reference to a batch", 1, true), tostring(e))
        assert.truthy(e.hint:find("run()", 1, true), tostring(e))
      end
      assert.equal(0, #here:sent())
    end)

    it("a domain table or a portal, by what it is", function()
      local e = here.raises("config", here.portal.crm.deal.get, { id = here.portal.crm })
      assert.truthy(e.message:find("params.id is a bitrix24.domain", 1, true), tostring(e))
      e = here.raises("config", here.portal.crm.deal.get, { id = here.portal })
      assert.truthy(e.message:find("params.id is a bitrix24.portal", 1, true), tostring(e))
      assert.equal(0, #here:sent())
    end)

    it("a file that is gone meanwhile", function()
      local path = os.tmpname()
      local file = bitrix24.file(path)
      os.remove(path)
      local e = here.raises("config", here.portal.vendor.x.y, { fields = { F = file } })
      assert.truthy(e.message:find("params.fields.F", 1, true), tostring(e))
      assert.equal(0, #here:sent())
    end)

    it("an option it does not know, or of the wrong type", function()
      local portal = here.portal
      local e = here.raises("config", portal.call, portal, "profile", {}, { timeot = 1 })
      assert.truthy(tostring(e):find("'timeout'", 1, true), tostring(e))
      for _, opts in ipairs { { timeout = 0 }, { timeout = "1" }, { timeout = -1 }, { timeout = 0 / 0 },
        { idempotent = "yes" }, { idempotent = 1 }, { idempotency_key = 7 }, { idempotency_key = true },
        7, "x" } do
        here.raises("config", portal.call, portal, "profile", {}, opts)
        here.raises("config", portal.v3.call, portal.v3, "tasks.task.add", {}, opts)
      end
      assert.equal(0, #here:sent())
    end)
  end)

  describe("receives", function()
    it("integers as integers, exact up to 2^63-1", function()
      local result = answered '{"result":{"id":1137,"big":9223372036854775807,"x":1.5,"s":"7"},"time":{}}'
      assert.equal("chat1137", "chat" .. result.id)
      assert.equal(math.maxinteger, result.big)
      assert.equal("integer", math.type(result.big))
      assert.equal(1.5, result.x)
      assert.equal("7", result.s)
    end)

    it("null fields as absent, or kept; nulls in arrays always", function()
      local text = '{"result":{"a":null,"b":[1,null,3],"c":{"d":null}},"time":{}}'
      local result = answered(text)
      assert.is_nil(result.a)
      assert.same({}, result.c)
      assert.equal(3, #result.b)
      assert.equal(bitrix24.null, result.b[2])
      result = answered(text, { nulls = "keep" })
      assert.equal(bitrix24.null, result.a)
      assert.equal(bitrix24.null, result.c.d)
      assert.equal(bitrix24.null, result.b[2])
    end)

    it("a null result as nil, with its response", function()
      local result, response = answered '{"result":null,"time":{"duration":0.5}}'
      assert.is_nil(result)
      assert.equal(0.5, response.time.duration)
    end)

    it("false, zero, texts, empty objects and arrays as results", function()
      assert.is_false((answered '{"result":false,"time":{}}'))
      assert.equal(0, (answered '{"result":0,"time":{}}'))
      assert.equal("", (answered '{"result":"","time":{}}'))
      assert.same({}, (answered '{"result":[],"time":{}}'))
      assert.same({}, (answered '{"result":{},"time":{}}'))
    end)

    it("text byte for byte", function()
      local text = answered '{"result":"чат \\ud83d\\ude00 \\" \\\\ \\n","time":{}}'
      assert.equal("чат \u{1F600} \" \\ \n", text)
    end)

    it("a response with total, next, time, status, method and attempts", function()
      local result, response = here.portal.crm.item.list { entityTypeId = 3 }
      assert.equal(20, #result.items)
      assert.equal(20, response.total)
      assert.is_nil(response.next)
      assert.equal(200, response.status)
      assert.equal("crm.item.list", response.method)
      assert.equal(1, response.attempts)
      assert.is_number(response.time.duration)
      response = select(2, answered '{"result":[1],"total":"120","next":"50","time":{}}')
      assert.same({ 120, 50 }, { response.total, response.next })
    end)

    it("an answer after a repeat, with the attempts counted", function()
      here.sb:fault { method = "profile", action = "reset" }
      local result, response = here.portal.profile()
      assert.equal("1", result.ID)
      assert.equal(2, response.attempts)
      assert.equal(2, #here:sent("profile"))
    end)

    it("fresh plain tables every time", function()
      local a, b = here.portal.profile(), here.portal.profile()
      a.ID = "changed"
      assert.equal("1", b.ID)
      assert.is_nil(getmetatable(a))
    end)
  end)

  describe("fails", function()
    it("with the portal's own code and words", function()
      for _, row in ipairs {
        { '{"error":"ERROR_CORE","error_description":"Bad<br>thing<br/>"}', "ERROR_CORE", "Bad thing" },
        { '{"error":0,"error_description":"Zero"}', "0", "Zero" },
        { '{"error":"","error_description":"Nothing"}', "", "Nothing" },
        { '{"error":{"code":"X_Y","message":"Three","validation":[{"field":"id","message":"no"}]}}',
          "X_Y", "Three" },
      } do
        local e = here.raises("api", answered, row[1])
        assert.equal(row[2], e.code)
        assert.equal(row[3], e.message)
        assert.is_true(e.sent)
        assert.equal("vendor.some.method", e.method)
      end
    end)

    it("with a protocol error on what is not an answer", function()
      for _, text in ipairs { "<html><title>Hello</title></html>", "", "[1,", "7", "null", '"x"', "{}" } do
        local e = here.raises("protocol", answered, text)
        assert.is_true(e.sent)
        assert.equal(1, e.attempts)
      end
    end)

    it("on doubt without a repeat when it may have written, and says so", function()
      here.sb:fault { method = "vendor.some.method", action = "reset" }
      local e = here.raises("network", here.portal.vendor.some.method)
      assert.is_nil(e.sent)
      assert.equal(1, #here:sent("vendor.some.method"))
      assert.truthy(e.hint:find("idempotent", 1, true), tostring(e))
      here.sb:fault { method = "vendor.some.method", action = "reset" }
      e = here.raises("api", here.portal.call, here.portal, "vendor.some.method", {}, { idempotent = true })
      assert.equal(2, e.attempts)
    end)

    it("without advice on effects where there can be none: a read, or a call said to be harmless", function()
      for _, opts in ipairs { {}, { idempotent = true } } do
        opts.timeout = 0.2
        local method = opts.idempotent and "vendor.some.method" or "profile"
        here.sb:fault { method = method, action = "hang" }
        local e = here.raises("network", here.portal.call, here.portal, method, {}, opts)
        assert.is_nil(e.sent)
        assert.is_nil(e.hint)
      end
    end)

    it("with a network error when its timeout ends", function()
      here.sb:fault { method = "profile", action = "hang" }
      local e = here.raises("network", here.portal.call, here.portal, "profile", {}, { timeout = 0.2 })
      assert.is_nil(e.sent)
      assert.equal("1", here.portal.profile().ID)
    end)
  end)

  describe("in strict mode", function()
    it("refuses unknown methods with the nearest name, sending nothing", function()
      local portal = here:connect { strict = true }
      local e = here.raises("config", portal.crm.calllist.gett, { ID = 1 })
      assert.truthy(e.hint:find("crm.calllist.get", 1, true), tostring(e))
      here.raises("config", portal.vendor.x.y)
      assert.equal(0, #here:sent())
    end)

    it("refuses calls without their required parameters, naming them", function()
      local portal = here:connect { strict = true }
      local e = here.raises("config", portal.crm.item.get, { entityTypeId = 3 })
      assert.truthy(e.message:find("id", 1, true), tostring(e))
      e = here.raises("config", portal.crm.calllist.add, {})
      assert.truthy(e.message:find("ENTITY_TYPE", 1, true), tostring(e))
      assert.equal(0, #here:sent())
    end)

    it("refuses parameters that do not exist and values outside of an enumeration", function()
      local portal = here:connect { strict = true }
      local e = here.raises("config", portal.crm.item.get,
        { entityTypeId = 3, id = 1, useOriginalUfName = "Y" })
      assert.truthy(e.hint:find("useOriginalUfNames", 1, true), tostring(e))
      e = here.raises("config", portal.crm.calllist.add, { ENTITY_TYPE = "DEAL", ENTITIES = { 1 } })
      assert.truthy(tostring(e):find("CONTACT", 1, true), tostring(e))
      assert.equal(0, #here:sent())
    end)

    it("lets proper calls through, in any case of letters", function()
      local portal = here:connect { strict = true }
      assert.equal(1, portal.crm.item.get { entityTypeId = 3, id = 1 }.item.id)
      assert.equal(1, portal.crm.item.get { ENTITYTYPEID = 3, ID = 1 }.item.id)
      assert.equal(20, portal.crm.item.list:count { entityTypeId = 3 })
      assert.equal("1", portal.profile().ID)
    end)
  end)
end)
