-- Workgroups and the communications of departments as their pages document
-- them (sonet-group/socialnetwork-api-workgroup-list,
-- departments/node-communication/humanresources-node-communication-list).

local json = require "bitrix24.json"
local sandbox = require "bitrix24.sandbox"
local scripted = require "support.scripted"

local failure = scripted.failure

local GROUPS, TALKS = "socialnetwork.api.workgroup.list", "humanresources.node.communication.list"
local V3 = "BITRIX_REST_V3_EXCEPTION_"

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

describe(GROUPS, function()
  before_each(open)
  after_each(close)

  it("is sent and answered as documented", function()
    local result, response = scripted.call(sb, portal, scripted.example(GROUPS))
    local last
    for _, group in ipairs(result.workgroups) do
      local id = math.tointeger(tonumber(group.id))
      assert.truthy(group.name:lower():find("group", 1, true))
      assert.truthy(not last or id < last)
      assert.truthy(group.dialogId == "" or group.dialogId:find("^chat%d+$"))
      last = id
    end
    assert.truthy(#result.workgroups > 0 and response.total >= #result.workgroups)
  end)

  it("pages by start, 50 at a time", function()
    close()
    open { workgroups = 130, users = 10 }
    local params = { order = { ID = "ASC" }, select = { "ID" }, params = { IS_ADMIN = "Y" } }
    local first, response = portal:call(GROUPS, params)
    assert.same({ 50, 50, 130 }, { #first.workgroups, response.next, response.total })
    local seen = {}
    for group in portal.socialnetwork.api.workgroup.list:each(params) do seen[#seen + 1] = group.id end
    assert.same({ 130, "1", "130" }, { #seen, seen[1], seen[130] })
  end)

  it("answers what was selected alone, as strings", function()
    local one = portal:call(GROUPS, { select = { "ID", "NUMBER_OF_MEMBERS" } }).workgroups[1]
    assert.same({ "string", "string" }, { type(one.id), type(one.numberOfMembers) })
    assert.is_nil(one.name)
    assert.is_nil(one.additionalData)
    assert.is_nil(one.dialogId)
  end)

  it("sends features and switches as typed", function()
    local params = { mode = "mobile", features = { "tasks" }, mandatoryFeatures = { "files" } }
    local one = portal:call(GROUPS, { params = params }).workgroups[1]
    assert.same({ "tasks", "files" }, one.additionalData.features)
    assert.equal('{"params":{"features":["tasks"],"mandatoryFeatures":["files"],"mode":"mobile"}}',
      sb:requests()[1].body)
  end)

  it("finds nothing as an empty list", function()
    local result, response = portal:call(GROUPS, { filter = { ["%NAME"] = "no such name" } })
    assert.same({ 0, 0 }, { #result.workgroups, response.total })
  end)
end)

describe(TALKS, function()
  before_each(open)
  after_each(close)

  -- A department with a talk of each kind, and one that the caller may not see.
  local function department()
    for id, kind in pairs { [21] = "channel", [22] = "chat", [23] = "collab" } do
      sb:set("chats", id, {
        name = "Department " .. kind, type = kind, message_type = "C", owner = 1, members = { 1, 2 },
        color = "#8474c8",
      })
    end
    sb:set("chats", 24, { name = "Theirs", type = "chat", message_type = "C", owner = 2, members = { 2, 3 } })
    sb:set("nodes", 15, {
      name = "Department", type = "DEPARTMENT", structureId = 1, parentId = 1, accessCode = "DR15",
      createdAt = "2026-01-01T00:00:00+03:00", updatedAt = "2026-01-01T00:00:00+03:00",
      members = {}, chats = { 21, 22, 23, 24 },
    })
  end

  it("is a call of REST 3.0, sent and answered as documented", function()
    department()
    local result = scripted.call(sb, portal, scripted.example(TALKS))
    assert.same({ 1, 1, 1 }, { #result.channels, #result.chats, #result.collabs })
    assert.same({ "chat21", 21, "CHANNEL" },
      { result.channels[1].dialogId, result.channels[1].id, result.channels[1].type })
    assert.same({ 1, 0, 0 }, { result.chatsNoAccess, result.channelsNoAccess, result.collabsNoAccess })
    assert.equal(json.null, result.collabs[1].avatar)
  end)

  it("is reached by its tables and by portal.v3 alike", function()
    department()
    local params = scripted.example(TALKS).request
    local by_table = portal.humanresources.node.communication.list(params)
    assert.same(by_table, (portal.v3.humanresources.node.communication.list(params)))
    for _, request in ipairs(sb:requests()) do assert.equal("/rest/api/1/***/" .. TALKS, request.path) end
  end)

  it("reads are sent without an idempotency key", function()
    department()
    portal:call(TALKS, { id = 15 })
    assert.is_nil(sb:requests()[1].headers["idempotency-key"])
  end)

  it("asked of REST 2 it is not found, and the error says where it is", function()
    local e = failure(sb, { kind = "api", code = "ERROR_METHOD_NOT_FOUND", status = 404, method = TALKS },
      portal.v2.call, portal.v2, TALKS, { id = 15 })
    assert.equal(TALKS .. " is a method of REST 3.0: call it through portal.v3", e.hint)
  end)

  it("refuses a call without id, field by field", function()
    local code = V3 .. "VALIDATION_REQUESTVALIDATIONEXCEPTION"
    local e = failure(sb, { kind = "api", code = code, status = 400, method = TALKS, sent = true,
      message = "Error during request object validation" }, portal.call, portal, TALKS, {})
    assert.same({ { field = "id", message = "Required field `id` is missing" } }, e.validation)
    assert.truthy(tostring(e):find("id: Required field `id` is missing", 1, true))
    assert.equal("missing required parameter: id", e.hint)
  end)

  it("refuses an unknown department", function()
    local e = failure(sb, { kind = "api", code = V3 .. "ENTITYNOTFOUNDEXCEPTION", status = 400,
      method = TALKS, sent = true }, portal.call, portal, TALKS, { id = 4711 })
    assert.is_nil(e.validation)
    assert.truthy(e.message:find("4711", 1, true))
  end)

  it("refuses who may not see the department", function()
    local code = V3 .. "ACCESSDENIEDEXCEPTION"
    sb:fault { method = TALKS, action = { status = 403, error = code, description = "Access denied" } }
    failure(sb, { kind = "api", code = code, status = 403, message = "Access denied", method = TALKS },
      portal.call, portal, TALKS, { id = 15 })
  end)
end)
