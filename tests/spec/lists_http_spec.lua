-- Lists over HTTP: every way of paging and every place of the records, checked
-- against what the sandbox holds.

local bitrix24 = require "bitrix24"

local function ids(list, key)
  local out = {}
  for i, record in ipairs(list) do out[i] = math.tointeger(tonumber(record[key])) end
  return out
end

local function numbers(first, last)
  local out = {}
  for i = first, last, first > last + 1 and -1 or 1 do out[#out + 1] = i end
  return out
end

--- All records by calls alone: a page after the other, as the documentation
-- of `start` and `next` tells.
local function by_hand(portal, method, params, key)
  local out, given = {}, {}
  for name, value in pairs(params) do given[name] = value end
  repeat
    local result, response = portal:call(method, given)
    local records = key and result[key] or result
    table.move(records, 1, #records, #out + 1, out)
    given.start = response.next
  until not response.next
  return out
end

describe("lists over HTTP", function()
  local here = require "support.portal" (_ENV, {
    users = 60, contacts = 160, deals = 120, chats = 130, workgroups = 120, tasks = 130,
    automatedsolutions = 60, calllists = 12,
  })

  --- Every way to read a list gives the same records; returns them.
  local function agree(method, params, version)
    local portal = version and here.portal["v" .. version] or here.portal
    local all = portal:all(method, params)
    local each, pages, sizes = {}, {}, 0
    for record in portal:each(method, params) do each[#each + 1] = record end
    for page in portal:pages(method, params) do
      assert.truthy(#page > 0, "an empty page")
      sizes = sizes + #page
      table.move(page, 1, #page, #pages + 1, pages)
    end
    assert.same(all, each)
    assert.same(all, pages)
    assert.equal(#all, sizes)
    assert.equal(#all, portal:count(method, params))
    assert.same(all[1], portal:first(method, params))
    return all
  end

  describe("are complete, in order and each record once:", function()
    it("start and next, records under items", function()
      local all = agree("crm.item.list", { entityTypeId = 3 })
      assert.same(numbers(1, 160), ids(all, "id"))
    end)

    it("start and next, records are the result", function()
      assert.same(numbers(1, 160), ids(agree("crm.contact.list", {}), "ID"))
      assert.same(numbers(1, 120), ids(agree("crm.deal.list", {}), "ID"))
    end)

    it("start and next, records under automatedSolutions", function()
      assert.same(numbers(1, 60), ids(agree("crm.automatedsolution.list", {}), "id"))
    end)

    it("start and next, records under tasks", function()
      assert.same(ids(by_hand(here.portal, "tasks.task.list", {}, "tasks"), "id"),
        ids(agree("tasks.task.list", {}), "id"))
      assert.equal(130, #here.sb:records("tasks"))
    end)

    it("start and next, records under workgroups; and the older method", function()
      local params = { select = { "ID", "NAME" } }
      local all = agree("socialnetwork.api.workgroup.list", params)
      assert.truthy(#all > 100)
      assert.same(by_hand(here.portal, "socialnetwork.api.workgroup.list", params, "workgroups"), all)
      assert.same(ids(by_hand(here.portal, "sonet_group.get", {}), "ID"),
        ids(agree("sonet_group.get", {}), "ID"))
    end)

    it("start and next, people", function()
      assert.same(by_hand(here.portal, "user.get", {}), agree("user.get", {}))
    end)

    it("OFFSET and LIMIT", function()
      local names, expected, offset = {}, {}, 0
      for _, chat in ipairs(here.sb:records("chats")) do names[chat.id] = chat.name end
      repeat
        local page = here.portal.im.search.chat.list { FIND = "Project", LIMIT = 7, OFFSET = offset }
        for _, chat in ipairs(page) do
          expected[#expected + 1] = chat.id
          assert.truthy(names[chat.id]:find("Project", 1, true), names[chat.id])
        end
        offset = offset + 7
      until #page == 0
      assert.truthy(#expected > 10)
      assert.same(expected, ids(agree("im.search.chat.list", { FIND = "Project" }), "id"))
    end)

    it("OFFSET and LIMIT, an object keyed by identifier", function()
      local all = agree("im.search.user.list", { FIND = "example.com" })
      local direct = here.portal.im.search.user.list { FIND = "example.com", LIMIT = 50 }
      local seen, wanted = {}, 0
      for _, user in ipairs(all) do
        assert.is_nil(seen[user.id])
        seen[user.id] = true
      end
      for _, user in pairs(direct) do
        if type(user) == "table" then wanted = wanted + 1; assert.truthy(seen[user.id]) end
      end
      assert.truthy(#all >= wanted)
    end)

    it("LAST_ID and LIMIT", function()
      local dialog
      for _, chat in ipairs(here.sb:records("chats")) do
        if not dialog or #chat.members > #dialog.members then dialog = chat end
      end
      local id = "chat" .. dialog.id
      local all = ids(agree("im.dialog.users.list", { DIALOG_ID = id, LIMIT = 4 }), "id")
      assert.truthy(#all > 4)
      table.sort(all)
      local members = ids(here.portal.im.dialog.users.list { DIALOG_ID = id, LIMIT = 200 }, "id")
      table.sort(members)
      assert.same(members, all)
    end)

    it("messages, newest first", function()
      local all = ids(agree("im.dialog.messages.get", { DIALOG_ID = "chat1" }), "id")
      assert.truthy(#all > 40)
      for i = 2, #all do assert.truthy(all[i] < all[i - 1]) end
    end)

    it("pages that overlap", function()
      local seen = {}
      for item in here.portal.im.recent.list:each { LIMIT = 20 } do
        assert.is_nil(seen[item.id], "twice")
        seen[item.id] = true
      end
      local n = 0
      for _ in pairs(seen) do n = n + 1 end
      assert.equal(#here.portal.im.recent.list:all { LIMIT = 200 }, n)
      assert.truthy(n > 100)
    end)

    it("page numbers", function()
      local all = agree("biconnector.source.list", {})
      assert.same(ids(here.sb:records("sources"), "id"), ids(all, "id"))
      assert.truthy(#all > 50)
    end)

    it("REST 3.0: pages", function()
      assert.same(numbers(1, 130), ids(agree("tasks.task.list", {}, 3), "id"))
      local log = ids(agree("main.eventlog.list", {}, 3), "id")
      assert.truthy(#log > 100)
      for i = 2, #log do assert.truthy(log[i] ~= log[i - 1]) end
    end)

    it("REST 3.0: cursors", function()
      local all = ids(here.portal.main.eventlog.tail:all(), "id")
      local log = ids(here.portal.main.eventlog.list:all(), "id")
      table.sort(all)
      table.sort(log)
      assert.same(log, all)
      assert.equal(120, #here.portal.note.collection.list:all())
    end)

    it("lists of one page", function()
      assert.same(ids(here.sb:records("calllists"), "ID"), ids(agree("crm.calllist.list", {}), "ID"))
      assert.truthy(#agree("crm.status.list", {}) > 50)
      assert.truthy(#agree("department.get", {}) > 1)
      assert.truthy(#agree("crm.type.list", {}) > 1)
    end)

    it("empty lists", function()
      local params = { entityTypeId = 3, filter = { [">id"] = 100000 } }
      assert.same({}, agree("crm.item.list", params))
      assert.is_nil(here.portal.crm.item.list:first(params))
      assert.same({}, agree("crm.contact.list", { filter = { ID = 100000 } }))
      assert.same({}, here.portal.im.search.chat.list:all { FIND = "no such chat anywhere" })
    end)
  end)

  describe("keep", function()
    it("the caller's order and filter", function()
      local params = { entityTypeId = 3, order = { id = "DESC" }, filter = { ["<=id"] = 130, [">id"] = 10 } }
      assert.same(numbers(130, 11), ids(agree("crm.item.list", params), "id"))
      assert.same(ids(by_hand(here.portal, "crm.contact.list", { order = { LAST_NAME = "ASC" } }), "ID"),
        ids(here.portal.crm.contact.list:all { order = { LAST_NAME = "ASC" } }, "ID"))
    end)

    it("the caller's parameters as they are", function()
      local params = { entityTypeId = 3, filter = {}, select = { "id" } }
      here.portal.crm.item.list:all(params)
      assert.same({ entityTypeId = 3, filter = {}, select = { "id" } }, params)
    end)

    it("the caller's own place in the list as its beginning", function()
      local all = here.portal.crm.item.list:all { entityTypeId = 3, start = 100 }
      assert.same(numbers(101, 160), ids(all, "id"))
    end)
  end)

  describe("ask no more than they need:", function()
    it("leaving the loop stops the requests", function()
      for contact in here.portal.crm.item.list:each({ entityTypeId = 3 }, { strategy = "sequential" }) do
        if contact.id == 3 then break end
      end
      here.portal.profile()
      -- the page that was fetched ahead may have arrived or not
      assert.truthy(#here:sent("crm.item.list") <= 2)
    end)

    it("limit", function()
      for limit, requests in pairs { [0] = 0, [1] = 1, [50] = 1, [51] = 2 } do
        here.sb:reset()
        local some = here.portal.crm.item.list:all({ entityTypeId = 3 }, { limit = limit, ahead = 0 })
        assert.same(numbers(1, limit), ids(some, "id"))
        assert.truthy(#here:sent() <= requests, ("%d requests for %d records"):format(#here:sent(), limit))
      end
    end)

    it("first is one request, and so is count where the total is told", function()
      assert.equal(1, here.portal.crm.item.list:first { entityTypeId = 3 }.id)
      assert.equal(1, #here:sent())
      assert.equal(160, here.portal.crm.item.list:count { entityTypeId = 3 })
      assert.equal(2, #here:sent())
      assert.equal(160, here.portal.crm.item.list:first { entityTypeId = 3, order = { id = "DESC" } }.id)
    end)
  end)

  it("tell how far they are", function()
    local seen = {}
    here.portal.crm.item.list:all({ entityTypeId = 3 }, {
      strategy = "sequential", progress = function(done, total) seen[#seen + 1] = { done, total } end,
    })
    assert.same({ { 50, 160 }, { 100, 160 }, { 150, 160 }, { 160, 160 } }, seen)
  end)

  describe("raise, and never end quietly,", function()
    local function walk(opts)
      local n = 0
      local ok, e = pcall(function()
        for _ in here.portal.crm.item.list:each({ entityTypeId = 3 }, opts) do n = n + 1 end
      end)
      assert.is_false(ok, ("ended after %d records"):format(n))
      assert.is_true(bitrix24.is_error(e), tostring(e))
      return e, n
    end
    local sequential = { strategy = "sequential" }

    it("when a page in the middle fails", function()
      here.sb:fault { method = "crm.item.list", nth = 3, action = { error = "ACCESS_DENIED", status = 403 } }
      local e, n = walk(sequential)
      assert.equal("ACCESS_DENIED", e.code)
      assert.equal(100, n)
    end)

    it("when a page is no page", function()
      for _, body in ipairs { '{"result":{"items":7},"time":{}}', '{"result":7,"time":{}}',
        '{"result":null,"time":{}}', '{"result":{"id":1},"time":{}}' } do
        here.sb:fault { method = "crm.item.list", nth = 2, action = { body = body } }
        assert.equal("protocol", walk(sequential).kind, body)
      end
    end)

    it("when the portal repeats itself", function()
      local page = '{"result":{"items":[{"id":1},{"id":2}]},"next":50,"total":500,"time":{}}'
      here.sb:fault { method = "crm.item.list", count = 200, action = { body = page } }
      assert.equal("protocol", walk(sequential).kind)
      assert.truthy(#here:sent() < 10)
    end)

    it("but a page that failed for a moment is asked again", function()
      here.sb:fault { method = "crm.item.list", nth = 2, action = "reset" }
      here.sb:fault { method = "crm.item.list", nth = 4, action = "html" }
      local all = here.portal.crm.item.list:all({ entityTypeId = 3 }, sequential)
      assert.same(numbers(1, 160), ids(all, "id"))
    end)

    it("again on every further step of the same iterator", function()
      here.sb:fault { method = "crm.item.list", nth = 2, action = { error = "ACCESS_DENIED", status = 403 } }
      local step, _, _, closing = here.portal.crm.item.list:pages({ entityTypeId = 3 }, sequential)
      assert.equal(50, #step())
      assert.equal("ACCESS_DENIED", here.raises(nil, step).code)
      assert.equal("ACCESS_DENIED", here.raises(nil, step).code)
      assert.is_not_nil(closing)
    end)
  end)

  it("refuse options that are not theirs", function()
    local list = here.portal.crm.item.list
    local e = here.raises("config", list.all, list, { entityTypeId = 3 }, { limt = 5 })
    assert.truthy(tostring(e):find("'limit'", 1, true), tostring(e))
    for _, opts in ipairs { { limit = -1 }, { limit = "5" }, { progress = 1 }, { strategy = "fast" }, 7 } do
      here.raises("config", list.each, list, { entityTypeId = 3 }, opts)
    end
    here.raises("config", list.each, list, "x")
    assert.equal(0, #here:sent())
  end)
end)
