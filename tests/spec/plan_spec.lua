-- Dry runs: what a plan tells is what a run would do, and nothing is written.

local bitrix24 = require "bitrix24"
local events = require "bitrix24.events"
local json = require "bitrix24.json"

describe("a plan", function()
  local here = require "support.portal" (_ENV, {
    users = 10, contacts = 120, deals = 60, chats = 5, tasks = 20,
  })
  local crm

  before_each(function() crm = here.portal.crm end)

  --- Methods that arrived, commands of batches included.
  local function arrived()
    local out = {}
    for _, request in ipairs(here:sent()) do
      for _, command in ipairs(request.commands or {}) do out[#out + 1] = command.method end
      if not request.commands then out[#out + 1] = request.method end
    end
    return out
  end

  local function nothing_written(deals)
    for _, method in ipairs(arrived()) do
      assert.falsy(method:find("add$") or method:find("update$") or method:find("delete$"), method)
    end
    assert.equal(deals or 60, #here.sb:records("deals"))
  end

  --- The writes of a plan, each as "method {json}".
  local function writes(plan, name)
    local out = {}
    for i, call in ipairs(plan[name or "writes"]) do
      out[i] = ("%s %s"):format(call.method, json.encode(call.params))
    end
    return out
  end

  describe("of calls:", function()
    it("reads are answered, writes are kept and not sent", function()
      local name, response
      local plan = here.portal:plan(function(portal)
        name = portal.crm.contact.get { ID = 3 }.ID
        portal.crm.deal.add { fields = { TITLE = "Table" } }
        response = select(2, portal:call("crm.deal.delete", { id = 7 }))
      end)
      assert.equal("3", name)
      assert.same({ 'crm.deal.add {"fields":{"TITLE":"Table"}}', 'crm.deal.delete {"id":7}' }, writes(plan))
      assert.same({ 3, 0, 1 }, { plan.requests, plan.batches, plan.reads })
      assert.equal("crm.deal.delete", response.method)
      assert.same({ "crm.contact.get" }, arrived())
      nothing_written()
    end)

    it("what is not in the catalogue counts as a write", function()
      local plan = here.portal:plan(function(portal) portal:call("vendor.thing.get", { a = 1 }) end)
      assert.same({ 'vendor.thing.get {"a":1}' }, writes(plan))
      assert.same({ "vendor.thing.get" }, plan.unknown)
      assert.truthy(tostring(plan):find("vendor.thing.get (not in the catalogue)", 1, true))
      assert.same({}, arrived())
    end)

    it("parameters are kept as they were, whatever the script does with its table", function()
      local params = { fields = { TITLE = "one" } }
      local plan = here.portal:plan(function(portal)
        portal.crm.deal.add(params)
        params.fields.TITLE = "two"
      end)
      assert.same({ 'crm.deal.add {"fields":{"TITLE":"one"}}' }, writes(plan))
    end)

    it("bad parameters are refused as in a run", function()
      here.raises("config", here.portal.plan, here.portal, function(portal)
        portal.crm.deal.add { fields = { TITLE = print } }
      end)
      here.raises("config", here.portal.plan, here.portal, function(portal) portal.crm.deal.add("Table") end)
    end)

    it("an error of a read is the script's, and ends the plan", function()
      local e = here.raises("api", here.portal.plan, here.portal, function(portal)
        portal.crm.deal.get { id = 999999 }
      end)
      assert.equal("crm.deal.get", e.method)
      crm.deal.delete { id = 1 }
      assert.equal(59, #here.sb:records("deals"))
    end)

    it("an error of the script comes out as it is", function()
      local mine = {}
      local ok, e = pcall(here.portal.plan, here.portal, function() error(mine) end)
      assert.falsy(ok)
      assert.equal(mine, e)
    end)

    it("REST 3.0, too", function()
      local plan = here.portal:plan(function(portal)
        local id = portal.v3.tasks.task.get { id = 2, select = { "id" } }.item.id
        portal.v3.tasks.task.add { fields = { title = "Copy of " .. id } }
      end)
      assert.same({ 'tasks.task.add {"fields":{"title":"Copy of 2"}}' }, writes(plan))
      assert.equal(3, plan.writes[1].version)
      assert.same({ "tasks.task.get" }, arrived())
    end)

    it("a strict portal takes a placeholder for the parameter that it is given for", function()
      local portal = here:connect { strict = true }
      local plan = portal:plan(function()
        local id = portal.crm.deal.add { fields = { TITLE = "x" } }
        portal.crm.deal.delete { id = id }
        here.raises("config", portal.crm.deal.delete, {})
      end)
      assert.equal(2, #plan.writes)
    end)

    it("the log tells of what is sent, not of what is held back", function()
      local told = {}
      local portal = here:connect {
        log = function(event) told[#told + 1] = event.event .. " " .. event.method end,
      }
      portal:plan(function()
        portal.crm.deal.add { fields = { TITLE = "x" } }
        portal.profile()
      end)
      assert.same({ "send profile", "answer profile" }, told)
    end)
  end)

  describe("has placeholders:", function()
    local function planned(f) return here.portal:plan(function(portal) f(portal.crm.deal.add {}) end) end

    it("they print as what they stand for", function()
      planned(function(deal)
        assert.equal("<result of crm.deal.add #1>", tostring(deal))
        assert.equal("<result of crm.deal.add #1>.item.id", tostring(deal.item.id))
        assert.equal('<result of crm.deal.add #1>["UF CRM"][1]', tostring(deal["UF CRM"][1]))
        assert.equal("deal <result of crm.deal.add #1>!", "deal " .. deal .. "!")
        assert.equal("<result of crm.deal.add #1>.ID", ("%s"):format(deal.ID))
      end)
    end)

    it("as a parameter they are shown, alone and in a text", function()
      local plan = here.portal:plan(function(portal)
        local deal = portal.crm.deal.add { fields = { TITLE = "x" } }
        local task = portal.tasks.task.add {
          fields = { TITLE = "See deal " .. deal, UF_CRM_TASK = { deal } },
        }
        portal.tasks.task.update { taskId = task.task.id, fields = { PARENT_ID = 1 } }
      end)
      assert.same({
        'crm.deal.add {"fields":{"TITLE":"x"}}',
        'tasks.task.add {"fields":{"TITLE":"See deal <result of crm.deal.add #1>",'
          .. '"UF_CRM_TASK":["<result of crm.deal.add #1>"]}}',
        'tasks.task.update {"fields":{"PARENT_ID":1},"taskId":"<result of tasks.task.add #2>.task.id"}',
      }, writes(plan))
    end)

    it("the caller's parameters stay as they are", function()
      here.portal:plan(function(portal)
        local deal = portal.crm.deal.add {}
        local params = { id = deal, fields = { TITLE = "x" } }
        portal.crm.deal.update(params)
        assert.equal(deal, params.id)
      end)
    end)

    it("marked values keep their marks", function()
      local plan = here.portal:plan(function(portal)
        local deal = portal.crm.deal.add {}
        portal.crm.deal.update { id = deal, fields = { TAGS = json.array {},
          NAMES = json.ordered { { "Z", deal }, { "A", 1 } } } }
      end)
      assert.equal('crm.deal.update {"fields":{"NAMES":{"Z":"<result of crm.deal.add #1>","A":1},"TAGS":[]},'
        .. '"id":"<result of crm.deal.add #1>"}', writes(plan)[2])
    end)

    it("as a list they have one item, which stands for each", function()
      planned(function(deal)
        local seen = {}
        for i, item in ipairs(deal.items) do seen[#seen + 1] = i .. " " .. item.id end
        for _, item in pairs(deal.items) do seen[#seen + 1] = tostring(item) end
        for i = 1, #deal.items do seen[#seen + 1] = tostring(deal.items[i]) end
        assert.same({
          "1 <result of crm.deal.add #1>.items[1].id", "<result of crm.deal.add #1>.items[1]",
          "<result of crm.deal.add #1>.items[1]",
        }, seen)
      end)
    end)

    it("they cannot be calculated or compared with", function()
      planned(function(deal)
        local e = here.raises("config", function() return deal + 1 end)
        assert.truthy(e.message:find("<result of crm.deal.add #1>", 1, true))
        here.raises("config", function() return 2 * deal.sum end)
        here.raises("config", function() return deal < 5 end)
        here.raises("config", function() return 5 <= deal end)
        e = here.raises("config", function() return deal.TITLE:upper() end)
        assert.truthy(e.message:find("<result of crm.deal.add #1>.TITLE.upper is not known", 1, true))
        assert.error_matches(function() return ("%d"):format(deal) end, "got result not known in a plan")
      end)
    end)

    it("the same place is the same value, also as a key", function()
      planned(function(deal)
        local seen = { [deal.item.id] = "kept" }
        assert.equal("kept", seen[deal.item.id])
        assert.equal(deal.items[1], deal.items[1])
        assert.are_not.equal(deal.item.id, deal.item.ID)
      end)
    end)

    it("one that outlives its plan is not sent", function()
      local kept
      planned(function(deal) kept = deal end)
      here.raises("config", crm.deal.update, { id = kept, fields = { TITLE = "x" } })
      assert.same({}, arrived())
    end)

    it("a read that needs one is not asked", function()
      local title
      local plan = here.portal:plan(function(portal)
        local id = portal.crm.deal.add { fields = { TITLE = "x" } }
        title = portal.crm.deal.get { id = id }.TITLE
        portal.crm.deal.add { fields = { TITLE = title } }
      end)
      assert.equal("<result of crm.deal.get, not asked #1>.TITLE", tostring(title))
      assert.same({ 'crm.deal.get {"id":"<result of crm.deal.add #1>"}' }, writes(plan, "unasked"))
      assert.equal('crm.deal.add {"fields":{"TITLE":"<result of crm.deal.get, not asked #1>.TITLE"}}',
        writes(plan)[2])
      assert.same({ 3, 0 }, { plan.requests, plan.reads })
      assert.same({}, arrived())
    end)

    it("a list that needs one has one record, which stands for each", function()
      local seen = {}
      local plan = here.portal:plan(function(portal)
        local id = portal.crm.company.add { fields = { TITLE = "x" } }
        local filter = { filter = { COMPANY_ID = id } }
        for contact in portal.crm.contact.list:each(filter) do
          portal.crm.contact.update { id = contact.ID, fields = { NAME = "x" } }
        end
        for page in portal.crm.contact.list:pages(filter) do seen[#seen + 1] = #page end
        seen[#seen + 1] = #portal.crm.contact.list:all(filter)
        seen[#seen + 1] = portal.crm.contact.list:count(filter)
        seen[#seen + 1] = tostring(portal.crm.contact.list:first(filter))
      end)
      assert.same({ 1, 1, 1, "<result of crm.contact.list, not asked #5>[1]" }, seen)
      assert.equal('crm.contact.update {"fields":{"NAME":"x"},'
        .. '"id":"<result of crm.contact.list, not asked #1>[1].ID"}', writes(plan)[2])
      assert.equal(5, #plan.unasked)
      assert.same({}, arrived())
    end)

    it("a file behind one is not fetched", function()
      local path = os.tmpname()
      os.remove(path)
      local plan = here.portal:plan(function(portal)
        local file = portal.disk.folder.uploadfile { id = 1, data = { NAME = "a.txt" } }
        portal:download(file.DOWNLOAD_URL, path)
      end)
      assert.same({ 'download {"url":"<result of disk.folder.uploadfile #1>.DOWNLOAD_URL"}' },
        writes(plan, "unasked"))
      assert.falsy(io.open(path))
    end)
  end)

  describe("has a report", function()
    it("also when the script closes its portal", function()
      local portal = here:connect()
      local plan = portal:plan(function(p)
        p.crm.deal.add { fields = { TITLE = "x" } }
        p:close()
      end)
      assert.truthy(tostring(plan):find('#1  crm.deal.add {"fields":{"TITLE":"x"}}', 1, true))
    end)

    it("without the secrets of any portal in it", function()
      local other = "http://127.0.0.1:9/rest/1/zq8wm4kd71hs9xpl/"
      local plan = here.portal:plan(function(portal)
        local second <close> = bitrix24.connect(other)
        second.crm.deal.add { fields = { COMMENTS = here.sb.webhook } }
        portal.crm.deal.add { fields = { COMMENTS = other } }
      end)
      local text = tostring(plan)
      assert.falsy(text:find("zq8wm4kd71hs9xpl", 1, true))
      assert.falsy(text:find(here.sb.webhook:match("([^/]+)/$"), 1, true))
      assert.equal(2, #plan.writes)
    end)

    it("with every scope that a method needs", function()
      local plan = here.portal:plan(function(portal)
        portal.sign.b2e.document.send { fields = {} }
        portal.user.current()
        portal.profile()
      end)
      assert.same({ "crm", "sign.b2e", "user" }, plan.scopes)
    end)
  end)

  describe("counts the requests that a run makes:", function()
    --- Plan a script, run it, compare.
    local function compare(script)
      local plan = here.portal:plan(script)
      local asked = #here:sent()
      nothing_written()
      script(here.portal)
      local requests, batches = 0, 0
      for i, request in ipairs(here:sent()) do
        if i > asked then
          requests = requests + 1
          if request.method == "batch" then batches = batches + 1 end
        end
      end
      assert.same({ requests, batches }, { plan.requests, plan.batches })
      return plan, asked
    end

    it("single calls", function()
      compare(function(portal)
        portal.profile()
        portal.crm.deal.add { fields = { TITLE = "x" } }
      end)
    end)

    it("side by side", function()
      local ids = {}
      for i = 1, 60 do ids[i] = i end
      local plan, asked = compare(function(portal)
        portal:map(ids, function(id)
          local contact = portal.crm.contact.get { ID = id }
          local deal = portal.crm.deal.add { fields = { TITLE = contact.ID } }
          portal.crm.deal.update { id = deal, fields = { TITLE = "x" } }
          portal.crm.deal.get { id = deal }
        end)
      end)
      assert.equal(120, #plan.writes)
      assert.equal(60, #plan.unasked)
      assert.equal(2, asked) -- 60 reads
      assert.equal('crm.deal.add {"fields":{"TITLE":"1"}}', writes(plan)[1])
    end)

    it("lists", function()
      compare(function(portal)
        for contact in portal.crm.contact.list:each {} do
          if contact.ID == "119" then portal.crm.contact.update { id = 119, fields = { NAME = "x" } } end
        end
        local next_contact, _, _, walk <close> = -- luacheck: ignore
          portal.crm.contact.list:each({}, { strategy = "sequential", limit = 70 })
        for _ = 1, 60 do next_contact() end
      end)
    end)

    it("recorded batches", function()
      compare(function(portal)
        local b = portal:batch()
        for i = 1, 70 do b.crm.deal.add { fields = { TITLE = tostring(i) } } end
        b:run()
        portal:batch { me = { "user.current" }, new = { "crm.deal.add", { fields = { TITLE = "x" } } } }
      end)
    end)

    it("REST 3.0", function()
      compare(function(portal)
        local b = portal.v3:batch()
        b.tasks.task.list { select = { "id" } }
        b.humanresources.node.add { type = "DEPARTMENT", name = "New", parentId = 1 }
        b.tasks.task.get { id = 3 }
        b:run()
        portal:map({ 1, 2 }, function(i) portal.v3.tasks.task.get { id = i, select = { "id" } } end)
        portal:map({ 1, 2 }, function(i)
          portal.v3.humanresources.node.add { type = "DEPARTMENT", name = tostring(i), parentId = 1 }
        end)
      end)
    end)
  end)

  describe("of a batch", function()
    it("sends the reads, and gives each command its result", function()
      local got = {}
      local plan = here.portal:plan(function(portal)
        local b = portal:batch()
        local me = b.user.current()
        local new = b.crm.deal.add { fields = { ASSIGNED_BY_ID = me.ID } }
        local read = b.crm.deal.get { id = new }
        local contact = b.crm.contact.get { ID = 2 }
        local list = b.crm.contact.list { filter = { ID = contact.ID } }
        b:run()
        assert.equal("ok", bitrix24.state(new))
        got = { me().ID, tostring(new()), tostring(read()), contact().ID, list()[1].ID }
      end)
      assert.same({
        "1", "<result of crm.deal.add #1>", "<result of crm.deal.get, not asked #1>", "2", "2",
      }, got)
      assert.same({ fields = { ASSIGNED_BY_ID = "<result of user.current>.ID" } }, plan.writes[1].params)
      assert.equal('crm.deal.get {"id":"<result of crm.deal.add #1>"}', writes(plan, "unasked")[1])
      assert.same({ 1, 1, 3 }, { plan.requests, plan.batches, plan.reads })
      assert.same({ "user.current", "crm.contact.get", "crm.contact.list" }, arrived())
    end)

    it("fills results of an earlier request in as placeholders", function()
      local plan = here.portal:plan(function(portal)
        local b = portal:batch()
        local new = b.crm.deal.add { fields = { TITLE = "x" } }
        b:run()
        b.crm.deal.update { id = new, fields = { TITLE = "y" } }
        b:run()
        b.crm.deal.update { id = new(), fields = { TITLE = "z" } }
        b:run()
      end)
      for i, title in ipairs { "y", "z" } do
        assert.equal('crm.deal.update {"fields":{"TITLE":"' .. title
          .. '"},"id":"<result of crm.deal.add #1>"}', writes(plan)[i + 1])
      end
    end)

    it("plans no write behind a read that fails, where the batch stops", function()
      local plan = here.portal:plan(function(portal)
        local b = portal:batch()
        b.crm.deal.add { fields = { TITLE = "before" } }
        b.crm.deal.get { id = 999999 }
        local after = b.crm.deal.add { fields = { TITLE = "after" } }
        pcall(b.run, b, { halt = true })
        assert.equal("skipped", bitrix24.state(after))
      end)
      assert.same({ 'crm.deal.add {"fields":{"TITLE":"before"}}' }, writes(plan))
    end)

    it("plans them when the portal first had no time for the reads", function()
      here.sb:fault { method = "batch", action = "reset" }
      here.sb:fault { method = "batch", nth = 2, action = { status = 503, body = "{}" } }
      local plan = here.portal:plan(function(portal)
        portal:batch { me = { "user.current" }, new = { "crm.deal.add", { fields = { TITLE = "x" } } } }
      end)
      assert.equal(1, #plan.writes)
      assert.equal(3, #here:sent("batch"))
    end)

    it("plans them where it does not", function()
      local plan = here.portal:plan(function(portal)
        local b = portal:batch()
        b.crm.deal.get { id = 999999 }
        b.crm.deal.add { fields = { TITLE = "after" } }
        b:run { halt = false }
      end)
      assert.equal(1, #plan.writes)
    end)

    it("of REST 3.0 sends its reads, references included", function()
      local got
      local plan = here.portal:plan(function(portal)
        local b = portal.v3:batch()
        b.humanresources.node.add { type = "DEPARTMENT", name = "New", parentId = 1 }
        local list = b.tasks.task.list { select = { "id" }, pagination = { limit = 2 } }
        local task = b.tasks.task.get { id = list.items[2].id, select = { "id" } }
        b:run()
        got = { list().items[2].id, task().item.id }
      end)
      assert.equal(got[1], got[2])
      assert.equal(1, #plan.writes)
      assert.same({ "tasks.task.list", "tasks.task.get" }, arrived())
    end)
  end)

  describe("is the same each time:", function()
    local function script(portal)
      local deals = portal.crm.deal.list:all { select = { "ID", "TITLE" } }
      portal:map(deals, function(deal)
        portal.crm.deal.update { id = deal.ID, fields = { TITLE = deal.TITLE, Z = 1, A = { b = 2, a = 1 } } }
        local note = portal.crm.timeline.comment.add { fields = { ENTITY_ID = deal.ID } }
        portal.crm.timeline.comment.get { id = note }
      end)
      portal:gather(
        function()
          for _ in portal.crm.contact.list:each() do break end -- luacheck: ignore
        end,
        function() portal.user.current() end,
        function() portal.vendor.thing.set { at = "x" } end)
    end

    it("byte for byte, also on another connection", function()
      local first = tostring(here.portal:plan(script))
      for _ = 1, 3 do
        assert.equal(first, tostring(here:connect { max_connections = math.random(6) }:plan(script)))
      end
    end)

    it("also where a request is slow or has to be repeated", function()
      local first = tostring(here.portal:plan(script))
      here.sb:fault { method = "batch", action = { delay = 0.3 } }
      here.sb:fault { method = "crm.deal.list", action = "QUERY_LIMIT_EXCEEDED" }
      assert.equal(first, tostring(here.portal:plan(script)))
    end)

    it("also where tasks share what they know, and one connection is quicker than another", function()
      local function in_turn(portal)
        local count = 0
        portal:map({ 1, 2, 3, 4 }, function(id)
          local contact = portal.crm.contact.get { ID = id }
          count = count + 1
          portal.crm.deal.add { fields = { TITLE = ("%s is number %d"):format(contact.ID, count) } }
        end, { batch = false })
      end
      local first = tostring(here.portal:plan(in_turn))
      for nth = 1, 3 do
        here.sb:fault { method = "crm.contact.get", nth = nth, action = { delay = 0.1 } }
        assert.equal(first, tostring(here.portal:plan(in_turn)))
      end
      here.sb:fault { method = "crm.contact.get", nth = 2, action = "reset" }
      assert.equal(first, tostring(here.portal:plan(in_turn)))
    end)

    it("also for an application whose token has to be renewed", function()
      local oauth = here.sb.oauth
      local first = tostring(here.portal:plan(script))
      local store = { t = { access_token = oauth.expired_token, refresh_token = oauth.refresh_token,
        client_endpoint = oauth.client_endpoint, member_id = oauth.member_id } }
      function store:load() return self.t end
      function store:save(t) self.t = t end
      local portal = here:connect { domain = here.sb.url, oauth_url = here.sb.url, tokens = store,
        client_id = oauth.client_id, client_secret = oauth.client_secret }
      assert.equal(first, tostring(portal:plan(script)))
      assert.equal(1, #here:sent("oauth.token"))
    end)
  end)

  describe("holds every portal back:", function()
    it("views, one that is kept by the script, the default one", function()
      bitrix24.use(here.portal)
      local view = here.portal.v2
      local plan = here.portal:plan(function()
        crm.deal.add { fields = { TITLE = "kept" } }
        view.crm.deal.add { fields = { TITLE = "view" } }
        bitrix24.crm.deal.add { fields = { TITLE = "default" } }
      end)
      assert.equal(3, #plan.writes)
      nothing_written()
    end)

    it("another one, and one that is opened meanwhile", function()
      local other = here:connect()
      local plan = here.portal:plan(function()
        other.crm.deal.add { fields = { TITLE = "other" } }
        here:connect().crm.deal.add { fields = { TITLE = "new" } }
      end)
      assert.equal(2, #plan.writes)
      nothing_written()
      other.crm.deal.delete { id = 1 }
      assert.equal(59, #here.sb:records("deals"))
    end)

    it("until it is made: then calls are sent again", function()
      here.portal:plan(function() crm.deal.delete { id = 1 } end)
      nothing_written()
      crm.deal.delete { id = 1 }
      assert.equal(59, #here.sb:records("deals"))
    end)

    it("what is on its way may end in it", function()
      local walk, _, _, closing = here.portal.crm.contact.list:each({}, { strategy = "sequential" })
      walk()
      local count = 1
      here.portal:plan(function() for _ in walk do count = count + 1 end end)
      assert.equal(120, count)
      closing:close()
    end)

    it("a portal may be closed in it", function()
      local other = here:connect()
      local plan = other:plan(function(portal)
        portal.crm.deal.add {}
        portal:close()
        here.raises("config", portal.crm.deal.add, {})
      end)
      assert.equal(1, #plan.writes)
    end)
  end)

  describe("is refused", function()
    it("without a function, on a closed portal, inside of another plan", function()
      here.raises("config", here.portal.plan, here.portal)
      here.raises("config", here.portal.plan, here.portal, "script.lua")
      local closed = here:connect()
      closed:close()
      here.raises("config", closed.plan, closed, print)
      here.portal:plan(function(portal) here.raises("config", portal.plan, portal, print) end)
    end)

    it("inside of map, where other tasks would be planned, too", function()
      here.portal:map({ 1 }, function()
        here.raises("config", here.portal.plan, here.portal, function() crm.deal.add {} end)
      end)
    end)
  end)

  it("is refused in a coroutine of the host's loop", function()
    local adapter = { inside = function() return true end }
    for _, name in ipairs { "watch", "timer", "suspend" } do adapter[name] = function() end end
    local portal = here:connect { loop = adapter }
    coroutine.wrap(function() here.raises("config", portal.plan, portal, print) end)()
    assert.equal(1, #portal:plan(function() portal.crm.deal.add {} end).writes)
  end)

  it("of a consumer of offline events takes none, and ends", function()
    local count = 0
    local plan = here.portal:plan(function(portal)
      for _ in events.offline(portal, { poll = 60, recover = false }) do count = count + 1 end
    end)
    assert.equal(0, count)
    assert.equal("event.offline.get", plan.writes[1].method)
  end)

  describe("reports", function()
    it("requests, writes, scopes and the budget", function()
      local plan = here.portal:plan(function(portal)
        local id = portal.crm.deal.add { fields = { TITLE = "Table" } }
        portal.crm.deal.get { id = id }
        portal.user.current()
        portal.tasks.task.add { fields = { TITLE = "x" } }
      end)
      assert.equal([[
Plan: 2 writes, not sent.
  #1  crm.deal.add {"fields":{"TITLE":"Table"}}
  #2  tasks.task.add {"fields":{"TITLE":"x"}}
Not asked, for want of a write's result: 1 read.
  #1  crm.deal.get {"id":"<result of crm.deal.add #1>"}
Requests: 4, of them 0 batches; 1 read answered.
Scopes: crm, task, user.
Budget: at the standard limits (50 at once, then 2 a second) at least 0 seconds.]], tostring(plan))
      assert.same({ "crm", "task", "user" }, plan.scopes)
    end)

    it("that there is nothing to write", function()
      local plan = here.portal:plan(function(portal) portal.profile() end)
      assert.equal("Plan: no writes.", tostring(plan):match("^[^\n]*"))
      assert.same({}, plan.writes)
    end)

    it("the seconds that the requests need beyond those at once", function()
      local plan = here.portal:plan(function(portal)
        for i = 1, 57 do portal.crm.deal.delete { id = i } end
      end)
      assert.same({ 57, 4 }, { plan.requests, plan.seconds })
    end)

    it("files by name, long texts shortened, and no secret", function()
      local code = here.sb.webhook:match("/rest/%d+/([^/]+)")
      local plan = here.portal:plan(function(portal)
        portal.crm.deal.add { fields = {
          FILE = bitrix24.file { name = "a.pdf", content = ("x"):rep(100000) },
          TEXT = ("é"):rep(5000), HOOK = here.sb.webhook,
        } }
      end)
      local text = tostring(plan)
      assert.truthy(text:find('"FILE":"<file \\"a.pdf\\">"', 1, true))
      assert.truthy(text:find("é... (10000 bytes)", 1, true))
      assert.falsy(text:find(code, 1, true))
      assert.truthy(utf8.len(text))
      assert.truthy(#text < 2000)
    end)

    it("after the portal is closed, too", function()
      local portal = here:connect()
      local plan = portal:plan(function() portal.crm.deal.delete { id = 1 } end)
      portal:close()
      assert.truthy(tostring(plan):find('crm.deal.delete {"id":1}', 1, true))
    end)
  end)
end)
