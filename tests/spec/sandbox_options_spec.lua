-- What a stranger gives to sandbox.start and to a sandbox's functions: taken
-- when it can be understood, refused in one line that says what to do.

local bitrix24 = require "bitrix24"
local json = require "bitrix24.json"
local sandbox = require "bitrix24.sandbox"

--- The error of a call, a structured one of one line.
local function refused(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  assert.is_true(bitrix24.is_error(e), tostring(e))
  assert.equal("config", e.kind)
  assert.falsy(tostring(e):find("traceback", 1, true), tostring(e))
  assert.matches("sandbox_options_spec%.lua:%d+", e.where)
  return tostring(e)
end

describe("sandbox.start", function()
  it("takes a whole number however it was computed", function()
    local sb <close> = sandbox.start { contacts = 1e1, users = 8 / 2, seed = 7.0, port = 0.0, limits = false }
    assert.equal(10, #sb:records "contacts")
    assert.equal(4, #sb:records "users")
    assert.matches("number of records", refused(sandbox.start, { contacts = 2.5 }))
  end)

  it("has limits as connect has them, and sb:connect keeps to them", function()
    local sb <close> = sandbox.start { limits = { rate = 20, burst = 3, leak = "even", phase = 0.5 } }
    local portal <close> = sb:connect { retries = 0 }
    for _ = 1, 5 do portal.profile() end
    local strict <close> = sandbox.start { limits = { rate = 0.001, burst = 2 } }
    local hasty = strict:connect { limits = false, retries = 0 }
    assert.same({ true, true, false }, { pcall(hasty.profile) and true, pcall(hasty.profile) and true,
      (pcall(hasty.profile)) })
    assert.matches("'limits' must be", refused(sandbox.start, { limits = { rate = 0, burst = 5 } }))
  end)

  it("names a port that is taken", function()
    local first <close> = sandbox.start {}
    local port = first.url:match("%d+$")
    assert.matches("cannot listen on the port " .. port, refused(sandbox.start, { port = tonumber(port) }))
  end)

  it("refuses a fixture that would lose a record", function()
    local rows = {
      { { contacts = 5 }, "fixture.contacts must be a list of records" },
      { { contacts = { [5] = { NAME = "A" } } }, "fixture.contacts must be a list of records" },
      { { contacts = { Anna = {} } }, "fixture.contacts must be a list of records" },
      { { contacts = { 3 } }, "fixture.contacts%[1%] must be a record" },
      { { { NAME = "A" } }, "lists of records by kind" },
      { { contacts = { { ID = 0 } } }, "fixture.contacts%[1%]: the id must be a positive integer" },
      { { contacts = { { ID = "five" } } }, "fixture.contacts%[1%]: the id must be a positive integer" },
      { { contacts = { { ID = 5 }, { ID = "5" } } }, "contacts%[2%]: another record has the id 5" },
      { { contact = {} }, "no records of kind 'contact'.*did you mean 'contacts'" },
    }
    for _, row in ipairs(rows) do
      assert.matches(row[2], refused(sandbox.start, { fixture = row[1] }))
    end
  end)

  it("gives records of a fixture without an id one that is free", function()
    local sb <close> = sandbox.start { limits = false, fixture = {
      contacts = { { ID = 2, NAME = "two" }, { NAME = "x" }, { id = "9", NAME = "nine" }, { NAME = "y" } },
      chats = { { ID = 2, name = "second" }, { name = "third" } },
    } }
    local names = {}
    for _, record in ipairs(sb:records "contacts") do names[record.ID] = record.NAME end
    local count = 0
    for _ in pairs(names) do count = count + 1 end
    assert.same({ 4, "two", "nine" }, { count, names[2], names[9] })
    assert.equal(2, #sb:records "chats")
    assert.equal("second", sb:connect().im.search.chat.list { FIND = "second" }[1].name)
  end)

  it("takes the fields of a fixture as its records spell them, and as answers do", function()
    local sb <close> = sandbox.start { limits = false, fixture = {
      contacts = {
        { id = 5, lastName = "Lee", assignedById = 2 }, { ID = 6, LAST_NAME = "Li", lastName = "no" },
      },
      deals = { { id = 3, title = "Desk", stageId = "WON", UF_CRM_9 = "x" } },
      users = { { id = 1, name = "Ada" }, { id = 2, NAME = "Bo" } },
      tasks = { { id = 4, title = "Paint", responsibleId = 2 } },
      types = { { title = "Claim" } },
    } }
    local portal <close> = sb:connect()
    local contact = portal.crm.item.get { entityTypeId = 3, id = 5 }.item
    assert.same({ "Lee", 2 }, { contact.lastName, contact.assignedById })
    assert.equal("Li", portal.crm.contact.get { ID = 6 }.LAST_NAME)
    local deal = portal.crm.deal.get { id = 3 }
    assert.same({ "Desk", "WON", "x" }, { deal.TITLE, deal.STAGE_ID, sb:records "deals"[1].UF_CRM_9 })
    assert.equal("Ada", portal.user.current().NAME)
    local kind = portal.crm.type.list().types[1]
    assert.same({ "Claim", "integer" }, { kind.title, math.type(kind.entityTypeId) })
    assert.equal(0, portal.crm.item.list:count { entityTypeId = kind.entityTypeId })
    assert.same({ "Paint", "2" }, { (function(task) return task.title, task.responsibleId end)(
      portal.tasks.task.get { taskId = 4 }.task) })
    assert.same({}, sb:errors())
  end)

  it("reads a fixture from a file, and says what is wrong with one", function()
    local path = os.tmpname()
    local function write(text)
      local file <close> = assert(io.open(path, "w"))
      file:write(text)
    end
    write [[{"contacts":[{"ID":5,"NAME":"Zed"}]}]]
    do
      local sb <close> = sandbox.start { fixture = path }
      assert.same({ 5, "Zed" }, { sb:records "contacts"[1].ID, sb:records "contacts"[1].NAME })
    end
    write "[]]"
    assert.matches("is not a JSON object of records", refused(sandbox.start, { fixture = path }))
    write [[{"contacts":{"5":{}}}]]
    assert.matches("fixture.contacts must be a list", refused(sandbox.start, { fixture = path }))
    os.remove(path)
  end)
end)

describe("a sandbox", function()
  local sb

  setup(function() sb = sandbox.start { limits = false, departments = 3, teams = 2, users = 6 } end)
  teardown(function() sb:stop() end)

  it("has the records of every kind that can be sized", function()
    local function names(kind)
      local list = {}
      for _, record in ipairs(sb:records(kind)) do list[#list + 1] = record.type end
      return table.concat(list, " ")
    end
    assert.equal("DEPARTMENT DEPARTMENT DEPARTMENT", names "departments")
    assert.equal("TEAM TEAM", names "teams")
    assert.matches("kind 'contact'.*did you mean 'contacts'", refused(sb.records, sb, "contact"))
    assert.matches("kind 'nil'", refused(sb.records, sb))
  end)

  it("refuses a fault that it would not understand", function()
    assert.matches("fault: give a table", refused(sb.fault, sb, "reset"))
    assert.matches("fault: give a table", refused(sb.fault, sb))
    assert.matches("'method' must be", refused(sb.fault, sb, { method = 3, action = "reset" }))
    assert.matches("'action' must be", refused(sb.fault, sb, { action = 503 }))
    assert.matches("'action' is missing.*Hint: one of reset, ", refused(sb.fault, sb, {}))
    assert.matches("unknown action 'timeout'.*hang", refused(sb.fault, sb, { action = "timeout" }))
    sb:fault { method = "profile", action = "expired_token" }
    assert.equal("expired_token", select(2, pcall(sb:connect().profile)).code)
  end)

  it("refuses other nonsense at the caller's line", function()
    assert.matches("time: give a number of seconds", refused(sb.time, sb, "soon"))
    assert.matches("set: the id must be", refused(sb.set, sb, "contacts", 0, {}))
    assert.matches("set: the fields must be", refused(sb.set, sb, "contacts", 1, "NAME"))
    assert.matches("kind 'contact'.*did you mean", refused(sb.set, sb, "contact", 1, {}))
    assert.matches("'hotel'.*Hint: there are action, after, count, ", refused(sb.fault, sb, { hotel = 1 }))
    assert.matches("move: give a table", refused(sb.move, sb, "elsewhere"))
  end)

  it("is connected to in place of the portal that a script asks for", function()
    local connect = bitrix24.connect
    local restore <close> = setmetatable({}, { __close = function() bitrix24.connect = connect end })
    bitrix24.connect = function() return sb:connect() end -- luacheck: ignore 122
    local portal <close> = bitrix24.connect()
    assert.equal("1", portal.user.current().ID)
    assert.truthy(restore)
  end)

  it("that is stopped gives no portal", function()
    local gone = sandbox.start {}
    gone:stop()
    assert.matches("the sandbox is stopped", refused(gone.connect, gone))
  end)

  it("takes parameters of a multipart form", function()
    local form = "curl -gs -F 'fields[NAME]=Zoë' -F 'fields[PHONE][0][VALUE]=1 2' "
      .. "-F 'fields[COMMENTS]=a\r\nb' -F 'x=@/dev/null' %scrm.contact.add"
    local pipe <close> = assert(io.popen(form:format(sb.webhook)))
    local id = assert(json.decode(pipe:read("a"))).result
    local contact = sb:connect().crm.contact.get { id = id }
    assert.same({ "Zoë", "1 2", "a\r\nb" }, { contact.NAME, contact.PHONE[1].VALUE, contact.COMMENTS })
  end)
end)

for _, tls in ipairs { false, true } do
  describe(tls and "sb.oauth over HTTPS" or "sb.oauth over HTTP", function()
    local sb

    before_each(function() sb = sandbox.start { limits = false, tls = tls } end)
    after_each(function() sb:stop() end)

    local function memory(t)
      return { load = function() return t end, save = function(_, new) t = new end }
    end

    it("is what connect takes", function()
      local o = sb.oauth
      local app <close> = bitrix24.connect {
        domain = o.domain, access_token = o.access_token, ca_file = sb.ca_file,
      }
      assert.equal("1", app.profile().ID)
      local whole <close> = bitrix24.connect {
        domain = o.domain, client_id = o.client_id, client_secret = o.client_secret, ca_file = sb.ca_file,
        oauth_url = o.oauth_url, tokens = memory {
          access_token = o.expired_token, refresh_token = o.refresh_token, expires = o.expires,
          domain = o.domain, client_endpoint = o.client_endpoint, member_id = o.member_id,
        },
      }
      assert.equal("1", whole.profile().ID)
      local where = bitrix24.oauth.authorize_url { domain = o.domain, client_id = o.client_id, state = "s" }
      assert.matches("^" .. sb.url:gsub("%p", "%%%0") .. "/oauth/authorize/", where)
    end)

    it("may be a host alone where the tokens know the way", function()
      local o, store = sb.oauth, memory()
      local t = bitrix24.oauth.exchange {
        client_id = o.client_id, client_secret = o.client_secret, code = o.code, tokens = store,
        oauth_url = o.oauth_url, ca_file = sb.ca_file,
      }
      local app <close> = bitrix24.connect {
        domain = t.domain, client_id = o.client_id, client_secret = o.client_secret, tokens = store,
        oauth_url = o.oauth_url, ca_file = sb.ca_file,
      }
      assert.equal("1", app.profile().ID)
    end)

    it("fills in what sb:connect is not told", function()
      local o = sb.oauth
      assert.equal("1", sb:connect { access_token = o.access_token }.profile().ID)
      local store = memory { access_token = o.expired_token, refresh_token = o.refresh_token }
      assert.equal("1", sb:connect { tokens = store }.profile().ID)
      assert.not_equal(o.expired_token, store:load().access_token)
    end)
  end)
end
