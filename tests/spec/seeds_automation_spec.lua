-- Digital workplaces and triggers as their pages document them
-- (crm/automated-solution/*, crm/automation/*).

local json = require "bitrix24.json"
local sandbox = require "bitrix24.sandbox"
local scripted = require "support.scripted"

local failure, refuse = scripted.failure, scripted.refuse

describe("digital workplaces", function()
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

  local function call(name, params)
    return scripted.call(sb, portal, scripted.example("crm.automatedsolution." .. name), params)
  end

  it("are added with their smart processes", function()
    local made = call "add".automatedSolution
    assert.same({ "HR", 1, 2, 3 }, { made.title, table.unpack(made.typeIds) })
    assert.same(made, portal.crm.automatedsolution.get { id = made.id }.automatedSolution)
  end)

  it("take a process away from the workplace it was linked to", function()
    local first = call "add".automatedSolution
    local second = portal.crm.automatedsolution.add { fields = { title = "Other", typeIds = { 2 } } }
    assert.same({ 2 }, second.automatedSolution.typeIds)
    assert.same({ 1, 3 }, portal.crm.automatedsolution.get { id = first.id }.automatedSolution.typeIds)
  end)

  it("are updated: processes stay unless they are sent, and [] unlinks all", function()
    sb:set("automatedsolutions", 238, { title = "HR" })
    portal.crm.automatedsolution.update { id = 238, fields = { typeIds = { 1, 2 } } }
    local changed = call "update".automatedSolution
    assert.same({ 238, "HR & Customer Success", { 1, 2 } }, { changed.id, changed.title, changed.typeIds })
    local sent = { id = 238, fields = { typeIds = {} } }
    changed = portal.crm.automatedsolution.update(sent).automatedSolution
    assert.same({}, changed.typeIds)
    local requests = sb:requests()
    assert.equal('{"fields":{"typeIds":[]},"id":238}', requests[#requests].body)
  end)

  it("are read one by one", function()
    sb:set("automatedsolutions", 393, { title = "HR" })
    portal.crm.automatedsolution.update { id = 393, fields = { typeIds = { 4 } } }
    assert.same({ id = 393, title = "HR", typeIds = { 4 } }, call "get".automatedSolution)
  end)

  it("are listed in the asked order with a total", function()
    local result, response = call "list"
    local ids = {}
    for i, solution in ipairs(result.automatedSolutions) do ids[i] = solution.id end
    assert.same({ 3, 2, 1 }, ids)
    assert.equal(3, response.total)
    assert.is_nil(response.next)
  end)

  it("are found by filters that nest", function()
    local filter = { logic = "OR", { ["=title"] = "HR" }, { [">id"] = 2 } }
    -- an object with numbered conditions, as PHP has it
    local sent = json.object { logic = "OR", ["0"] = filter[1], ["1"] = filter[2] }
    local found = portal.crm.automatedsolution.list { filter = sent, order = { id = "ASC" } }
    local titles = {}
    for i, solution in ipairs(found.automatedSolutions) do titles[i] = solution.title end
    assert.same({ "HR", "R&D" }, titles)
  end)

  it("are deleted once nothing is linked; the answer is null", function()
    sb:set("automatedsolutions", 5, { title = "Old" })
    portal.crm.automatedsolution.update { id = 5, fields = { typeIds = { 1 } } }
    failure(sb, { kind = "api", code = "HAS_BOUND_TYPES", status = 400, sent = true, attempts = 1,
      method = "crm.automatedsolution.delete",
      message = "Cannot delete the workplace that has SPAs. Move them to another workplace" },
      portal.call, portal, "crm.automatedsolution.delete", { id = 5 })
    portal.crm.automatedsolution.update { id = 5, fields = { typeIds = {} } }
    assert.is_nil((call "delete"))
    failure(sb, { code = "NOT_FOUND" }, portal.call, portal, "crm.automatedsolution.get", { id = 5 })
  end)

  it("describe their fields", function()
    local fields = call "fields"
    assert.same({ true, false, true },
      { fields.title.isRequired, fields.title.isReadOnly, fields.typeIds.isMultiple })
  end)

  local WRONG = {
    { "add", { fields = { typeIds = { 1 } } }, "BX_EMPTY_REQUIRED",
      "The required field 'Title' is not filled" },
    { "update", { id = 1, fields = { title = "" } }, "BX_EMPTY_REQUIRED", "Required field is not filled" },
    { "get", { id = 777 }, "NOT_FOUND", "Digital workplace with such id not found" },
    { "list", { filter = { [">noSuch"] = 1 } }, "INVALID_ARG_VALUE" },
    -- what the sandbox does not know: the words of the pages
    { "add", { fields = { title = "A" } }, "ACCESS_DENIED", "Insufficient permissions", true },
    { "add", { fields = { title = "A" } }, "LIMIT_EXCEEDED",
      "The number of available digital workspaces has been exceeded", true },
    { "update", { id = 1, fields = {} }, "ACCESS_DENIED", "Insufficient permissions", true },
    { "get", { id = 1 }, "ACCESS_DENIED", "Insufficient permissions", true },
    { "list", {}, "ACCESS_DENIED", "Insufficient permissions", true },
    { "delete", { id = 1 }, "ACCESS_DENIED", "Insufficient permissions", true },
  }
  for _, row in ipairs(WRONG) do
    it(("%s is refused with %s"):format(row[1], row[3]), function()
      local method = "crm.automatedsolution." .. row[1]
      if row[5] then refuse(sb, method, 400, row[3], row[4]) end
      local e = failure(sb, { kind = "api", code = row[3], message = row[4], status = 400, method = method,
        sent = true, retryable = false, attempts = 1 }, portal.call, portal, method, row[2])
      assert.truthy(tostring(e):find(method, 1, true) and tostring(e):find(row[3], 1, true)
        and tostring(e):find(e.message, 1, true))
    end)
  end
end)

local TRIGGER = "crm.automation.trigger"

describe("the trigger a webhook may activate", function()
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

  it("is sent and answered as documented", function()
    assert.is_true((scripted.call(sb, portal, scripted.example(TRIGGER))))
    local runs = sb:records "trigger_runs"
    assert.same({ 1, "c5u4m", 2, 57 }, { #runs, runs[1].CODE, runs[1].OWNER_TYPE_ID, runs[1].OWNER_ID })
  end)

  it("is a method and a folder of methods at once", function()
    assert.is_true((portal.crm.automation.trigger { target = "DEAL_57", code = "c5u4m" }))
    failure(sb, { method = TRIGGER .. ".list", code = "ACCESS_DENIED" }, function()
      return portal.crm.automation.trigger.list()
    end)
  end)

  local WRONG = {
    { {}, "Target is not set." },
    { { target = "DEAL" }, "Incorrect target format." },
    { { target = "PLANET_3", code = "c5u4m" }, "Target is not found." },
  }
  for _, row in ipairs(WRONG) do
    it("refuses: " .. row[2], function()
      local e = failure(sb, { kind = "api", code = "", message = row[2], status = 400, method = TRIGGER,
        sent = true, attempts = 1 }, portal.call, portal, TRIGGER, row[1])
      assert.truthy(tostring(e):find(row[2], 1, true))
      assert.same({}, sb:records "trigger_runs")
    end)
  end

  it("refuses in the words of the page who may not", function()
    for _, row in ipairs {
      { "ACCESS_DENIED", "Access denied! There are no permissions to update the entity." },
      { "", "Access denied." },
    } do
      refuse(sb, TRIGGER, 400, row[1], row[2])
      failure(sb, { kind = "api", code = row[1], message = row[2], status = 400 },
        portal.call, portal, TRIGGER, { target = "DEAL_57", code = "c" })
    end
  end)
end)

describe("the triggers of an application", function()
  local sb, portal

  before_each(function()
    sb = sandbox.start { limits = false }
    portal = sb:connect {
      domain = sb.url, access_token = sb.oauth.access_token, nulls = "keep", retries = 0,
    }
  end)

  after_each(function()
    portal:close()
    assert.same({}, sb:errors())
    sb:stop()
  end)

  -- An application's address has no webhook, and its token travels with the call.
  local function call(name)
    local example = scripted.example(TRIGGER .. "." .. name)
    local result, response = portal:call(example.method, example.request)
    local requests = sb:requests()
    local request = requests[#requests]
    assert.same({ "/rest/" .. example.method, "POST", 2 },
      { request.path, request.http_method, request.version })
    assert.same(example.request, request.params)
    assert.is_nil(scripted.difference(example.response.result, result))
    assert.equal(200, response.status)
    return result
  end

  it("live from add to delete as documented", function()
    assert.is_true((call "add"))
    assert.same({ { CODE = "c5u4m", NAME = "trigger name" } }, (call "list"))
    portal.crm.automation.trigger.add { CODE = "c5u4m", NAME = "new name" }
    assert.same({ { CODE = "c5u4m", NAME = "new name" } }, (call "list"))
    assert.is_true((call "execute"))
    local runs = sb:records "trigger_runs"
    assert.same({ 1, 2, 6 }, { #runs, runs[1].OWNER_TYPE_ID, runs[1].OWNER_ID })
    assert.is_true((call "delete"))
    assert.same({}, portal.crm.automation.trigger.list())
  end)

  local WRONG = {
    { "add", { NAME = "n" }, "Empty trigger code!" },
    { "add", { CODE = "Ümlaut", NAME = "n" }, "Wrong trigger code!" },
    { "add", { CODE = "abc" }, "Empty trigger name!" },
    { "execute", { OWNER_TYPE_ID = 2, OWNER_ID = 6 }, "Empty trigger code!" },
    { "execute", { CODE = "A B", OWNER_TYPE_ID = 2, OWNER_ID = 6 }, "Wrong trigger code!" },
    { "execute", { CODE = "none", OWNER_TYPE_ID = 2, OWNER_ID = 6 },
      "Trigger with code none is not registered." },
    { "execute", { CODE = "known", OWNER_TYPE_ID = 4711, OWNER_ID = 6 },
      "Incorrect parameter OWNER_TYPE_ID." },
    { "execute", { CODE = "known", OWNER_TYPE_ID = 2, OWNER_ID = -1 }, "Incorrect parameter OWNER_ID." },
    { "delete", {}, "Empty trigger code!" },
    { "delete", { CODE = "A B" }, "Wrong trigger code!" },
    { "delete", { CODE = "none" }, "Trigger not found" },
  }
  for _, row in ipairs(WRONG) do
    it(("refuse %s: %s"):format(row[1], row[3]), function()
      portal.crm.automation.trigger.add { CODE = "known", NAME = "Known" }
      local method = TRIGGER .. "." .. row[1]
      local e = failure(sb, { kind = "api", code = "", message = row[3], status = 400, method = method,
        sent = true, attempts = 1 }, portal.call, portal, method, row[2])
      assert.truthy(tostring(e):find(method, 1, true) and tostring(e):find(row[3], 1, true))
    end)
  end

  it("refuse a webhook, and an application whose user is no administrator", function()
    local webhook <close> = sb:connect { retries = 0 }
    for _, name in ipairs { "add", "execute", "list", "delete" } do
      local example = scripted.example(TRIGGER .. "." .. name)
      local e = failure(sb, { kind = "api", code = "ACCESS_DENIED", status = 400, method = example.method,
        message = "Access denied! Application context required" },
        webhook.call, webhook, example.method, example.request)
      assert.truthy(e.hint:find("application", 1, true), e.hint)
      for _, words in ipairs { "Access denied! Admin permissions required", "Access denied." } do
        local code = words == "Access denied." and "" or "ACCESS_DENIED"
        refuse(sb, example.method, 400, code, words)
        failure(sb, { kind = "api", code = code, status = 400, message = words },
          portal.call, portal, example.method, example.request)
      end
    end
  end)
end)
