-- The sandbox's store, its queries and its CRM, called directly: no HTTP, a
-- portal of just what the domain needs.

local compare = require "bitrix24.sandbox.compare"
local json = require "bitrix24.json"
local people = require "bitrix24.sandbox.people"
local query = require "bitrix24.sandbox.query"
local stores = require "bitrix24.sandbox.store"

local NOW = 1780000000

-- A portal that runs the methods of the CRM: portal(name, params, as) → result, page.
local function new_portal(options)
  options = options or {}
  local portal = { options = { edition = options.edition or "seeds" }, methods = {} }
  portal.store = stores.new { seed = options.seed or 7, sizes = options.sizes, fixture = options.fixture }
  function portal.method(_, name, about, run) portal.methods[name] = { about = about, run = run } end
  function portal.now() return NOW end
  function portal.date(_, at) return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(at) + 10800) .. "+03:00" end
  require "bitrix24.sandbox.crm"(portal)
  return setmetatable(portal, {
    __call = function(_, name, params, as)
      local call = { params = params or {}, user_id = 1, auth = as or "webhook", portal = portal }
      call.store = portal.store
      function call.param(_, wanted)
        for key, value in pairs(call.params) do
          if key:lower() == wanted:lower() then return value end
        end
      end
      function call.fail(_, code, description, status)
        error({ code = code, description = description, status = status or 400 }, 0)
      end
      return assert(portal.methods[name], "no method " .. name).run(call)
    end,
  })
end

local function failure(portal, name, params)
  local done, problem = pcall(portal, name, params)
  assert(not done, name .. " did not fail")
  assert(type(problem) == "table", tostring(problem))
  return problem.code, problem.description
end

local function column(list, name)
  local out = {}
  for i, record in ipairs(list) do out[i] = record[name] end
  return out
end

describe("people", function()
  it("are the same for the same number and differ in phone and e-mail", function()
    assert.same(people.person(7, 5), people.person(7, 5))
    assert.not_same(people.person(7, 5), people.person(8, 5))
    local seen = {}
    for i = 1, 5000 do
      local person = people.person(7, i)
      for _, name in ipairs { "mobile", "work_phone", "personal_phone", "email" } do
        local value = person[name]
        if value then
          assert.is_nil(seen[value])
          seen[value] = true
        end
      end
      assert.matches("^%+1%d%d%d555%d%d%d%d$", person.mobile)
      assert.matches("^[%w.]+@[%w.]+$", person.email)
    end
  end)

  it("are found by phone and e-mail", function()
    for _, i in ipairs { 1, 60, 1000001, 2100040 } do
      local person = people.person(3, i)
      assert.equal(i, people.by_phone(3, (person.work_phone:gsub("%D", ""))))
      assert.equal(i, people.by_email(person.email))
    end
    assert.is_nil(people.by_phone(3, "4930123456"))
  end)
end)

