-- Searching chats and listing their members as their pages document it
-- (chats/search/im-search-chat-list, chats/chat-users/im-dialog-users-list).

local sandbox = require "bitrix24.sandbox"
local scripted = require "support.scripted"

local failure = scripted.failure

local SEARCH, MEMBERS = "im.search.chat.list", "im.dialog.users.list"

local sb, portal

local function open(options)
  options = options or {}
  options.limits = false
  sb = sandbox.start(options)
  portal = sb:connect { nulls = "keep", retries = 0 }
end

local function close()
  portal:close()
  assert.same({}, sb:errors())
  sb:stop()
end

local function ids(rows)
  local out = {}
  for i, row in ipairs(rows) do out[i] = row.id end
  return out
end

describe(SEARCH, function()
  before_each(open)
  after_each(close)

  it("is sent and answered as documented", function()
    local example = scripted.example(SEARCH)
    local rows, response = portal:call(SEARCH, example.request)
    scripted.assert_sent(sb, example)
    local kinds, documented = {}, example.response.result[1]
    for _, row in ipairs(rows) do
      kinds[row.type] = true
      -- the example is the chat of a group, which alone has a path
      local is_group = row.type == "sonetGroup"
      documented.restrictions.path = is_group and "/workgroups/group/#ID#/" or nil
      documented.restrictions.path_title = is_group and "Go to group" or nil
      assert.is_nil(scripted.difference(documented, row))
    end
    assert.truthy(kinds.sonetGroup)
    assert.truthy(#rows > 0 and #rows <= 10)
    assert.truthy(response.total >= #rows)
    assert.equal(response.total > 10 and 10 or nil, response.next)
  end)

  it("answers newest first, with whole ids that make dialog ids", function()
    local rows = portal.im.search.chat.list { FIND = "Project", LIMIT = 50 }
    for i = 2, #rows do assert.truthy(rows[i - 1].id > rows[i].id) end
    for _, row in ipairs(rows) do
      assert.equal("integer", math.type(row.id))
      assert.truthy(("chat" .. row.id):find("^chat%d+$"))
    end
  end)

  it("gives 10 by default and never more than 50", function()
    close()
    open { chats = 400 }
    local rows, response = portal.im.search.chat.list { FIND = "Project" }
    assert.same({ 10, 10 }, { #rows, response.next })
    rows = portal.im.search.chat.list { FIND = "Project", LIMIT = 500 }
    assert.equal(50, #rows)
  end)

  it("goes on at OFFSET without a gap", function()
    local whole = ids(portal.im.search.chat.list:all { FIND = "Project" })
    local first = ids((portal.im.search.chat.list { FIND = "Project", LIMIT = 3, OFFSET = 0 }))
    local second = ids((portal.im.search.chat.list { FIND = "Project", LIMIT = 3, OFFSET = 3 }))
    assert.same({ table.unpack(whole, 1, 6) }, { first[1], first[2], first[3], table.unpack(second) })
  end)

  it("finds nothing as an empty list", function()
    local rows, response = portal.im.search.chat.list { FIND = "no such phrase" }
    assert.same({ 0, 0 }, { #rows, response.total })
  end)

  it("finds the chats of open channels by FIND_LINES", function()
    local rows = portal.im.search.chat.list { FIND_LINES = "Open Channel", LIMIT = 50 }
    assert.truthy(#rows > 0)
    for _, row in ipairs(rows) do assert.equal("lines", row.type) end
  end)

  for _, params in ipairs { {}, { FIND = "ab" }, { FIND_LINES = "жж" }, { FIND = "" } } do
    it("refuses a phrase that is too short: " .. (params.FIND or params.FIND_LINES or "none"), function()
      local e = failure(sb, { kind = "api", code = "FIND_SHORT", message = "Too short a search phrase.",
        status = 400, method = SEARCH, sent = true, retryable = false, attempts = 1 },
        portal.call, portal, SEARCH, params)
      local line = SEARCH .. ': api error "FIND_SHORT" (HTTP 400): Too short a search phrase.'
      assert.truthy(tostring(e):find(line, 1, true))
    end)
  end
end)

describe(MEMBERS, function()
  before_each(function()
    open()
    sb:set("chats", 2935, {
      name = "Project: documented", type = "chat", message_type = "C", owner = 2, members = { 2, 9, 1, 5 },
    })
  end)
  after_each(close)

  it("is sent and answered as documented", function()
    local rows, response = scripted.call(sb, portal, scripted.example(MEMBERS))
    assert.truthy(#rows > 0 and #rows <= 4)
    assert.equal(#rows, response.total)
  end)

  it("answers in the order of joining", function()
    assert.same({ 2, 9, 1, 5 }, ids((portal.im.dialog.users.list { DIALOG_ID = "chat2935" })))
  end)

  it("has phones as an object, or false", function()
    local kinds = {}
    for user in portal.im.dialog.users.list:each { DIALOG_ID = "chat3" } do
      kinds[type(user.phones)] = true
      assert.truthy(user.phones == false or next(user.phones))
      for name, number in pairs(user.phones or {}) do
        assert.same({ "string", "string" }, { type(name), type(number) })
      end
    end
    for kind in pairs(kinds) do assert.truthy(kind == "boolean" or kind == "table") end
  end)

  it("goes on behind LAST_ID and at OFFSET", function()
    local first = portal.im.dialog.users.list { DIALOG_ID = "chat2935", LIMIT = 2 }
    assert.same({ 2, 9 }, ids(first))
    for _, params in ipairs { { LAST_ID = 9 }, { OFFSET = 2 } } do
      params.DIALOG_ID, params.LIMIT = "chat2935", 2
      assert.same({ 1, 5 }, ids((portal.im.dialog.users.list(params))))
    end
  end)

  it("takes the dialogs of chats, of groups and of users", function()
    local groups = portal.socialnetwork.api.workgroup.list {
      select = { "ID" }, params = { shouldSelectDialogId = "Y" },
    }.workgroups
    local group
    for _, one in ipairs(groups) do group = group or one.dialogId ~= "" and one or nil end
    assert.truthy(group)
    local by_group = ids((portal.im.dialog.users.list { DIALOG_ID = "sg" .. group.id }))
    assert.same(ids((portal.im.dialog.users.list { DIALOG_ID = group.dialogId })), by_group)
    assert.same({ 1, 2 }, (function()
      local pair = ids((portal.im.dialog.users.list { DIALOG_ID = "2" }))
      table.sort(pair)
      return pair
    end)())
  end)

  local WRONG = {
    { {}, "DIALOG_ID_EMPTY", "Dialog ID can't be empty", 400 },
    { { DIALOG_ID = "room7" }, "DIALOG_ID_EMPTY", "Dialog ID can't be empty", 400 },
    { { DIALOG_ID = "987654" }, "ACCESS_ERROR", "You do not have access to the specified dialog", 403 },
    { { DIALOG_ID = "chat987654" }, "ACCESS_ERROR", "You don't have access to this chat", 403 },
  }
  for _, row in ipairs(WRONG) do
    it(("refuses %s: %s"):format(row[1].DIALOG_ID or "nothing", row[3]), function()
      local e = failure(sb, { kind = "api", code = row[2], message = row[3], status = row[4],
        method = MEMBERS, sent = true, retryable = false, attempts = 1 },
        portal.call, portal, MEMBERS, row[1])
      assert.truthy(tostring(e):find(MEMBERS, 1, true) and tostring(e):find(row[2], 1, true)
        and tostring(e):find(row[3], 1, true))
    end)
  end

  it("refuses a chat of others", function()
    sb:set("chats", 50, { name = "Theirs", type = "chat", message_type = "C", owner = 2, members = { 2, 3 } })
    failure(sb, { kind = "api", code = "ACCESS_ERROR", status = 403,
      message = "You don't have access to this chat" },
      portal.call, portal, MEMBERS, { DIALOG_ID = "chat50" })
  end)

  it("says which parameter is missing", function()
    local e = failure(sb, {}, portal.call, portal, MEMBERS, {})
    assert.equal("missing required parameter: DIALOG_ID", e.hint)
  end)

  it("ends a list with the error, not quietly", function()
    local members = {}
    for id = 1, 45 do members[id] = id end
    sb:set("chats", 7, { name = "Many", type = "chat", message_type = "C", owner = 1, members = members })
    sb:fault { method = MEMBERS, nth = 2, action = { status = 403, error = "ACCESS_ERROR",
      description = "You don't have access to this chat" } }
    local seen = 0
    failure(sb, { kind = "api", code = "ACCESS_ERROR", status = 403 }, function()
      for _ in portal.im.dialog.users.list:each({ DIALOG_ID = "chat7", LIMIT = 20 },
        { strategy = "sequential" }) do
        seen = seen + 1
      end
    end)
    assert.equal(20, seen)
  end)
end)
