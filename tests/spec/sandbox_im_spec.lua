-- The sandbox's messenger, users, groups, company structure and tasks, called
-- directly: no HTTP, a portal of just what the domains need.

local json = require "bitrix24.json"
local stores = require "bitrix24.sandbox.store"

local NOW = 1780000000
local DOMAINS = { "users", "departments", "groups", "chats", "im", "hr", "tasks" }

local function call_of(portal, method, params, as)
  local call = {
    params = params, user_id = as.user or 1, auth = as.auth or "webhook",
    store = portal.store, portal = portal,
  }
  function call.param(_, name)
    if params[name] ~= nil then
      return params[name]
    end
    for key, value in pairs(params) do
      if tostring(key):lower() == name:lower() then
        return value
      end
    end
    return nil
  end
  function call.fail(_, code, description, status)
    error({ code = code, description = description, status = status or 400, method = method }, 0)
  end
  function call.fail3(_, suffix, message, status, validation)
    error({ code = suffix, description = message, status = status or 400, validation = validation }, 0)
  end
  return call
end

-- A portal: portal(name, params, {user=, version=, auth=}) → result, envelope.
local function new_portal(sizes, fixture)
  local portal = {
    options = { seed = 7, sizes = sizes }, methods = { [2] = {}, [3] = {} }, url = "http://portal",
  }
  portal.store = stores.new { seed = 7, sizes = sizes, fixture = fixture }
  function portal.method(_, name, about, run)
    portal.methods[about.version or 2][name] = run
  end
  function portal.now()
    return NOW
  end
  function portal.date(_, at)
    return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(at or NOW)) .. "+00:00"
  end
  for _, name in ipairs(DOMAINS) do
    require("bitrix24.sandbox." .. name)(portal)
  end
  return setmetatable(portal, { __call = function(_, name, params, as)
    as = as or {}
    local run = assert(portal.methods[as.version or 2][name], "no method " .. name)
    return run(call_of(portal, name, params or {}, as))
  end })
end

local function failure(portal, name, params, as)
  local done, problem = pcall(portal, name, params, as)
  assert(not done, name .. " did not fail")
  assert(type(problem) == "table", tostring(problem))
  return problem
end

local function ids(list, key)
  local out = {}
  for i, item in ipairs(list) do
    out[i] = item[key or "id"]
  end
  return out
end

local function includes(list, value)
  for _, one in ipairs(list) do
    if one == value then
      return true
    end
  end
  return false
end

-- A chat the webhook's owner is in (or not), with at least `members` members.
local function some_chat(portal, mine, members)
  for _, chat in ipairs(portal.store:records("chats")) do
    if chat.type == "chat" and includes(chat.members, 1) == mine and #chat.members >= (members or 1) then
      return chat
    end
  end
  error("no such chat")
end

