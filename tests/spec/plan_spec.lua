-- Dry runs: what a plan tells is what a run would do, and nothing is written.

local bitrix24 = require "bitrix24"
local events = require "bitrix24.events"

describe("a plan", function()
  local here = require "support.portal" (_ENV, {
    users = 10, contacts = 120, deals = 60, chats = 5, tasks = 20,
  })
  local made = require "support.planned" (here)
  local arrived, nothing_written, writes = made.arrived, made.nothing_written, made.writes
  local crm

  before_each(function() crm = here.portal.crm end)

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
end)
