-- What a plan tells: calls, scopes, and how many requests a run makes.

local bitrix24 = require "bitrix24"

describe("a plan", function()
  local here = require "support.portal" (_ENV, {
    users = 10, contacts = 120, deals = 60, chats = 5, tasks = 20,
  })
  local made = require "support.planned" (here)
  local nothing_written, writes = made.nothing_written, made.writes

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