describe("sandbox: im.search.chat.list", function()
  local portal = new_portal { chats = 200 }

  -- Ids of all chats found, page by page.
  local function search(phrase, limit, as)
    local found, offset = {}, 0
    repeat
      local params = { FIND = phrase, LIMIT = limit, OFFSET = offset }
      local list, envelope = portal("im.search.chat.list", params, as)
      table.move(ids(list), 1, #list, #found + 1, found)
      offset = envelope.next
    until not offset
    return found
  end

  it("finds chats by title, newest first, ten by default", function()
    local list, envelope = portal("im.search.chat.list", { FIND = "Project" })
    assert.equal(10, #list)
    assert.equal(10, envelope.next)
    assert.is_true(envelope.total > 10)
    for i = 2, #list do
      assert.is_true(list[i - 1].id > list[i].id)
    end
    assert.equal("number", type(list[1].owner))
    assert.same(json.null, list[1].background_id)
  end)

  it("walks all pages by OFFSET and gives each chat once", function()
    local _, envelope = portal("im.search.chat.list", { FIND = "Project" })
    local found = search("Project", 7)
    local seen = {}
    for _, id in ipairs(found) do
      assert.is_nil(seen[id])
      seen[id] = true
    end
    assert.equal(envelope.total, #found)
  end)

  it("cuts LIMIT at 50", function()
    assert.is_true(#portal("im.search.chat.list", { FIND = "Project", LIMIT = 500 }) <= 50)
  end)

  it("counts characters, not bytes", function()
    assert.equal("FIND_SHORT", failure(portal, "im.search.chat.list", { FIND = "ül" }).code)
    assert.equal(400, failure(portal, "im.search.chat.list", {}).status)
    assert.equal("table", type(portal("im.search.chat.list", { FIND = "mül" })))
  end)

  it("finds chats by their members' names, in any letter case", function()
    local chat = some_chat(portal, true, 3)
    local user = portal("im.user.get", { ID = chat.members[2] })
    assert.is_true(includes(search(user.name:upper(), 50), chat.id))
  end)

  it("shows only chats the caller may see", function()
    local hidden = some_chat(portal, false)
    assert.is_false(includes(search(hidden.name, 50), hidden.id))
    assert.is_true(includes(search(hidden.name, 50, { user = hidden.owner }), hidden.id))
  end)

  it("looks for Open Channels with FIND_LINES alone", function()
    for _, chat in ipairs((portal("im.search.chat.list", { FIND_LINES = "Open Channel", LIMIT = 50 }))) do
      assert.equal("lines", chat.type)
    end
    for _, chat in ipairs((portal("im.search.chat.list", { FIND = "Project", LIMIT = 50 }))) do
      assert.not_equal("lines", chat.type)
    end
  end)
end)

describe("sandbox: im.dialog.users.list", function()
  local portal = new_portal { chats = 200, chat_users = 25 }
  local chat = some_chat(portal, true, 25)
  local dialog = "chat" .. chat.id

  it("gives everybody once, by LAST_ID and by OFFSET alike", function()
    local all, envelope = portal("im.dialog.users.list", { DIALOG_ID = dialog })
    assert.equal(25, #all)
    assert.equal(25, envelope.total)
    assert.is_nil(envelope.next)
    local by_last, last = {}, nil
    repeat
      local page = portal("im.dialog.users.list", { DIALOG_ID = dialog, LIMIT = 4, LAST_ID = last })
      table.move(ids(page), 1, #page, #by_last + 1, by_last)
      last = page[#page] and page[#page].id
    until #page < 4
    assert.same(ids(all), by_last)
    local by_offset, offset = {}, 0
    repeat
      local page, more = portal("im.dialog.users.list", { DIALOG_ID = dialog, LIMIT = "4", OFFSET = offset })
      table.move(ids(page), 1, #page, #by_offset + 1, by_offset)
      offset = more.next
    until not offset
    assert.same(ids(all), by_offset)
  end)

  it("leaves out system users but the kinds asked for", function()
    local kinds = {}
    for _, user in ipairs((portal("im.dialog.users.list", { DIALOG_ID = dialog, SKIP_EXTERNAL = "Y" }))) do
      kinds[user.external_auth_id] = true
    end
    assert.same({ socservices = true }, kinds)
    local all = portal("im.dialog.users.list", { DIALOG_ID = dialog })
    local wanted = 0
    for _, user in ipairs(all) do
      wanted = wanted + ((user.bot or user.external_auth_id == "socservices") and 1 or 0)
    end
    local _, kept = portal("im.dialog.users.list",
      { DIALOG_ID = dialog, SKIP_EXTERNAL = "Y", SKIP_EXTERNAL_EXCEPT_TYPES = "bot" })
    assert.equal(wanted, kept.total)
  end)

  it("has phones that are false or an object, departments always a list", function()
    local with, without = 0, 0
    for _, user in ipairs((portal("im.dialog.users.list", { DIALOG_ID = dialog }))) do
      if user.phones == false then
        without = without + 1
      else
        with = with + 1
        assert.equal("string", type(user.phones.personal_mobile or user.phones.work_phone))
      end
      assert.equal("table", type(user.departments))
    end
    assert.is_true(with > 0 and without > 0)
  end)

  it("knows groups and personal dialogs", function()
    local users = portal("im.dialog.users.list", { DIALOG_ID = "2" })
    assert.same({ 1, 2 }, ids(users))
    local group
    for _, one in ipairs(portal.store:records("workgroups")) do
      if one.CHAT_ID ~= 0 and includes(one.MEMBERS, 1) then
        group = one
      end
    end
    local _, of_group = portal("im.dialog.users.list", { DIALOG_ID = "sg" .. group.ID })
    local _, of_chat = portal("im.dialog.users.list", { DIALOG_ID = "chat" .. group.CHAT_ID })
    assert.equal(of_chat.total, of_group.total)
  end)

  it("refuses a missing dialog and one of others", function()
    for _, bad in ipairs { "", "chat", "foo1", "chat0", "chatX" } do
      local problem = failure(portal, "im.dialog.users.list", { DIALOG_ID = bad })
      assert.same({ "DIALOG_ID_EMPTY", 400 }, { problem.code, problem.status })
    end
    assert.equal("DIALOG_ID_EMPTY", failure(portal, "im.dialog.users.list", {}).code)
    local hidden = some_chat(portal, false)
    for _, none in ipairs { "chat" .. hidden.id, "chat99999", "sg99999", "99999" } do
      local problem = failure(portal, "im.dialog.users.list", { DIALOG_ID = none })
      assert.same({ "ACCESS_ERROR", 403 }, { problem.code, problem.status })
    end
  end)
end)

describe("sandbox: messages", function()
  local portal = new_portal { chats = 60 }

  it("pages by LAST_ID from new to old and by FIRST_ID the other way", function()
    local chat = some_chat(portal, true)
    local dialog = "chat" .. chat.id
    local down, last = {}, nil
    repeat
      local answer = portal("im.dialog.messages.get", { DIALOG_ID = dialog, LIMIT = 6, LAST_ID = last })
      table.move(ids(answer.messages), 1, #answer.messages, #down + 1, down)
      last = down[#down]
    until #answer.messages < 6
    assert.equal(chat.message_count, #down)
    local up, first = {}, 0
    repeat
      local answer = portal("im.dialog.messages.get", { DIALOG_ID = dialog, LIMIT = 50, FIRST_ID = first })
      table.move(ids(answer.messages), 1, #answer.messages, #up + 1, up)
      first = up[#up]
    until #answer.messages < 50
    table.sort(down)
    assert.same(down, up)
  end)

  it("writes a message that is then the last one and on top", function()
    local id = portal("im.message.add", { DIALOG_ID = "2", MESSAGE = "Hello" })
    local message = portal("im.dialog.messages.get", { DIALOG_ID = "2", LIMIT = 1 }).messages[1]
    assert.same({ id, "Hello", 1 }, { message.id, message.text, message.author_id })
    assert.equal(2, portal("im.recent.list", {}).items[1].id)
    local chat = some_chat(portal, true)
    id = portal("im.message.add", { DIALOG_ID = "chat" .. chat.id, MESSAGE = "Hello all" })
    local top = portal("im.recent.list", {}).items
    local found
    for _, item in ipairs(top) do
      found = found or item.id == "chat" .. chat.id and item
    end
    assert.equal(id, found.message.id)
  end)

  it("refuses an empty message and a foreign reply", function()
    assert.equal("MESSAGE_EMPTY", failure(portal, "im.message.add", { DIALOG_ID = "2" }).code)
    assert.equal("REPLY_FROM_OTHER_CHAT_ERROR",
      failure(portal, "im.message.add", { DIALOG_ID = "2", MESSAGE = "x", REPLY_ID = 5 }).code)
    assert.equal("LAST_ID_STRING",
      failure(portal, "im.dialog.messages.get", { DIALOG_ID = "2", LAST_ID = "x" }).code)
  end)
end)

describe("sandbox: im.recent.list", function()
  local portal = new_portal { chats = 200 }

  local function walk(limit, more)
    local seen, repeated, offset = {}, 0, 0
    repeat
      local params = { LIMIT = limit, OFFSET = offset }
      for key, value in pairs(more or {}) do
        params[key] = value
      end
      local answer, envelope = portal("im.recent.list", params)
      assert.equal(-1, envelope.total)
      assert.equal(answer.hasMore, answer.hasMorePages)
      assert.is_true(#answer.items <= limit)
      for _, item in ipairs(answer.items) do
        repeated = repeated + (seen[item.id] and 1 or 0)
        seen[item.id] = true
        if item.type == "chat" then
          assert.equal("chat" .. item.chat_id, item.id)
        else
          assert.equal("integer", math.type(item.id))
        end
      end
      offset = offset + limit
    until not answer.hasMore
    local count = 0
    for _ in pairs(seen) do
      count = count + 1
    end
    return count, repeated
  end

  it("overlaps at page borders and is complete when OFFSET grows by LIMIT", function()
    local count, repeated = walk(50)
    assert.is_true(repeated >= 1)
    assert.equal((walk(200)), count)
    assert.equal(count, (walk(20)))
    local chats = 0
    for _, chat in ipairs(portal.store:records("chats")) do
      chats = chats + (includes(chat.members, 1) and 1 or 0)
    end
    assert.equal(chats, (walk(50, { SKIP_DIALOG = "Y" })))
  end)

  it("has no overlaps without Open Channels", function()
    local _, repeated = walk(50, { SKIP_OPENLINES = "Y" })
    assert.equal(0, repeated)
  end)
end)

describe("sandbox: im users", function()
  local portal = new_portal {}

  it("answers a search with an object keyed by id, and [] for nobody", function()
    local user = portal("im.user.get", { ID = 1 })
    local found, envelope = portal("im.search.user.list", { FIND = user.last_name })
    assert.equal(user.name, found["1"].name)
    assert.is_true(envelope.total >= 1)
    assert.equal("[]", json.encode((portal("im.search.user.list", { FIND = "nobody at all" }))))
  end)

  it("tells missing from unknown users", function()
    assert.equal(1, portal("im.user.get", {}).id)
    assert.equal("ID_EMPTY", failure(portal, "im.user.get", { ID = "x" }).code)
    assert.equal("USER_NOT_EXISTS", failure(portal, "im.user.get", { ID = 9999 }).code)
  end)

  it("pages notifications by LAST_ID with LAST_TYPE", function()
    local seen, last = {}, {}
    repeat
      local answer = portal("im.notify.get", last)
      for _, note in ipairs(answer.notifications) do
        assert.is_nil(seen[note.id])
        seen[note.id] = true
        last = { LAST_ID = note.id, LAST_TYPE = note.notify_type }
      end
    until #answer.notifications < 50
    assert.equal(120, #seen)
    assert.equal("LAST_ID_AND_LAST_TYPE", failure(portal, "im.notify.get", { LAST_ID = 5 }).code)
  end)
end)

describe("sandbox: user.get", function()
  local portal = new_portal { users = 130 }

  it("pages by 50 and leaves out bots, mail and channel users", function()
    local all, start = {}, 0
    repeat
      local page, envelope = portal("user.get", { start = start })
      for _, user in ipairs(page) do
        assert.equal("string", type(user.ID))
        assert.is_true(user.USER_TYPE == "employee" or user.USER_TYPE == "extranet")
        all[#all + 1] = user.ID
      end
      start = envelope.next
    until not start
    local wanted = 0
    for _, user in ipairs(portal.store:records("users")) do
      wanted = wanted + ((user.USER_TYPE == "employee" or user.USER_TYPE == "extranet") and 1 or 0)
    end
    assert.equal(wanted, #all)
    assert.is_true(wanted < 130)
  end)

  it("takes `start` as a page and -1 as no counting", function()
    assert.same(ids((portal("user.get", {})), "ID"), ids((portal("user.get", { start = 10 })), "ID"))
    local _, envelope = portal("user.get", { start = -1 })
    assert.is_nil(envelope.total)
    assert.is_nil(envelope.next)
  end)

  it("filters at the root and in FILTER, and sorts by scalars", function()
    local rooted = portal("user.get", { UF_DEPARTMENT = 2, SORT = "ID", ORDER = "desc" })
    local nested = portal("user.get", { FILTER = { UF_DEPARTMENT = { 2 } }, sort = "ID", order = "DESC" })
    assert.same(ids(rooted, "ID"), ids(nested, "ID"))
    assert.is_true(#rooted > 1 and tonumber(rooted[1].ID) > tonumber(rooted[2].ID))
    for _, user in ipairs(rooted) do
      assert.is_true(includes(user.UF_DEPARTMENT, 2))
    end
    for _, user in ipairs((portal("user.get", { filter = { ACTIVE = "Y" } }))) do
      assert.is_true(user.ACTIVE)
    end
    local first = portal("user.get", { ID = 3 })
    assert.same({ "3" }, ids(first, "ID"))
    local name = first[1].NAME
    local _, some = portal("user.get", { filter = { NAME = name:sub(1, 1) .. "%" } })
    assert.is_true(some.total >= 1)
  end)

  it("knows the caller", function()
    assert.equal("1", portal("user.current", {}).ID)
    assert.is_true(#portal("user.search", { FIND = portal("user.current", {}).LAST_NAME }) >= 1)
    assert.equal("ID", portal("user.fields", {}).ID)
  end)
end)

describe("sandbox: departments", function()
  local portal = new_portal { departments = 12 }

  it("have one root, heads and parents as text", function()
    local list, envelope = portal("department.get", {})
    assert.equal(12, envelope.total)
    assert.is_nil(list[1].PARENT)
    assert.equal("1", list[1].UF_HEAD)
    for i = 2, #list do
      assert.equal("string", type(list[i].PARENT))
    end
  end)

  it("filter and sort", function()
    local list = portal("department.get", { sort = "NAME", order = "DESC", PARENT = 1 })
    for i = 2, #list do
      assert.is_true(list[i - 1].NAME:lower() >= list[i].NAME:lower())
      assert.equal("1", list[i].PARENT)
    end
  end)
end)

describe("sandbox: workgroups", function()
  local portal = new_portal {}

  it("are answered in camelCase as text, ids alone by default", function()
    local answer, envelope = portal("socialnetwork.api.workgroup.list", { params = { IS_ADMIN = "Y" } })
    assert.same({ id = "1" }, answer.workgroups[1])
    assert.same({ 60, 50, 50 }, { envelope.total, envelope.next, #answer.workgroups })
    local rest, last = portal("socialnetwork.api.workgroup.list", { params = { IS_ADMIN = "Y" }, start = 50 })
    assert.equal(10, #rest.workgroups)
    assert.is_nil(last.next)
    local _, uncounted = portal("socialnetwork.api.workgroup.list", { start = -1 })
    assert.is_nil(uncounted.total)
  end)

  it("have what mode and shouldSelectDialogId ask for", function()
    local answer = portal("socialnetwork.api.workgroup.list", {
      filter = { ACTIVE = "Y", CLOSED = "N", ["%NAME"] = "project" },
      select = { "ID", "NAME", "TYPE", "AVATAR" },
      order = { ID = "DESC" }, params = { mode = "mobile", shouldSelectDialogId = "Y" },
    })
    local keys = {}
    for _, group in ipairs(answer.workgroups) do
      for key in pairs(group) do
        keys[key] = true
      end
      assert.is_true(group.dialogId == "" or group.dialogId:match("^chat%d+$") ~= nil)
      assert.is_not_nil(group.name:lower():find("project", 1, true))
    end
    assert.same({ id = true, name = true, type = true, imageId = true, avatarType = true, avatar = true,
      additionalData = true, dialogId = true }, keys)
  end)

  it("hide secret groups from outsiders", function()
    local _, mine = portal("socialnetwork.api.workgroup.list", {})
    local _, all = portal("socialnetwork.api.workgroup.list", { params = { IS_ADMIN = "Y" } })
    local as_admin = { params = { IS_ADMIN = "Y" } }
    local _, ignored = portal("socialnetwork.api.workgroup.list", as_admin, { user = 2 })
    assert.is_true(mine.total < all.total)
    assert.is_true(ignored.total < all.total)
  end)

  it("show one with its chat, or why not", function()
    local group = portal("socialnetwork.api.workgroup.get", { params = { groupId = 1, select = { "TAGS" } } })
    assert.equal("chat" .. group.CHAT_ID, group.DIALOG_ID)
    assert.equal("SONET_CONTROLLER_WORKGROUP_EMPTY",
      failure(portal, "socialnetwork.api.workgroup.get", {}).code)
    assert.equal("SONET_CONTROLLER_WORKGROUP_NOT_FOUND",
      failure(portal, "socialnetwork.api.workgroup.get", { params = { groupId = 999 } }).code)
    local chat = portal("im.chat.get", { ENTITY_TYPE = "SONET_GROUP", ENTITY_ID = "1" })
    assert.equal(group.CHAT_ID, chat.ID)
  end)

  it("are created, changed and deleted by sonet_group.*", function()
    local id = portal("sonet_group.create", { NAME = "New Project", PROJECT = "Y" })
    assert.equal("integer", math.type(id))
    assert.equal(id, portal("sonet_group.update", { GROUP_ID = id, NAME = "Other title" }))
    local found = portal("sonet_group.get", { FILTER = { ID = id } })
    assert.same({ tostring(id), "Other title", "Y" }, { found[1].ID, found[1].NAME, found[1].PROJECT })
    assert.same({ { USER_ID = "1", ROLE = "A" } }, portal("sonet_group.user.get", { ID = id }))
    assert.is_true(portal("sonet_group.delete", { GROUP_ID = id }))
    assert.equal("", failure(portal, "sonet_group.delete", { GROUP_ID = id }).code)
    assert.equal("", failure(portal, "sonet_group.create", {}).code)
  end)
end)

describe("sandbox: humanresources.node", function()
  local portal = new_portal { chats = 200, departments = 230 }
  local v3 = { version = 3 }

  it("lists chats, channels and collabs, and counts what is closed", function()
    local closed, total = 0, 0
    for id = 1, 60 do
      local result = portal("humanresources.node.communication.list", { id = id }, v3)
      for _, key in ipairs { "chats", "channels", "collabs" } do
        total = total + #result[key]
        closed = closed + result[key .. "NoAccess"]
        for _, item in ipairs(result[key]) do
          assert.equal("chat" .. item.id, item.dialogId)
          assert.is_true(item.hasAccess)
          assert.equal(key == "collabs", item.color == nil)
        end
      end
    end
    assert.is_true(total > 60 and closed > 0)
  end)

  it("refuses as its page says", function()
    local problem = failure(portal, "humanresources.node.communication.list", {}, v3)
    assert.equal("VALIDATION_REQUESTVALIDATIONEXCEPTION", problem.code)
    assert.same({ { field = "id", message = "Required field `id` is missing" } }, problem.validation)
    assert.equal("ENTITYNOTFOUNDEXCEPTION",
      failure(portal, "humanresources.node.communication.list", { id = 99999 }, v3).code)
    local outsider
    for _, user in ipairs(portal.store:records("users")) do
      outsider = outsider or user.USER_TYPE == "extranet" and user.ID or nil
    end
    if outsider then
      local denied = failure(portal, "humanresources.node.communication.list", { id = 1 },
        { version = 3, user = outsider })
      assert.same({ "ACCESSDENIEDEXCEPTION", 403 }, { denied.code, denied.status })
    end
  end)

  it("pages by page and limit, cut at 200 without a word", function()
    local function page(pagination)
      local params = { type = "DEPARTMENT", pagination = pagination, select = { "id" } }
      return portal("humanresources.node.list", params, v3).items
    end
    assert.equal(50, #page(nil))
    assert.equal(200, #page { limit = 1000 })
    assert.equal(30, #page { page = 2, limit = 1000 })
    assert.same({ id = 21 }, page({ page = 2, limit = 20 })[1])
    assert.same({ id = 6 }, page({ limit = 5, offset = 5 })[1])
    for _, bad in ipairs { { limit = 0 }, { limit = "abc" } } do
      local problem = failure(portal, "humanresources.node.list", { type = "TEAM", pagination = bad }, v3)
      assert.equal("INVALIDPAGINATIONEXCEPTION", problem.code)
    end
    assert.equal("INVALIDSELECTEXCEPTION",
      failure(portal, "humanresources.node.list", { type = "TEAM", select = "id" }, v3).code)
  end)

  it("is built, moved and staffed, and user and department follow", function()
    local node = portal("humanresources.node.add", {
      type = "DEPARTMENT", name = "Laboratory", parentId = 1,
      userIds = { MEMBER_HEAD = { 1 }, MEMBER_EMPLOYEE = { 2 } },
      createChat = true,
    }, v3)
    assert.same({ "Laboratory", 2, "MEMBER_HEAD" }, { node.name, node.userCount, node.members[1].role })
    assert.equal(1, #portal("humanresources.node.communication.list", { id = node.id }, v3).chats)
    assert.equal("1", portal("department.get", { ID = node.id })[1].UF_HEAD)
    assert.is_true(includes(portal("im.user.get", { ID = 1 }).departments, node.id))
    local answer = portal("humanresources.node.member.remove", { nodeId = node.id, userIds = { 2, 3 } }, v3)
    assert.same({ 2 }, table.move(answer.removed, 1, #answer.removed, 1, {}))
    assert.equal(3, answer.failed[1].userId)
    assert.is_true(portal("humanresources.node.member.add",
      { nodeId = node.id, userIds = { 3 }, role = "MEMBER_EMPLOYEE" }, v3).success)
    assert.equal(2, portal("humanresources.node.move", { id = node.id, parentId = 2 }, v3).parentId)
    assert.equal("Lab", portal("humanresources.node.edit", { id = node.id, name = "Lab" }, v3).name)
    local wanted = { type = "DEPARTMENT", name = "lab", parentId = 2 }
    assert.same({ node.id }, ids(portal("humanresources.node.search", wanted, v3).items))
    assert.equal("VALIDATION_REQUESTVALIDATIONEXCEPTION",
      failure(portal, "humanresources.node.move", { id = 2, parentId = node.id }, v3).code)
    assert.equal("VALIDATION_REQUESTVALIDATIONEXCEPTION",
      failure(portal, "humanresources.node.edit", { id = node.id }, v3).code)
  end)

  it("describes its fields strictly", function()
    local list = portal("humanresources.node.field.list", { select = { "name", "filterable" } }, v3).items
    assert.same({ name = "id", filterable = true }, list[1])
    assert.equal("UNKNOWNDTOPROPERTYEXCEPTION",
      failure(portal, "humanresources.node.field.list", { select = { "nope" } }, v3).code)
    assert.equal("BITRIX_REST_V3_REALISATION_EXCEPTION_FIELDNOTFOUNDEXCEPTION",
      failure(portal, "humanresources.node.field.get", { name = "nope" }, v3).code)
  end)

  it("finds employees", function()
    local me = portal("im.user.get", {})
    local found = portal("humanresources.employee.search", { name = me.name, select = { "userId" } }, v3)
    assert.is_true(includes(ids(found.items, "userId"), 1))
    assert.is_true(portal("humanresources.employee.count", {}, v3).total > 10)
    assert.equal("HEAD", portal("humanresources.employee.subordinates", { id = 1 }, v3).departments[1].role)
    local both = portal("humanresources.employee.multidepartment", {}, v3)
    assert.equal(both.total, #both.employees)
  end)
end)

describe("sandbox: tasks and the other paging styles", function()
  local portal = new_portal { tasks = 75 }
  local v3 = { version = 3 }

  it("lists tasks of REST 2 by start", function()
    local answer, envelope = portal("tasks.task.list", { select = { "ID", "TITLE", "RESPONSIBLE_ID" } })
    assert.same({ 50, 75, 50 }, { #answer.tasks, envelope.total, envelope.next })
    assert.equal("string", type(answer.tasks[1].responsibleId))
    assert.equal(25, #portal("tasks.task.list", { start = "50" }).tasks)
    assert.equal("0", failure(portal, "tasks.task.list", { order = { NOPE = "asc" } }).code)
    assert.equal("[]", json.encode((portal("tasks.task.get", { taskId = 999 }))))
    assert.equal("100", failure(portal, "tasks.task.get", {}).code)
  end)

  it("lists tasks of REST 3.0 by filter and page", function()
    local items = portal("tasks.task.list", {
      select = { "id", "title", "nope" }, filter = { { "id", ">", 70 } }, order = { id = "DESC" },
    }, v3).items
    assert.same({ 75, 74, 73, 72, 71 }, ids(items))
    assert.is_nil(items[1].nope)
    assert.same({ id = 1 }, portal("tasks.task.list", {}, v3).items[1])
    local either = portal("tasks.task.list", { filter = {
      { logic = "or", conditions = { { "id", 3 }, { "id", "between", { 70, 71 } } } } } }, v3).items
    assert.same({ 3, 70, 71 }, ids(either))
    local function refused(filter)
      return failure(portal, "tasks.task.list", { filter = filter }, v3).code
    end
    assert.equal("UNKNOWNFILTEROPERATOREXCEPTION", refused { { "id", "~", 1 } })
    assert.equal("UNKNOWNDTOPROPERTYEXCEPTION", refused { { "nope", 1 } })
    assert.equal("VALIDATION_REQUESTVALIDATIONEXCEPTION", refused { { "title", "x" } })
    assert.equal("INVALIDFILTEREXCEPTION", refused { id = 1 })
    local item = portal("tasks.task.get", { id = 3, select = { "id", "responsible.name" } }, v3).item
    assert.equal("string", type(item.responsible.name))
    assert.equal("UNKNOWNDTOPROPERTYEXCEPTION",
      failure(portal, "tasks.task.get", { id = 3, select = { "responsible.nope" } }, v3).code)
  end)

  it("adds a task in either version", function()
    local old = portal("tasks.task.add", { fields = { TITLE = "A", RESPONSIBLE_ID = 1 } }).task
    local fields = { title = "B", creatorId = 1, responsibleId = 1 }
    local new = portal("tasks.task.add", { fields = fields }, v3).item
    assert.same({ "string", "integer" }, { type(old.id), math.type(new.id) })
    assert.equal("B", portal("tasks.task.get", { taskId = new.id }).task.title)
    local problem = failure(portal, "tasks.task.add", { fields = { title = "B", creatorId = 1 } }, v3)
    assert.equal("responsibleId", problem.validation[1].field)
  end)

  it("follows the event log by its cursor", function()
    local seen, value = {}, 0
    repeat
      local items = portal("main.eventlog.tail", { cursor = { value = value, limit = 100 } }, v3).items
      table.move(ids(items), 1, #items, #seen + 1, seen)
      value = seen[#seen]
    until #items < 100
    assert.equal(#portal.store:records("events"), #seen)
    assert.equal("INVALIDFILTEREXCEPTION",
      failure(portal, "main.eventlog.tail", { filter = { { "id", ">", 1 } } }, v3).code)
    assert.equal("ACCESSDENIEDEXCEPTION",
      failure(portal, "main.eventlog.list", {}, { version = 3, user = 2 }).code)
    assert.equal(50, #portal("main.eventlog.list", {}, v3).items)
  end)

  it("compares dates as moments, whatever their zone", function()
    local first = portal("main.eventlog.get", { id = 10, select = { "timestampX" } }, v3).item.timestampX
    local earlier = first:gsub("%+00:00$", "+01:00") -- the same clock further east: an hour before
    local function count(filter)
      return #portal("main.eventlog.list", { filter = filter, pagination = { limit = 500 } }, v3).items
    end
    assert.equal(1, count { { "timestampX", first } })
    assert.equal(6, count { { "timestampX", ">=", earlier }, { "timestampX", "<", first } })
  end)

  it("walks knowledge bases by nextCursor", function()
    local seen, cursor, count = {}, nil, 0
    repeat
      local answer = portal("note.collection.list", { pagination = { limit = 50, afterCursor = cursor } }, v3)
      for _, note in ipairs(answer.items) do
        assert.is_nil(seen[note.id])
        seen[note.id], count = true, count + 1
      end
      cursor = answer.nextCursor
    until cursor == json.null
    assert.equal(#portal.store:records("notes"), count)
    assert.equal(50, #portal("note.collection.list", { pagination = { limit = -1 } }, v3).items)
  end)

  it("pages analytics sources by number and fails with status 200", function()
    local first = portal("biconnector.source.list", {})
    local second = portal("biconnector.source.list", { page = 2 })
    assert.same({ 50, 20 }, { #first, #second })
    assert.equal("51", second[1].id)
    local problem = failure(portal, "biconnector.source.list", { select = "id" })
    assert.same({ "VALIDATION_SELECT_TYPE", 200 }, { problem.code, problem.status })
  end)

  it("shows companies to applications alone, by offset and limit", function()
    assert.equal("WRONG_AUTH_TYPE", failure(portal, "humanresources.hcmlink.company.list", {}).code)
    local app = { auth = "app" }
    assert.equal(100, #portal("humanresources.hcmlink.company.list", {}, app))
    assert.equal(30, #portal("humanresources.hcmlink.company.list", { offset = 100 }, app))
  end)
end)

describe("sandbox: files", function()
  it("are downloaded by their signed address only", function()
    local portal = new_portal {}
    local url = portal("disk.file.get", { id = 3 }).DOWNLOAD_URL
    local serve = portal.routes["/sandbox/download/"]
    local function status(uri, agent)
      return (serve { uri = uri, headers = { ["user-agent"] = agent } })
    end
    local uri = url:match("^http://portal(.*)$")
    assert.equal(200, status(uri, "lua/5.4"))
    assert.equal(404, status(uri, nil))
    assert.equal(404, status(uri:sub(1, -3), "lua/5.4"))
    assert.equal("ERROR_NOT_FOUND", failure(portal, "disk.file.get", { id = 999 }).code)
    assert.equal("ERROR_ARGUMENT", failure(portal, "disk.file.get", { id = "x" }).code)
  end)
end)

describe("sandbox: records of a test", function()
  it("may leave fields out", function()
    local portal = new_portal({ chats = 20 }, { chats = { { id = 5, name = "Xylophone", members = { 1 } } } })
    local found = portal("im.search.chat.list", { FIND = "xylo" })
    assert.same({ 5 }, ids(found))
    assert.equal("string", type(found[1].date_create))
    portal.store:set("chats", 6, { name = "Zeppelin", members = { 1 } })
    portal.store:set("users", 3, { NAME = "Cy" })
    assert.same({ 6 }, ids((portal("im.search.chat.list", { FIND = "Zeppelin" }))))
    assert.equal("Cy", portal("im.user.get", { ID = 3 }).name)
    assert.equal(1, #portal("im.dialog.users.list", { DIALOG_ID = "chat6" }))
    assert.equal("chat6", portal("im.recent.list", { SKIP_DIALOG = "Y" }).items[1].id)
  end)
end)

describe("sandbox: the company", function()
  it("is the same for the same seed and has some of everything", function()
    local one, two = new_portal { chats = 200, users = 120 }, new_portal { chats = 200, users = 120 }
    assert.same(one("im.user.get", { ID = 17 }), two("im.user.get", { ID = 17 }))
    assert.same(one.store:get("chats", 44), two.store:get("chats", 44))
    local projects, hidden, types = 0, 0, {}
    for _, chat in ipairs(one.store:records("chats")) do
      projects = projects + (chat.name:find("Project", 1, true) and 1 or 0)
      hidden = hidden + (includes(chat.members, 1) and 0 or 1)
      types[chat.type] = true
    end
    assert.is_true(projects > 40 and projects < 90)
    assert.is_true(hidden > 3 and hidden < 70)
    for _, kind in ipairs { "chat", "open", "sonetGroup", "lines", "channel", "collab" } do
      assert.is_true(types[kind], kind)
    end
    local kinds, inactive = {}, 0
    for _, user in ipairs(one.store:records("users")) do
      kinds[user.USER_TYPE] = (kinds[user.USER_TYPE] or 0) + 1
      inactive = inactive + (user.ACTIVE and 0 or 1)
    end
    assert.is_true(kinds.employee > 80 and kinds.extranet > 0 and inactive > 0)
    assert.is_true((kinds.bot or 0) + (kinds.imconnector or 0) + (kinds.email or 0) > 3)
  end)
end)