describe("the store", function()
  local made

  local function new_store(fixture)
    made = 0
    local store = stores.new { seed = 1, fixture = fixture }
    store:define("things", {
      id = "ID",
      make = function(seed, id)
        made = made + 1
        return { NAME = "thing " .. id, N = id * seed, TAGS = { "a" } }
      end,
      size = 1000000,
    })
    return store
  end

  it("makes records when they are read, and no others", function()
    local store = new_store()
    assert.equal(1000000, store:count("things"))
    assert.equal(0, made)
    assert.same({ ID = 77, NAME = "thing 77", N = 77, TAGS = { "a" } }, store:get("things", "77"))
    assert.equal(1, made)
    assert.is_nil(store:get("things", 1000001))
    assert.is_nil(store:get("things", 0))
    assert.is_nil(store:get("things", "x"))
  end)

  it("keeps what was changed, added and deleted, and forgets it at reset", function()
    local store = new_store()
    assert.is_true(store:update("things", 5, { NAME = "five" }))
    assert.is_true(store:delete("things", 6))
    assert.is_false(store:delete("things", 6))
    assert.is_false(store:update("things", 6, { NAME = "six" }))
    local id = store:add("things", { NAME = "new" })
    assert.equal(1000001, id)
    assert.same({ ID = 5, NAME = "five", N = 5, TAGS = { "a" } }, store:get("things", 5))
    assert.is_nil(store:get("things", 6))
    assert.equal(1000000, store:count("things"))
    store:delete("things", id)
    assert.equal(1000002, store:add("things", { NAME = "newer" }))
    store:set("things", 6, { NAME = "back" })
    assert.equal("back", store:get("things", 6).NAME)
    store:set("things", 6, nil)
    assert.is_nil(store:get("things", 6))
    store:reset()
    assert.equal("thing 5", store:get("things", 5).NAME)
    assert.equal("thing 6", store:get("things", 6).NAME)
    assert.equal(1000001, store:add("things", {}))
  end)

  it("walks ids over holes and additions", function()
    local store = new_store()
    store:delete("things", 1000000)
    store:add("things", {})
    store:add("things", {})
    store:delete("things", 1000001)
    local ids = {}
    for id in store:ids("things", 999998) do ids[#ids + 1] = id end
    assert.same({ 999998, 999999, 1000002 }, ids)
    assert.equal(3, store:count("things", 999998))
    assert.equal(2, store:count("things", 999998, 1000000))
    assert.equal(0, store:count("things", 10, 9))
  end)

  it("hands out copies", function()
    local store = new_store()
    local given = { TAGS = { "x" } }
    local id = store:add("things", given)
    given.TAGS[1] = "changed"
    store:get("things", id).TAGS[1] = "changed"
    assert.same({ "x" }, store:get("things", id).TAGS)
  end)

  it("begins with a fixture instead of the generator", function()
    local store = new_store { things = { { ID = 3, NAME = "c" }, { ID = "9", NAME = "i" } } }
    assert.same({ "c", "i" }, column(store:records("things"), "NAME"))
    assert.equal(2, store:count("things"))
    assert.is_nil(store:get("things", 1))
    assert.equal(10, store:add("things", {}))
    store:delete("things", 3)
    store:reset()
    assert.same({ 3, 9 }, column(store:records("things"), "ID"))
  end)

  it("names the kinds it has when asked for another", function()
    assert.error_matches(function() new_store():get("thinks", 1) end, "no records of kind 'thinks'.*things")
  end)
end)

describe("a query", function()
  local store

  before_each(function()
    store = stores.new { seed = 1 }
    store:define("rows", { id = "ID", records = {
      { ID = 1, NAME = "Anna", CITY = "Bonn", SUM = 10, AT = "2026-01-01T10:00:00+03:00", OK = "Y" },
      { ID = 2, NAME = "anton", CITY = "Bern", SUM = "9", AT = "2026-01-02T10:00:00+03:00", OK = "N" },
      { ID = 3, NAME = "Bert 50%", CITY = "", SUM = 100, AT = "2026-01-03T10:00:00+03:00", OK = "Y" },
      { ID = 4, NAME = "Zoë", TAGS = { 5, 6 }, AT = "2026-01-04T00:00:00+03:00",
        PHONE = { { VALUE = "+1 2" }, { VALUE = "3" } } },
    } })
    local function make(_, id) return { N = -id } end
    store:define("many", { id = "ID", make = make, size = 1000000 })
  end)

  local function found(filter, more)
    local spec = { filter = filter }
    for name, value in pairs(more or {}) do spec[name] = value end
    return column(query.run(store, "rows", spec), "ID")
  end

  local CASES = {
    { "equality is the default", { NAME = "Anna" }, { 1 } },
    { "equality minds case", { ["=NAME"] = "anna" }, {} },
    { "a list means any of it", { ID = { "1", 3 } }, { 1, 3 } },
    { "= with a list", { ["=NAME"] = { "Anna", "anton" } }, { 1, 2 } },
    { "!=", { ["!=NAME"] = "Anna" }, { 2, 3, 4 } },
    { "!", { ["!OK"] = "Y" }, { 2, 4 } },
    { "! with a list", { ["!ID"] = { 1, 2 } }, { 3, 4 } },
    { "empty", { CITY = "" }, { 3, 4 } },
    { "not empty", { ["!=CITY"] = "" }, { 1, 2 } },
    { "null is empty", { CITY = json.null }, { 3, 4 } },
    { "numbers compare as numbers, however written", { [">SUM"] = "9.5" }, { 1, 3 } },
    { ">=", { [">=SUM"] = 10 }, { 1, 3 } },
    { "<", { ["<SUM"] = 10 }, { 2 } },
    { "<=", { ["<=SUM"] = "10" }, { 1, 2 } },
    { "><", { ["><SUM"] = { 9, 10 } }, { 1, 2 } },
    { "!><", { ["!><SUM"] = { 9, 10 } }, { 3, 4 } },
    { "@", { ["@SUM"] = { 9, 100 } }, { 2, 3 } },
    { "!@", { ["!@ID"] = { 2, 3 } }, { 1, 4 } },
    { "% looks anywhere, without case", { ["%NAME"] = "AN" }, { 1, 2 } },
    { "% takes a percent sign literally", { ["%NAME"] = "0%" }, { 3 } },
    { "!%", { ["!%NAME"] = "an" }, { 3, 4 } },
    { "=% at the start", { ["=%NAME"] = "an%" }, { 1, 2 } },
    { "%= at the end", { ["%=NAME"] = "%N" }, { 2 } },
    { "=% in the middle", { ["=%NAME"] = "%nt%" }, { 2 } },
    { "=% without a percent sign is the whole value", { ["=%NAME"] = "ann" }, {} },
    { "=% takes dots literally", { ["=%NAME"] = "An.a" }, {} },
    { "!=%", { ["!=%NAME"] = "a%" }, { 3, 4 } },
    { "!%=", { ["!%=NAME"] = "%a" }, { 2, 3, 4 } },
    { "dates are moments, not texts", { [">=AT"] = "2026-01-02T08:30:00+01:00" }, { 3, 4 } },
    { "a date begins at the portal's midnight", { [">=AT"] = "2026-01-04" }, { 4 } },
    { "equal moments", { AT = "2026-01-01T07:00:00Z" }, { 1 } },
    { "multiple fields match by one value", { TAGS = 6 }, { 4 } },
    { "multiple fields, none of them", { ["!TAGS"] = 6 }, { 1, 2, 3 } },
    { "phones match by their value", { PHONE = "3" }, { 4 } },
    { "true is Y", { OK = true }, { 1, 3 } },
    { "several conditions are all meant", { [">ID"] = 1, OK = "Y" }, { 3 } },
    { "OR", { logic = "OR", NAME = "Anna", SUM = 9 }, { 1, 2 } },
    { "a group with text keys", { [">ID"] = 1, ["0"] = {
      logic = "OR", ["0"] = { ["=%NAME"] = "z%" }, ["1"] = { SUM = 9 } } }, { 2, 4 } },
    { "a group in a list", { { logic = "OR", { ID = 1 }, { ID = 4 } } }, { 1, 4 } },
    { "groups within groups", { logic = "OR", { ID = 1 }, { logic = "AND", { OK = "Y" }, { [">ID"] = 2 } } },
      { 1, 3 } },
    { "an id that is no number", { ID = "x" }, {} },
    { "an id with a fraction", { [">=ID"] = 2.5 }, { 3, 4 } },
  }
  for _, case in ipairs(CASES) do
    it("understands: " .. case[1], function() assert.same(case[3], found(case[2])) end)
  end

  it("sorts by several fields, equal ones by id", function()
    assert.same({ 4, 2, 1, 3 }, found(nil, { order = { SUM = "asc" } }))
    assert.same({ 3, 1, 2, 4 }, found(nil, { order = { SUM = "DESC" } }))
    assert.same({ 1, 2, 3, 4 }, found(nil, { order = { NAME = "ASC" } }))
    local keys = function() return { "OK", "ID" } end
    assert.same({ 4, 2, 3, 1 }, found(nil, { order = { ID = "DESC", OK = "ASC" }, keys = keys }))
    assert.same({ 4, 3, 2, 1 }, found(nil, { order = { ID = "DESC" } }))
  end)

  it("selects", function()
    local rows = query.run(store, "rows", { select = { "NAME" }, limit = 1 })
    assert.same({ { ID = 1, NAME = "Anna" } }, rows)
  end)

  it("passes over unknown fields, or tells", function()
    local fields = { ID = true, name = "NAME" }
    assert.same({ 1 }, found({ name = "Anna", CITY = "Bern" }, { fields = fields }))
    local told
    local function tell(name, where) told = name .. " " .. where end
    found({ CITY = "Bern" }, { fields = fields, unknown = tell })
    assert.equal("CITY filter", told)
    found(nil, { order = { X = 1 }, fields = fields, unknown = tell })
    assert.equal("X order", told)
  end)

  it("gives `next` only when there is another page", function()
    local rows, total, following = query.run(store, "rows", { limit = 2 })
    assert.same({ 2, 4, 2 }, { #rows, total, following })
    rows, total, following = query.run(store, "rows", { limit = 2, start = "2" })
    assert.same({ 3, 4 }, column(rows, "ID"))
    assert.same({ 4, nil }, { total, following })
    rows, total, following = query.run(store, "rows", { limit = 4 })
    assert.same({ 4, 4, nil }, { #rows, total, following })
    rows, total, following = query.run(store, "rows", { limit = 2, start = 10 })
    assert.same({ 0, 4, nil }, { #rows, total, following })
    rows, total, following = query.run(store, "rows", { limit = 3, start = -1 })
    assert.same({ 1, 2, 3 }, column(rows, "ID"))
    assert.is_nil(total)
    assert.is_nil(following)
    rows, total, following = query.run(store, "rows", { limit = 1, order = { NAME = "DESC" }, start = 1 })
    assert.same({ 3 }, column(rows, "ID"))
    assert.same({ 4, 2 }, { total, following })
  end)

  it("reads the same rows page by page whichever way it walks", function()
    for _ = 1, 3 do store:delete("many", store:last_id("many") - 2) end
    for _, id in ipairs { 4, 51, 999990 } do store:delete("many", id) end
    store:add("many", { N = 1 })
    local expected = {}
    for id in store:ids("many", 999880) do expected[#expected + 1] = id end
    local by_id, start = {}, 0
    repeat
      local rows, total, following = query.run(store, "many", {
        filter = { [">ID"] = 999879 }, start = start,
      })
      assert.equal(#expected, total)
      for _, row in ipairs(rows) do by_id[#by_id + 1] = row.ID end
      start = following
    until not start
    assert.same(expected, by_id)
    local backwards = column(query.run(store, "many", {
      filter = { [">ID"] = 999879 }, order = { ID = "DESC" }, limit = 1000,
    }), "ID")
    for i = 1, #expected do assert.equal(expected[i], backwards[#expected + 1 - i]) end
  end)

  it("looks only at the rows of the page when ids bound it", function()
    local made = 0
    store:define("costly", { id = "ID", size = 1000000, make = function()
      made = made + 1
      return {}
    end })
    local rows = query.run(store, "costly", {
      filter = { [">ID"] = 500000 }, order = { ID = "ASC" }, start = -1,
    })
    assert.equal(500001, rows[1].ID)
    assert.equal(50, made)
    local _, total, following = query.run(store, "costly", { start = 900000 })
    assert.same({ 1000000, 900050, 100 }, { total, following, made })
    rows = query.run(store, "costly", { order = { ID = "DESC" }, start = 50, limit = 2 })
    assert.same({ 999950, 999949 }, column(rows, "ID"))
    rows = query.run(store, "costly", { filter = { ["@ID"] = { 900000, 7, 7, 2000000 } } })
    assert.same({ 7, 900000 }, column(rows, "ID"))
    assert.equal(104, made)
  end)

  it("knows moments", function()
    assert.equal(0, compare.moment("1970-01-01T03:00:00+03:00"))
    assert.equal(1767225600, compare.moment("2026-01-01T00:00:00Z"))
    assert.equal(1709164800, compare.moment("2024-02-29 03:00:00"))
    assert.is_nil(compare.moment("12.11.2024"))
  end)
end)

describe("contacts, companies, deals and leads", function()
  local portal

  before_each(function() portal = new_portal { sizes = { contacts = 120 } } end)

  it("come in pages of 50 with their ids as text", function()
    local seen, start = {}, 0
    repeat
      local rows, page = portal("crm.contact.list", { SELECT = { "ID", "NAME" }, start = start })
      assert.equal(120, page.total)
      for _, row in ipairs(rows) do
        assert.equal("string", type(row.ID))
        assert.is_nil(row.LAST_NAME)
        seen[#seen + 1] = row.ID
      end
      start = page.next
    until not start
    assert.equal(120, #seen)
  end)

  it("are walked by id without counting", function()
    local rows, page = portal("crm.contact.list", {
      filter = { [">ID"] = "100" }, order = { ID = "ASC" }, select = { "ID" }, start = -1,
    })
    assert.equal(20, #rows)
    assert.same({ total = 0 }, page)
  end)

  it("show phones only when they are selected by name", function()
    local row = portal("crm.contact.list", { filter = { ID = 4 } })[1]
    assert.is_nil(row.PHONE)
    assert.equal("C-000004", row.UF_CRM_1700000301)
    row = portal("crm.contact.list", { filter = { ID = 4 }, select = { "*", "PHONE" } })[1]
    assert.is_nil(row.UF_CRM_1700000301)
    assert.equal(people.person(7, 4).work_phone, row.PHONE[1].VALUE)
    assert.equal("string", type(row.PHONE[1].ID))
    local same = portal("crm.contact.list", { filter = { PHONE = row.PHONE[1].VALUE }, select = { "ID" } })
    assert.same({ { ID = "4" } }, same)
  end)

  it("can be those of a fixture", function()
    local ada = { ID = 7, NAME = "Ada", PHONE = { { VALUE = "+1 2" } } }
    portal = new_portal { fixture = { contacts = { ada } } }
    assert.same({ { ID = "7", NAME = "Ada", PHONE = {
      { ID = "1", VALUE = "+1 2", VALUE_TYPE = "WORK", TYPE_ID = "PHONE" },
    } } }, portal("crm.contact.list", { select = { "NAME", "PHONE" } }))
    local found = portal("crm.duplicate.findbycomm", { type = "PHONE", values = { "12" } })
    assert.same({ CONTACT = { 7 } }, found)
    assert.equal(8, portal("crm.contact.add", { fields = { NAME = "Next" } }))
  end)

  it("ignore what they do not know in a filter", function()
    local _, page = portal("crm.contact.list", { filter = { NO_SUCH_FIELD = 1 } })
    assert.equal(120, page.total)
    _, page = portal("crm.contact.list", { filter = { logic = "OR", ID = 1, ["0"] = { ID = 2 } } })
    assert.equal(1, page.total)
  end)

  it("are added, changed, read and deleted", function()
    local id = portal("crm.contact.add", { fields = {
      NAME = "Ada", ASSIGNED_BY_ID = "3", PHONE = { { VALUE = "+1 2", VALUE_TYPE = "WORK" } }, NONSENSE = 1,
    } })
    assert.equal(121, id)
    local contact = portal("crm.contact.get", { id = id })
    assert.equal("3", contact.ASSIGNED_BY_ID)
    assert.equal("Y", contact.HAS_PHONE)
    assert.equal(json.null, contact.LAST_NAME)
    assert.is_nil(contact.NONSENSE)
    assert.is_true(portal("crm.contact.update", { ID = id, fields = {
      LAST_NAME = "Byron", NAME = "", PHONE = { { ID = contact.PHONE[1].ID, VALUE = "" }, { VALUE = "7" } },
    } }))
    contact = portal("crm.contact.get", { ID = tostring(id) })
    assert.equal("Byron", contact.LAST_NAME)
    assert.equal(json.null, contact.NAME)
    assert.same({ "7" }, column(contact.PHONE, "VALUE"))
    assert.is_true(portal("crm.contact.delete", { id = id }))
    assert.same({ "", "Not found" }, { failure(portal, "crm.contact.get", { id = id }) })
  end)

  it("give amounts with two digits and keep a deal's contacts together", function()
    local id = portal("crm.deal.add", { fields = {
      TITLE = "Big", OPPORTUNITY = 12, CONTACT_IDS = { 3, 5 },
    } })
    local deal = portal("crm.deal.get", { id = id })
    assert.equal("12.00", deal.OPPORTUNITY)
    assert.equal("3", deal.CONTACT_ID)
    assert.equal("NEW", deal.STAGE_ID)
    portal("crm.deal.update", { id = id, fields = { STAGE_ID = "WON" } })
    deal = portal("crm.deal.get", { id = id })
    assert.same({ "S", "Y" }, { deal.STAGE_SEMANTIC_ID, deal.CLOSED })
    assert.equal("Deal #122", portal("crm.deal.get", { id = portal("crm.deal.add", {}) }).TITLE)
  end)
end)

describe("crm.item", function()
  local portal

  before_each(function() portal = new_portal() end)

  it("shows the same contact with other names and types", function()
    local old = portal("crm.contact.get", { id = 8 })
    local item = portal("crm.item.get", { entityTypeId = 3, id = 8 }).item
    assert.equal(8, item.id)
    assert.equal(old.NAME, item.name)
    assert.equal(math.tointeger(tonumber(old.ASSIGNED_BY_ID)), item.assignedById)
    assert.equal(old.DATE_CREATE, item.createdTime)
    assert.equal(old.UF_CRM_1700000301, item.ufCrm_1700000301)
    assert.equal(old.PHONE[1].VALUE, item.fm[1].value)
    assert.equal(3, item.entityTypeId)
  end)

  it("lists under `items` with nested logic", function()
    local result, page = portal("crm.item.list", {
      entityTypeId = "2", select = { "id", "title" },
      filter = {
        ["0"] = { logic = "OR", ["0"] = { ["=%title"] = "Deal #1" }, ["1"] = { id = 7 } },
        ["<id"] = 50,
      },
    })
    assert.same({ { id = 1, title = "Deal #1" }, { id = 7, title = "Deal #7" } }, result.items)
    assert.same({ total = 2 }, page)
    local rows, pages = portal("crm.item.list", { entityTypeId = 2, select = { "id" } })
    assert.equal(50, #rows.items)
    assert.same({ total = 120, next = 50 }, pages)
  end)

  it("refuses unknown fields in filters", function()
    assert.same({ "INVALID_ARG_VALUE", "Invalid filter: field 'nope' is not allowed in filter" },
      { failure(portal, "crm.item.list", { entityTypeId = 2, filter = { ["!nope"] = 1 } }) })
  end)

  it("knows smart processes", function()
    local number = portal("crm.type.list", {}).types[1].entityTypeId
    local added = portal("crm.item.add", {
      entityTypeId = number, fields = { title = "New", opportunity = "5" },
    }).item
    assert.equal(26, added.id)
    assert.equal("integer", math.type(added.opportunity))
    assert.equal("Again", portal("crm.item.update", {
      entityTypeId = number, id = 26, fields = { title = "Again" },
    }).item.title)
    assert.same(json.array {}, portal("crm.item.delete", { entityTypeId = number, id = 26 }))
    assert.equal("NOT_FOUND", failure(portal, "crm.item.get", { entityTypeId = number, id = 26 }))
    assert.same({ "NOT_FOUND", "Smart process not found" },
      { failure(portal, "crm.item.list", { entityTypeId = 9999 }) })
    assert.equal("UF_CRM_1_1700000501", portal("crm.item.fields", { entityTypeId = number })
      .fields.ufCrm1_1700000501.upperName)
  end)

  it("takes phones as fm", function()
    local item = portal("crm.item.add", { entityTypeId = 4, fields = {
      title = "Acme", fm = { ["0"] = { typeId = "PHONE", valueType = "WORK", value = "+15" } },
    } }).item
    assert.equal("+15", item.phoneWork)
    assert.equal("Acme", portal("crm.company.get", { id = item.id }).TITLE)
  end)
end)

describe("call lists", function()
  local portal

  before_each(function() portal = new_portal() end)

  local function add(more)
    local params = { ENTITY_TYPE = "CONTACT", ENTITIES = { 1, "2", 3 }, WEBFORM_ID = 5 }
    for name, value in pairs(more or {}) do params[name] = value end
    return params
  end

  it("are made with their activity and deleted with it", function()
    local id = portal("crm.calllist.add", add())
    assert.equal(5, id)
    local list = portal("crm.calllist.get", { ID = id })
    assert.same({ "5", "1", "5", "3", "CONTACT" },
      { list.ID, list.CREATED_BY_ID, list.WEBFORM_ID, list.ENTITY_TYPE_ID, list.ENTITY_TYPE })
    assert.matches("^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d$", list.DATE_CREATE)
    local found = portal("crm.activity.list", { filter = { SUBJECT = "Call #5" }, select = { "ID" } })
    assert.equal(1, #found)
    assert.is_true(portal("crm.activity.delete", { id = found[1].ID }))
    assert.same({ "Incorrect list id", "An incorrect list identifier was provided." },
      { failure(portal, "crm.calllist.get", { ID = id }) })
  end)

  it("have activities from the start", function()
    for _, list in ipairs(portal("crm.calllist.list", {})) do
      local found = portal("crm.activity.list", { filter = { SUBJECT = "Call #" .. list.ID } })
      assert.equal("CALL_LIST", found[1].PROVIDER_ID)
    end
  end)

  it("show members by status, which the directory defines", function()
    local id = portal("crm.calllist.add", add())
    local items = portal("crm.calllist.items.get", { LIST_ID = id, FILTER = { STATUS = "IN_WORK" } })
    assert.same({ ID = 1, STATUS = "IN_WORK", ENTITY_TYPE = 3 }, items[1])
    assert.equal(3, #items)
    assert.same({}, portal("crm.calllist.items.get", { LIST_ID = id, FILTER = { STATUS = "SUCCESS" } }))
    assert.equal("Incorrect status",
      (failure(portal, "crm.calllist.items.get", { LIST_ID = id, FILTER = { STATUS = "LATER" } })))
    portal("crm.status.add", { fields = {
      ENTITY_ID = "CALL_LIST", STATUS_ID = "LATER", NAME = "Call later", SORT = 15,
    } })
    assert.same({ "IN_WORK", "LATER", "SUCCESS", "WRONG_NUMBER", "STOP_CALLING" },
      column(portal("crm.calllist.statuslist", {}), "STATUS_ID"))
    assert.same({}, portal("crm.calllist.items.get", { LIST_ID = id, FILTER = { STATUS = "LATER" } }))
  end)

  it("are overwritten by update, the form too", function()
    local id = portal("crm.calllist.add", add())
    assert.is_true(portal("crm.calllist.update", {
      LIST_ID = id, ENTITY_TYPE = "CONTACT", ENTITIES = { 3, 4 },
    }))
    assert.same({ 3, 4 }, column(portal("crm.calllist.items.get", { LIST_ID = id }), "ID"))
    assert.equal(json.null, portal("crm.calllist.get", { ID = id }).WEBFORM_ID)
    assert.equal("Discrepancy between the type of call participants and incoming type",
      (failure(portal, "crm.calllist.update", { LIST_ID = id, ENTITY_TYPE = "COMPANY", ENTITIES = { 1 } })))
  end)

  it("are listed all at once", function()
    for _ = 1, 60 do portal("crm.calllist.add", add()) end
    local rows, page = portal("crm.calllist.list", {
      SELECT = { "ID", "CREATED_BY_ID" }, FILTER = { ENTITY_TYPE_ID = 3, ["<=ID"] = 60 },
      ORDER = { ID = "DESC" },
    })
    assert.is_nil(page)
    assert.same({ ID = "60", CREATED_BY_ID = "1" }, rows[1])
    assert.is_true(#rows > 50)
    assert.same({ "100", 'Unknown field definition "TITLE"' },
      { failure(portal, "crm.calllist.list", { FILTER = { ["%TITLE"] = "x" } }) })
    assert.equal("100", (failure(portal, "crm.calllist.list", { SELECT = { "TITLE" } })))
    assert.equal("100", (failure(portal, "crm.calllist.list", { ORDER = { TITLE = "ASC" } })))
  end)

  local REFUSED = {
    { { ENTITIES = json.null }, "Invalid parameters.", "ERROR_ARGUMENT" },
    { { ENTITY_TYPE = "DEAL" }, "Incorrect entity type", "ENTITY_TYPE_ERROR" },
    { { ENTITIES = "1" }, "Entities is not array", "ENTITIES_ERROR" },
    { { ENTITIES = { 1, 99999 } }, "Incorrect entities id", "ENTITY_ERROR" },
    { { ENTITIES = {} }, "Incorrect entities id", "ENTITY_ERROR" },
    { { WEBFORM_ID = 77 }, "Incorrect webform id", "WEBFORM_ERROR" },
  }
  for _, case in ipairs(REFUSED) do
    it("refuse in the words of either edition: " .. case[2], function()
      assert.equal(case[2], (failure(portal, "crm.calllist.add", add(case[1]))))
      assert.equal(case[3], (failure(new_portal { edition = "2026" }, "crm.calllist.add", add(case[1]))))
    end)
  end

  it("are named otherwise in the later edition", function()
    portal = new_portal { edition = "2026" }
    local id = portal("crm.calllist.add", add())
    assert.equal(0, #portal("crm.activity.list", { filter = { SUBJECT = "Call #" .. id } }))
    assert.equal(1, #portal("crm.activity.list", { filter = { SUBJECT = "Call list #" .. id } }))
    assert.same({ "LIST_ID_ERROR", "List id should be positive" },
      { failure(portal, "crm.calllist.items.get", { LIST_ID = 0 }) })
    local _, text = failure(portal, "crm.calllist.list", { FILTER = { TITLE = "x" } })
    assert.equal("Unknown field definition `TITLE` (TITLE) for "
      .. "\\Bitrix\\Crm\\CallList\\Internals\\CallList Entity.", text)
  end)
end)

describe("digital workplaces", function()
  local portal

  before_each(function() portal = new_portal() end)

  local function types_of(id)
    return portal("crm.automatedsolution.get", { id = id }).automatedSolution.typeIds
  end

  it("overwrite their types as a whole, each type in one of them", function()
    local made = portal("crm.automatedsolution.add", { fields = { title = "New", typeIds = { 1, "3" } } })
    assert.same({ id = 4, title = "New", typeIds = { 1, 3 } }, made.automatedSolution)
    assert.same({ 2 }, types_of(1))
    assert.same({}, types_of(2))
    portal("crm.automatedsolution.update", { id = 4, fields = { title = "Other" } })
    assert.same({ 1, 3 }, types_of(4))
    portal("crm.automatedsolution.update", { id = 4, fields = { typeIds = { 3, 5 } } })
    assert.same({ 3, 5 }, types_of(4))
    portal("crm.automatedsolution.update", { id = 4, fields = { typeIds = {} } })
    assert.same({}, types_of(4))
    assert.equal("Other", portal("crm.automatedsolution.get", { id = 4 }).automatedSolution.title)
  end)

  it("are not deleted while types are linked", function()
    assert.equal("HAS_BOUND_TYPES", (failure(portal, "crm.automatedsolution.delete", { id = 1 })))
    portal("crm.automatedsolution.update", { id = 1, fields = { typeIds = json.array {} } })
    assert.equal(json.null, portal("crm.automatedsolution.delete", { id = 1 }))
    assert.equal("NOT_FOUND", (failure(portal, "crm.automatedsolution.get", { id = 1 })))
  end)

  it("need a title", function()
    assert.same({ "BX_EMPTY_REQUIRED", "The required field 'Title' is not filled" },
      { failure(portal, "crm.automatedsolution.add", { fields = { typeIds = { 1 } } }) })
    assert.equal("BX_EMPTY_REQUIRED", (failure(portal, "crm.automatedsolution.update", {
      id = 1, fields = { title = " " } })))
  end)

  it("are filtered with nested logic", function()
    local result, page = portal("crm.automatedsolution.list", {
      order = { title = "ASC" },
      filter = { [">id"] = 1, ["0"] = {
        logic = "OR", ["0"] = { ["%=title"] = "HR%" }, ["1"] = { ["%=title"] = "Customer%" } } },
    })
    assert.same({ "Customer Success" }, column(result.automatedSolutions, "title"))
    assert.equal(1, page.total)
    assert.equal("INVALID_ARG_VALUE",
      (failure(portal, "crm.automatedsolution.list", { filter = { typeIds = 1 } })))
  end)
end)

describe("triggers", function()
  local portal

  before_each(function() portal = new_portal() end)

  it("start for a target that exists", function()
    assert.is_true(portal("crm.automation.trigger", { target = "DEAL_57", code = "c5u4m" }))
    assert.is_true(portal("crm.automation.trigger", { target = "DYNAMIC_1030_2" }))
    assert.same({ 2, 1030 }, column(portal.store:records("trigger_runs"), "OWNER_TYPE_ID"))
    local refused = {
      ["Target is not set."] = "", ["Incorrect target format."] = "DEAL57",
      ["Target is not found."] = "SHIP_5",
    }
    for text, target in pairs(refused) do
      assert.same({ "", text }, { failure(portal, "crm.automation.trigger", { target = target }) })
    end
  end)

  it("of applications are for applications of administrators", function()
    for _, name in ipairs { "add", "execute", "list", "delete" } do
      local about = portal.methods["crm.automation.trigger." .. name].about
      assert.is_true(about.app and about.admin)
    end
  end)

  it("of applications are added, renamed, executed and deleted", function()
    assert.same({}, portal("crm.automation.trigger.list"))
    assert.is_true(portal("crm.automation.trigger.add", { CODE = "a-1.b_c", NAME = "One" }))
    assert.is_true(portal("crm.automation.trigger.add", { CODE = "a-1.b_c", NAME = "Two" }))
    assert.same({ { NAME = "Two", CODE = "a-1.b_c" } }, portal("crm.automation.trigger.list"))
    assert.is_true(portal("crm.automation.trigger.execute", {
      CODE = "a-1.b_c", OWNER_TYPE_ID = "2", OWNER_ID = 6,
    }))
    assert.is_true(portal("crm.automation.trigger.delete", { CODE = "a-1.b_c" }))
    assert.same({}, portal("crm.automation.trigger.list"))
  end)

  it("refuse with an empty code and the exact text", function()
    portal("crm.automation.trigger.add", { CODE = "known", NAME = "One" })
    local cases = {
      { "add", { NAME = "x" }, "Empty trigger code!" },
      { "add", { CODE = "A B", NAME = "x" }, "Wrong trigger code!" },
      { "add", { CODE = "x" }, "Empty trigger name!" },
      { "execute", { CODE = "other", OWNER_TYPE_ID = 2, OWNER_ID = 1 },
        "Trigger with code other is not registered." },
      { "execute", { CODE = "known", OWNER_TYPE_ID = 999, OWNER_ID = 1 },
        "Incorrect parameter OWNER_TYPE_ID." },
      { "execute", { CODE = "known", OWNER_TYPE_ID = 2, OWNER_ID = 0 }, "Incorrect parameter OWNER_ID." },
      { "delete", { CODE = "other" }, "Trigger not found" },
    }
    for _, case in ipairs(cases) do
      assert.same({ "", case[3] }, { failure(portal, "crm.automation.trigger." .. case[1], case[2]) })
    end
  end)
end)

describe("duplicates", function()
  it("are found in any spelling of a phone, in the order of types", function()
    local portal = new_portal()
    -- Contact 5 is user 5, whose mobile it has with spaces and dashes.
    local user = people.person(7, 5)
    local result = portal("crm.duplicate.findbycomm", { type = "PHONE", values = { user.mobile } })
    assert.same({ CONTACT = { 5 } }, result)
    assert.same({ CONTACT = { 5 } },
      portal("crm.duplicate.findbycomm", { type = "phone", values = { user.mobile:sub(3) } }))
    -- Contact 7 shares the e-mail alone, in another case.
    assert.same({ CONTACT = { 7 } },
      portal("crm.duplicate.findbycomm", { type = "EMAIL", values = { people.person(7, 7).email } }))
    -- Contact 100 gave the phone of contact 99 as well as their own.
    local other = people.person(7, 1000099).mobile
    result = portal("crm.duplicate.findbycomm", { type = "PHONE", values = { other } })
    assert.same({ 99, 100 }, result.CONTACT)
  end)

  it("include what was added, and leave out what was changed", function()
    local portal = new_portal()
    local phone = people.person(7, 5).mobile
    local lead = portal("crm.lead.add", { fields = { PHONE = { { VALUE = "1-" .. phone:sub(3) } } } })
    local result = portal("crm.duplicate.findbycomm", { type = "PHONE", values = { phone } })
    assert.same({ LEAD = { lead }, CONTACT = { 5 } }, result)
    assert.same({ CONTACT = { 5 } },
      portal("crm.duplicate.findbycomm", { type = "PHONE", values = { phone }, entity_type = "CONTACT" }))
    portal("crm.contact.delete", { id = 5 })
    result = portal("crm.duplicate.findbycomm", { type = "PHONE", values = { phone } })
    assert.same({ LEAD = { lead } }, result)
    local nothing = portal("crm.duplicate.findbycomm", { type = "PHONE", values = { "999" } })
    assert.equal("[]", json.encode(nothing))
  end)

  it("end with the type that has twenty", function()
    local portal = new_portal()
    local phone = people.person(7, 5).mobile
    for _ = 1, 25 do portal("crm.lead.add", { fields = { PHONE = { { VALUE = phone } } } }) end
    local result = portal("crm.duplicate.findbycomm", { type = "PHONE", values = { phone } })
    assert.equal(20, #result.LEAD)
    assert.equal(31, result.LEAD[1])
    assert.is_nil(result.CONTACT)
  end)

  it("are the same as reading every record finds", function()
    local portal = new_portal()
    for c = 1, 300, 7 do
      local contact = portal.store:get("contacts", c)
      local mail = contact.EMAIL[1]
      if mail then
        local expected = {}
        for _, other in ipairs(portal.store:records("contacts")) do
          for _, item in ipairs(other.EMAIL) do
            if item.VALUE:lower() == mail.VALUE:lower() then expected[#expected + 1] = other.ID end
          end
        end
        assert.same(expected,
          portal("crm.duplicate.findbycomm", { type = "EMAIL", values = { mail.VALUE } }).CONTACT)
      end
    end
  end)

  it("need a type and values", function()
    local portal = new_portal()
    assert.equal("Communication type is not defined", (failure(portal, "crm.duplicate.findbycomm", {})))
    assert.equal("Communication type 'FAX' is not supported in current context",
      (failure(portal, "crm.duplicate.findbycomm", { type = "FAX", values = { "1" } })))
    assert.equal("Communication values is not defined",
      (failure(portal, "crm.duplicate.findbycomm", { type = "PHONE" })))
  end)
end)

describe("directories and types", function()
  it("protect what belongs to the system", function()
    local portal = new_portal()
    local stages, page = portal("crm.status.list", {
      filter = { ENTITY_ID = "DEAL_STAGE" }, order = { SORT = "ASC" },
    })
    assert.equal(8, page.total)
    assert.same({ ID = "101", STATUS_ID = "NEW", SORT = "10", SYSTEM = "Y" }, {
      ID = stages[1].ID, STATUS_ID = stages[1].STATUS_ID, SORT = stages[1].SORT, SYSTEM = stages[1].SYSTEM,
    })
    assert.matches("only if parameter FORCED", (failure(portal, "crm.status.delete", { id = 101 })))
    assert.is_true(portal("crm.status.delete", { id = 101, params = { FORCED = "Y" } }))
    assert.is_true(portal("crm.status.delete", { id = 103 }))
    assert.equal("Status is not found.", (failure(portal, "crm.status.get", { id = 103 })))
    local id = portal("crm.status.add", { fields = {
      ENTITY_ID = "DEAL_STAGE_1", STATUS_ID = "X", NAME = "X",
    } })
    assert.equal("C1:X", portal("crm.status.get", { id = id }).STATUS_ID)
  end)

  it("list every type of objects", function()
    local portal = new_portal()
    local codes = {}
    for _, entry in ipairs(portal("crm.enum.ownertype")) do codes[entry.SYMBOL_CODE] = entry.ID end
    assert.same({ 1, 2, 3, 4, 31, 1030 }, {
      codes.LEAD, codes.DEAL, codes.CONTACT, codes.COMPANY, codes.SMART_INVOICE, codes.DYNAMIC_1030,
    })
    local made = portal("crm.type.add", { fields = { title = "Boats", isClientEnabled = true } }).type
    assert.equal("Y", made.isClientEnabled)
    assert.same({}, portal("crm.item.list", { entityTypeId = made.entityTypeId }).items)
    assert.same({ 0, "SPA not found" }, { failure(portal, "crm.type.get", { id = 99 }) })
    assert.equal("BX_ERROR", (failure(portal, "crm.type.delete", { id = 1 })))
    assert.same({}, portal("crm.type.delete", { id = made.id }))
  end)

  it("survive a reset", function()
    local portal = new_portal()
    portal("crm.calllist.add", { ENTITY_TYPE = "COMPANY", ENTITIES = { 1 } })
    portal("crm.deal.delete", { id = 1 })
    portal.store:reset()
    assert.equal(4, #portal("crm.calllist.list", {}))
    assert.equal("Deal #1", portal("crm.deal.get", { id = 1 }).TITLE)
    assert.equal(5, portal("crm.calllist.add", { ENTITY_TYPE = "COMPANY", ENTITIES = { 1 } }))
  end)
end)
