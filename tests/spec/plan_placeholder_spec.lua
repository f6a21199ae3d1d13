-- What stands for a result that a plan does not have.

local json = require "bitrix24.json"

describe("a plan", function()
  local here = require "support.portal" (_ENV, {
    users = 10, contacts = 120, deals = 60, chats = 5, tasks = 20,
  })
  local made = require "support.planned" (here)
  local arrived, writes = made.arrived, made.writes
  local crm

  before_each(function() crm = here.portal.crm end)

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
end)
