-- Call lists as their pages document them (crm/call-list/*), in both editions:
-- the older pages name errors by phrases, those of August 2026 by codes.

local sandbox = require "bitrix24.sandbox"
local scripted = require "support.scripted"

local failure, refuse = scripted.failure, scripted.refuse

-- What is wrong → { method, parameters, code and text of either edition }.
local ADD, UPDATE, GET, ITEMS, LIST = "crm.calllist.add", "crm.calllist.update", "crm.calllist.get",
  "crm.calllist.items.get", "crm.calllist.list"
local WRONG = {
  { "add without parameters", ADD, {}, seeds = "Invalid parameters.", ["2026"] = "ERROR_ARGUMENT" },
  { "add of another type", ADD, { ENTITY_TYPE = "DEAL", ENTITIES = { 1 } },
    seeds = "Incorrect entity type", ["2026"] = "ENTITY_TYPE_ERROR" },
  { "add of what is no array", ADD, { ENTITY_TYPE = "CONTACT", ENTITIES = "1,2" },
    seeds = "Entities is not array", ["2026"] = "ENTITIES_ERROR" },
  { "add of unknown contacts", ADD, { ENTITY_TYPE = "CONTACT", ENTITIES = { 1, 987654 } },
    seeds = "Incorrect entities id", ["2026"] = "ENTITY_ERROR" },
  { "add with an unknown form", ADD, { ENTITY_TYPE = "CONTACT", ENTITIES = { 1 }, WEBFORM_ID = 4711 },
    seeds = "Incorrect webform id", ["2026"] = "WEBFORM_ERROR" },
  { "update without parameters", UPDATE, {}, seeds = "Invalid parameters.", ["2026"] = "ERROR_ARGUMENT" },
  { "update of another type", UPDATE, { LIST_ID = 123, ENTITY_TYPE = "LEAD", ENTITIES = { 1 } },
    seeds = "Incorrect entity type", ["2026"] = "ENTITY_TYPE_ERROR" },
  { "update with what is no array", UPDATE, { LIST_ID = 123, ENTITY_TYPE = "CONTACT", ENTITIES = 7 },
    seeds = "Entities is not array", ["2026"] = "ENTITIES_ERROR" },
  { "update with unknown contacts", UPDATE, { LIST_ID = 123, ENTITY_TYPE = "CONTACT", ENTITIES = { 987654 } },
    seeds = "Incorrect entities id", ["2026"] = "ENTITIES_ERROR" },
  { "update of an unknown list", UPDATE, { LIST_ID = 999, ENTITY_TYPE = "CONTACT", ENTITIES = { 1 } },
    seeds = "Incorrect list id or access denied", ["2026"] = "LIST_ID_ERROR" },
  { "update from contacts to companies", UPDATE, { LIST_ID = 123, ENTITY_TYPE = "COMPANY", ENTITIES = { 1 } },
    seeds = "Discrepancy between the type of call participants and incoming type",
    ["2026"] = "ENTITY_TYPE_ERROR" },
  { "update with an unknown form", UPDATE,
    { LIST_ID = 123, ENTITY_TYPE = "CONTACT", ENTITIES = { 1 }, WEBFORM_ID = 4711 },
    seeds = "Incorrect webform id", ["2026"] = "WEBFORM_ERROR" },
  { "get of an unknown list", GET, { ID = 999 }, seeds = "Incorrect list id", ["2026"] = "LIST_ID_ERROR" },
  { "items of an unknown list", ITEMS, { LIST_ID = 999 },
    seeds = "Incorrect list id", ["2026"] = "LIST_ID_ERROR" },
  { "items with an unknown status", ITEMS, { LIST_ID = 123, FILTER = { STATUS = "ASLEEP" } },
    seeds = "Incorrect status", ["2026"] = "STATUS_ERROR" },
  { "list with a filter that is no object", LIST, { FILTER = "ID" },
    seeds = "Invalid parameters.", ["2026"] = "ERROR_ARGUMENT" },
  { "list of an unknown field", LIST, { SELECT = { "TITLE" } }, seeds = "100", ["2026"] = "100" },
}

-- Refusals that need another user, as their pages word them.
local DENIED = {
  { ADD, 400, "Access denied", "No permission to perform the operation" },
  { ADD, 403, "You don't have access to these entities", "No access to the specified elements" },
  { ITEMS, 403, "Access denied", "No access to list items" },
  { ITEMS, 400, "ACCESS_ERROR", "Access denied" },
}

local function list_record(id, created_by, members)
  return {
    ID = id, DATE_CREATE = "2025-07-14 08:47:19", CREATED_BY_ID = created_by, WEBFORM_ID = 1,
    ENTITY_TYPE_ID = 3, members = members,
  }
end

local SUBJECT = { seeds = "Call #%d", ["2026"] = "Call list #%d" }

for _, edition in ipairs { "seeds", "2026" } do
  describe("call lists, edition " .. edition, function()
    local sb, portal

    before_each(function()
      sb = sandbox.start { limits = false, edition = edition }
      portal = sb:connect { nulls = "keep", retries = 0 }
      local called = { { id = 9, status = "IN_WORK" }, { id = 17, status = "SUCCESS" },
        { id = 19, status = "IN_WORK" } }
      sb:set("calllists", 123, list_record(123, 29, called))
      sb:set("calllists", 13, list_record(13, 1, called))
    end)

    after_each(function()
      portal:close()
      assert.same({}, sb:errors())
      sb:stop()
    end)

    for _, method in ipairs { ADD, GET, ITEMS, LIST, UPDATE, "crm.calllist.statuslist" } do
      it(method .. " is sent and answered as documented", function()
        scripted.call(sb, portal, scripted.example(method))
      end)
    end

    it("tell ids as strings in a list and as numbers among the items", function()
      local list = portal.crm.calllist.get { ID = 123 }
      assert.same({ "123", "29", "1", "3", "CONTACT" },
        { list.ID, list.CREATED_BY_ID, list.WEBFORM_ID, list.ENTITY_TYPE_ID, list.ENTITY_TYPE })
      local items = portal.crm.calllist.items.get { LIST_ID = 13, FILTER = { STATUS = "IN_WORK" } }
      assert.same({ { ID = 9, STATUS = "IN_WORK", ENTITY_TYPE = 3 },
        { ID = 19, STATUS = "IN_WORK", ENTITY_TYPE = 3 } }, items)
      assert.equal("integer", math.type(items[1].ID))
    end)

    it("are listed newest first as asked, with the asked fields alone", function()
      local rows = portal.crm.calllist.list(scripted.example(LIST).request)
      assert.same({ ID = "123", CREATED_BY_ID = "29" }, rows[1])
      assert.same({ ID = "13", CREATED_BY_ID = "1" }, rows[2])
    end)

    it("have the documented statuses in their order", function()
      local names = {}
      for i, status in ipairs(portal.crm.calllist.statuslist()) do names[i] = status.STATUS_ID end
      assert.same({ "IN_WORK", "SUCCESS", "WRONG_NUMBER", "STOP_CALLING" }, names)
      assert.equal("{}", sb:requests()[1].body)
    end)

    it("are overwritten by update: members, and the form that was not sent", function()
      assert.is_true(portal.crm.calllist.update {
        LIST_ID = 123, ENTITY_TYPE = "CONTACT", ENTITIES = { 19, 4 },
      })
      local ids = {}
      for i, item in ipairs(portal.crm.calllist.items.get { LIST_ID = 123 }) do ids[i] = item.ID end
      assert.same({ 19, 4 }, ids)
      local dropping <close> = sb:connect()
      assert.is_nil(dropping.crm.calllist.get { ID = 123 }.WEBFORM_ID)
    end)

    it("are deleted by deleting their activity, found by its subject", function()
      local id = portal.crm.calllist.add { ENTITY_TYPE = "COMPANY", ENTITIES = { 2, 1 } }
      assert.equal("integer", math.type(id))
      local found = portal.crm.activity.list {
        filter = { SUBJECT = SUBJECT[edition]:format(id) }, select = { "ID", "SUBJECT" },
      }
      assert.equal(1, #found)
      assert.equal("string", type(found[1].ID))
      assert.is_true(portal.crm.activity.delete { id = found[1].ID })
      local e = failure(sb, { kind = "api", method = GET }, portal.call, portal, GET, { ID = id })
      assert.truthy(e.code == "Incorrect list id" or e.code == "LIST_ID_ERROR")
    end)

    for _, row in ipairs(WRONG) do
      it("refuse: " .. row[1], function()
        local e = failure(sb, { kind = "api", code = row[edition], method = row[2], status = 400,
          sent = true, retryable = false, attempts = 1 }, portal.call, portal, row[2], row[3])
        assert.truthy(#e.message > 0)
        assert.truthy(tostring(e):find(row[2], 1, true) and tostring(e):find(row[edition], 1, true)
          and tostring(e):find(e.message, 1, true))
        assert.equal(1, #sb:requests())
      end)
    end

    it("name the unknown field", function()
      local e = failure(sb, {}, portal.call, portal, LIST, { SELECT = { "TITLE" } })
      assert.truthy(e.message:find("TITLE", 1, true))
    end)

    it("name what is missing", function()
      local e = failure(sb, {}, portal.call, portal, ADD, { ENTITY_TYPE = "CONTACT" })
      assert.equal("missing required parameter: ENTITIES", e.hint)
    end)

    it("refuse in the words of the page who may not", function()
      for _, row in ipairs(DENIED) do
        refuse(sb, row[1], row[2], row[3], row[4])
        failure(sb, { kind = "api", status = row[2], code = row[3], message = row[4], method = row[1] },
          portal.call, portal, row[1], scripted.example(row[1]).request)
      end
    end)
  end)
end

describe("activities", function()
  local sb, portal

  before_each(function()
    sb = sandbox.start { limits = false }
    portal = sb:connect { nulls = "keep", retries = 0 }
  end)

  after_each(function()
    portal:close()
    assert.same({}, sb:errors())
    sb:stop()
  end)

  it("are listed as documented", function()
    local example = scripted.example "crm.activity.list"
    local record = assert(sb:records "activities"[50])
    record.OWNER_ID, record.OWNER_TYPE_ID = 102, 3
    sb:set("activities", record.ID, record)
    local rows = scripted.call(sb, portal, example)
    assert.truthy(#rows > 0)
    for _, row in ipairs(rows) do
      assert.same({ "102", "3" }, { row.OWNER_ID, row.OWNER_TYPE_ID })
    end
  end)

  it("are deleted as documented", function()
    sb:set("activities", 999, { OWNER_ID = 1, OWNER_TYPE_ID = 3, TYPE_ID = 2, SUBJECT = "Outgoing call" })
    assert.is_true((scripted.call(sb, portal, scripted.example "crm.activity.delete")))
    failure(sb, { kind = "api", code = "", status = 400, method = "crm.activity.delete", attempts = 1 },
      portal.call, portal, "crm.activity.delete", { id = 999 })
  end)

  it("refuse with an empty code", function()
    refuse(sb, "crm.activity.delete", 400, "", "Access denied.")
    local e = failure(sb, { kind = "api", code = "", message = "Access denied.", status = 400 },
      portal.call, portal, "crm.activity.delete", { id = 1 })
    assert.truthy(tostring(e):find('crm.activity.delete: api error "" (HTTP 400): Access denied.', 1, true))
  end)
end)
