-- The recipes of examples/ as a person runs them: a process of its own with
-- BITRIX24_WEBHOOK in the environment. What it says and what it did to the
-- portal is compared with what the sandbox holds.

describe("the cookbook", function()
  local bitrix24 = require "bitrix24"
  local catalogue = require "bitrix24.catalogue"
  local check = require "bitrix24.check"
  local json = require "bitrix24.json"
  local sandbox = require "bitrix24.sandbox"
  local here = require "support.portal" (_ENV, { users = 40, contacts = 120, deals = 60, tasks = 40 })
  local temporary

  before_each(function() temporary = {} end)
  after_each(function()
    for _, path in ipairs(temporary) do
      for _, suffix in ipairs { "", ".state", ".lock", ".new" } do os.remove(path .. suffix) end
    end
  end)

  local function new_path()
    local path = os.tmpname()
    temporary[#temporary + 1] = path
    os.remove(path)
    return path
  end

  local function read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
  end

  local function write(path, text)
    local file <close> = assert(io.open(path, "wb"))
    file:write(text)
  end

  --- What the platform has replaced is no example.
  local function check_methods()
    local function see(call)
      local row = catalogue.find(call.method, call.version)
      assert.truthy(row, call.method .. " is not documented")
      assert.falsy(row.deprecated, call.method .. " is out of date")
    end
    for _, request in ipairs(here.sb:requests()) do
      local is_ours = (request.headers["user-agent"] or ""):find "^test/"
      if not is_ours and request.method ~= "download" then
        see(request)
        for _, command in ipairs(request.commands or {}) do
          see { method = command.method, version = request.version }
        end
      end
    end
  end

  --- Run a recipe that must succeed.
  local function run(name, arguments, environment)
    local variables = { BITRIX24_WEBHOOK = here.sb.webhook }
    for key, value in pairs(environment or {}) do variables[key] = value end
    local output, status = here.run("examples/" .. name, variables, arguments)
    assert.equal(0, status, output)
    check_methods()
    return output
  end

  --- Run a recipe that must fail; what it says.
  local function fail(name, arguments, environment)
    local variables = { BITRIX24_WEBHOOK = here.sb.webhook }
    for key, value in pairs(environment or {}) do variables[key] = value end
    local output, status = here.run("examples/" .. name, variables, arguments)
    assert.equal(1, status, output)
    return output
  end

  local function has(text, part)
    assert.truthy(text:find(part, 1, true), ("%q is not in\n%s"):format(part, text))
  end

  local function lines(text)
    local list = {}
    for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
    return list
  end

  --- Whether user.get shows this user, and as one who works here.
  local function works(user)
    local kind = user and user.USER_TYPE
    return kind ~= nil and user.ACTIVE and kind ~= "bot" and kind ~= "email" and kind ~= "imconnector"
  end

  local function by_id(kind)
    local map = {}
    for _, record in ipairs(here.sb:records(kind)) do map[record.ID or record.id] = record end
    return map
  end

  local RECIPES = {
    "call_list.lua", -- examples_spec.lua
    "department_chats.lua", "groups_without_owner.lua", "duplicate_contacts.lua", "idle_deals.lua",
    "export_contacts.lua", "reassign_deals.lua", "overdue_tasks.lua", "chat_summary.lua", "drive_files.lua",
    "workspaces.lua", "fire_trigger.lua", "new_deal.lua", "install_app.lua", "event_log.lua",
    "compare_portals.lua",
  }

  it("has at least fifteen recipes of ten to forty lines, each with a head and in the index", function()
    assert.truthy(#RECIPES >= 15)
    local index, known = read "examples/README.md", {}
    for _, name in ipairs(RECIPES) do
      known[name] = true
      local text = read("examples/" .. name)
      local _, count = text:gsub("\n", "")
      assert.truthy(count >= 10 and count <= 40, name .. " has " .. count .. " lines")
      assert.matches("^%-%- %u[^\n]+%.\n%-%- %u[%u%d_]*=[^\n]+", text, name)
      has(text:match "^[^\n]+\n[^\n]+", "lua5.4 examples/" .. name)
      has(index, "| `" .. name)
    end
    local pipe <close> = assert(io.popen "ls examples")
    for name in pipe:lines() do
      assert.truthy(known[name] or name:find "^loop_" or not name:find "%.lua$", name .. " is no recipe here")
      if name ~= "README.md" then has(index, "`" .. name) end
    end
  end)

  it("holds no call that the catalogue objects to", function()
    for _, name in ipairs(RECIPES) do
      for _, finding in ipairs(check.file("examples/" .. name)) do
        -- an application's recipe says so
        assert.equal("application", finding.code, ("%s:%d: %s"):format(name, finding.line, finding.message))
      end
    end
  end)

  it("says in its first line what is wrong with the arguments, and sends nothing", function()
    for _, case in ipairs {
      { "duplicate_contacts.lua", { "few" }, "usage: duplicate_contacts.lua" },
      { "idle_deals.lua", { "sales" }, "usage: idle_deals.lua" },
      { "export_contacts.lua", {}, "usage: export_contacts.lua" },
      { "reassign_deals.lua", { "1", "you" }, "usage: reassign_deals.lua" },
      { "reassign_deals.lua", { "1", "2", "yes" }, "usage: reassign_deals.lua" },
      { "overdue_tasks.lua", { "yesterday" }, "usage: overdue_tasks.lua" },
      { "chat_summary.lua", {}, "usage: chat_summary.lua" },
      { "chat_summary.lua", { "chat3", "some" }, "usage: chat_summary.lua" },
      { "drive_files.lua", {}, "usage: drive_files.lua" },
      { "fire_trigger.lua", { "code" }, "usage: fire_trigger.lua" },
      { "fire_trigger.lua", { "code", "x1" }, "x1 is not the id of a deal" },
      { "new_deal.lua", { "Jo Doe" }, "usage: new_deal.lua" },
      { "install_app.lua", {}, "TOKENS is not set" },
      { "event_log.lua", { "tokens.json" }, "usage: event_log.lua" },
      { "compare_portals.lua", {}, "OTHER_WEBHOOK is not set" },
    } do
      has(lines(fail(case[1], case[2]))[1], case[3])
    end
    assert.same({}, here:sent())
  end)

  it("says that no portal is given", function()
    for _, name in ipairs { "department_chats.lua", "workspaces.lua", "groups_without_owner.lua" } do
      local output, status = here.run("examples/" .. name)
      assert.equal(1, status)
      has(lines(output)[1], "BITRIX24_WEBHOOK")
    end
  end)

  it("reports the chats of departments", function()
    local output = run "department_chats.lua"
    local chats, departments = {}, 0
    for node in here.portal.humanresources.node.list:each { type = "DEPARTMENT" } do
      local it = here.portal.humanresources.node.communication.list { id = node.id }
      departments = departments + 1
      has(output, ("%s: %d chats, %d channels, %d collabs"):format(
        node.name, #it.chats, #it.channels, #it.collabs))
      for _, kind in ipairs { "chats", "channels", "collabs" } do
        for _, chat in ipairs(it[kind]) do
          chats[chat.dialogId] = true
          assert.matches(chat.dialogId .. " [^\n]*" .. chat.title:gsub("%p", "%%%0"), output)
        end
      end
    end
    local count = 0
    for _ in pairs(chats) do count = count + 1 end
    assert.truthy(count > 3)
    has(output, ("%d departments, %d different chats\n"):format(departments, count))
  end)

  it("finds the workgroups without an owner", function()
    here.sb:set("users", 7, nil) -- deleted; others are dismissed
    local users, expected, open = by_id "users", {}, 0
    for _, group in ipairs(here.sb:records "workgroups") do
      if group.CLOSED == "N" then
        open = open + 1
        if not works(users[group.OWNER_ID]) then expected[#expected + 1] = group end
      end
    end
    assert.truthy(#expected > 2 and #expected < open)
    local output = run "groups_without_owner.lua"
    for _, group in ipairs(expected) do
      has(output, ("%d  %s: user %d is gone"):format(group.ID, group.NAME, group.OWNER_ID))
    end
    assert.equal(#expected + 1, #lines(output))
    has(output, ("%d of %d open workgroups have no owner"):format(#expected, open))
  end)

  it("finds contacts with one phone in two spellings", function()
    local add = here.portal.crm.contact.add
    local first = add { fields = { NAME = "Ann", LAST_NAME = "Old", PHONE = {
      { VALUE = "+1 (212) 555-01-02" },
    } } }
    local second = add { fields = { NAME = "Ann", LAST_NAME = "New", PHONE = {
      { VALUE = "2125550102" }, { VALUE = "+12125550102" },
    } } }
    add { fields = { NAME = "Lone", PHONE = { { VALUE = "2125550199" }, { VALUE = "+1 212 555 0199" } } } }
    local output = run "duplicate_contacts.lua"
    assert.equal(1, select(2, output:gsub("Ann New", "")))
    assert.falsy(output:find("Lone", 1, true))
    has(output, ("…2125550102\n%8d  Ann Old\n%8d  Ann New\n"):format(first, second))
    local owners, shared = {}, 0
    for _, contact in ipairs(here.sb:records "contacts") do
      local mine = {}
      for _, phone in ipairs(contact.PHONE or {}) do mine[phone.VALUE:gsub("%D", ""):sub(-10)] = true end
      for key in pairs(mine) do
        owners[key] = (owners[key] or 0) + 1
        if owners[key] == 2 then shared = shared + 1 end
      end
    end
    has(output, ("\n%d phones belong to more than one contact\n"):format(shared))
  end)

  it("finds deals for which nothing is planned", function()
    local open = {}
    for _, deal in ipairs(here.sb:records "deals") do
      if deal.CLOSED == "N" then open[#open + 1] = deal end
    end
    assert.truthy(#open > 10)
    local function plan(deal, more)
      local fields = { OWNER_TYPE_ID = 2, OWNER_ID = deal.ID, TYPE_ID = 2, SUBJECT = "Call" }
      for name, value in pairs(more or {}) do fields[name] = value end
      here.portal.crm.activity.add { fields = fields }
    end
    plan(open[1])
    plan(open[2])
    plan(open[3], { COMPLETED = "Y" })
    plan(open[4], { OWNER_TYPE_ID = 3 }) -- a contact with the same number
    local output = run "idle_deals.lua"
    for i, deal in ipairs(open) do
      assert.equal(i > 2, output:find((" %s ("):format(deal.TITLE), 1, true) ~= nil, deal.TITLE)
    end
    has(output, ("%d of %d open deals have no activity planned"):format(#open - 2, #open))
    local last = math.huge
    for amount in output:gmatch "%d (%d+%.%d%d) %u%u%u" do
      assert.truthy(tonumber(amount) <= last)
      last = tonumber(amount)
    end
    has(run("idle_deals.lua", { "1" }), " open deals have no activity planned")
  end)

  local function csv(contacts)
    local out = { "id,name,lastName,phone,email" }
    for _, contact in ipairs(contacts) do
      local function first(list) return list and list[1] and list[1].VALUE or "" end
      out[#out + 1] = table.concat({ contact.ID, contact.NAME, contact.LAST_NAME, first(contact.PHONE),
        first(contact.EMAIL) }, ",")
    end
    return out
  end

  it("exports contacts, quoted where they must be", function()
    local path = new_path()
    local id = here.portal.crm.contact.add { fields = { NAME = 'Jo "J", jr.\nline', LAST_NAME = "Zoë" } }
    has(run("export_contacts.lua", { path }), ("121 contacts written to %s"):format(path))
    local got = lines(read(path))
    assert.equal(122, #got)
    assert.equal(('%d,"Jo ""J"", jr. line",Zoë,,'):format(id), got[122])
    local expected = csv(here.sb:records "contacts")
    expected[122] = got[122]
    assert.same(expected, got)
    assert.is_nil(io.open(path .. ".state"))
  end)

  it("goes on with an export that was cut off, every contact once", function()
    local path = new_path()
    local large <close> = sandbox.start { contacts = 6000, limits = false }
    local environment = { BITRIX24_WEBHOOK = large.webhook }
    large:fault { method = "batch", nth = 2, action = "ACCESS_DENIED" }
    has(fail("export_contacts.lua", { path }, environment), "ACCESS_DENIED")
    local before = #lines(read(path))
    assert.truthy(before > 2000 and before < 6000, before)
    local old = read(path .. ".state")
    -- a page that was written when the machine went down before it was noted
    write(path .. ".state", (old:gsub('"last":(%d+)', function(id) return '"last":' .. id - 50 end)))
    local output = run("export_contacts.lua", { path }, environment)
    has(output, ("%d contacts added to %s"):format(6001 - before, path))
    assert.same(csv(large:records "contacts"), lines(read(path)))
    assert.is_nil(io.open(path .. ".state"))
  end)

  it("shows what it would change, and changes it with --yes alone", function()
    local from, mine, others = nil, {}, {}
    for _, deal in ipairs(here.sb:records "deals") do
      from = from or deal.CLOSED == "N" and deal.ASSIGNED_BY_ID or nil
      local takes = deal.CLOSED == "N" and deal.ASSIGNED_BY_ID == from
      table.insert(takes and mine or others, deal)
    end
    local to
    for _, user in ipairs(here.sb:records "users") do
      if works(user) and user.ID ~= from then to = user end
    end
    local output = run("reassign_deals.lua", { tostring(from), tostring(to.ID) })
    for _, deal in ipairs(mine) do
      assert.matches(("crm%%.item%%.update [^\n]*\"id\":%d[,}]"):format(deal.ID), output)
    end
    has(output, ("%d deals would be changed; add --yes to do it\n"):format(#mine))
    for _, deal in ipairs(mine) do
      assert.equal(from, here.portal.crm.item.get { entityTypeId = 2, id = deal.ID }.item.assignedById)
    end
    output = run("reassign_deals.lua", { tostring(from), tostring(to.ID), "--yes" })
    has(output, ("%d deals handed over to %s %s\n"):format(#mine, to.NAME, to.LAST_NAME))
    local now = by_id "deals"
    for _, deal in ipairs(mine) do assert.equal(to.ID, now[deal.ID].ASSIGNED_BY_ID) end
    for _, deal in ipairs(others) do assert.same(deal, now[deal.ID]) end
    has(fail("reassign_deals.lua", { tostring(from), "99999" }), "nobody works here as user 99999")
  end)

  it("lists overdue tasks of each user", function()
    local users, people, total = by_id "users", {}, 0
    for _, task in ipairs(here.sb:records "tasks") do
      if task.DEADLINE and task.DEADLINE < "2025-10-01" and task.STATUS ~= 5 then
        local user = users[task.RESPONSIBLE_ID]
        local name = user.NAME .. " " .. user.LAST_NAME
        local person = people[name] or { count = 0, oldest = task }
        if task.DEADLINE < person.oldest.DEADLINE then person.oldest = task end
        person.count, total, people[name] = person.count + 1, total + 1, person
      end
    end
    local output = run("overdue_tasks.lua", { "2025-10-01T00:00:00+03:00" })
    local count, last = 0, math.huge
    for name, person in pairs(people) do
      count = count + 1
      has(output, ("%4d since %s  %s: %s\n"):format(
        person.count, person.oldest.DEADLINE:sub(1, 10), name, person.oldest.TITLE))
    end
    assert.truthy(count > 3)
    for number in output:gmatch "(%d+) since" do
      assert.truthy(tonumber(number) <= last)
      last = tonumber(number)
    end
    has(output, ("%d overdue tasks of %d users"):format(total, count))
  end)

  it("posts a summary of a chat into it", function()
    local dialog = "chat" .. here.portal.im.search.chat.list { FIND = "Project" }[1].id
    local counts, total = {}, 0
    for message in here.portal.im.dialog.messages.get:each({ DIALOG_ID = dialog }, { limit = 30 }) do
      if message.author_id > 0 then
        counts[message.author_id], total = (counts[message.author_id] or 0) + 1, total + 1
      end
    end
    local output = run("chat_summary.lua", { dialog, "30" })
    local posted = here.sb:records "messages"
    assert.equal(1, #posted)
    assert.equal("chat" .. posted[1].chat_id, dialog)
    assert.equal(output, ("message %d in %s:\n%s\n"):format(posted[1].message_id, dialog, posted[1].text))
    has(posted[1].text, ("[B]%d messages from "):format(total))
    local users = by_id "users"
    for id, count in pairs(counts) do
      has(posted[1].text, ("%s %s: %d"):format(users[id].NAME, users[id].LAST_NAME, count))
    end
    has(lines(fail("chat_summary.lua", { "chat999999" }))[1], "im.dialog.messages.get")
  end)

  it("puts files on the drive and fetches them back", function()
    local path = new_path()
    local bytes = {}
    for i = 0, 255 do bytes[i + 1] = string.char(i) end
    write(path, table.concat(bytes):rep(300) .. "odd")
    local name = path:match "[^/]+$"
    local before = #here.sb:records "files"
    local output = run("drive_files.lua", { path, path })
    local files = here.sb:records "files"
    assert.equal(before + 2, #files)
    assert.equal(name, files[before + 1].NAME)
    assert.equal(name .. " (1)", files[before + 2].NAME)
    has(output, ("%s → Company Drive: file %d, 76803 bytes: %s\n"):format(path, files[before + 1].ID, name))
    has(output, (": %s (1)\n"):format(name))
    local found = here.portal.disk.storage.getChildren:all { id = 3, filter = { ["%NAME"] = name } }
    assert.equal(2, #found)
    assert.equal("76803", found[1].SIZE)
    has(lines(fail("drive_files.lua", { path .. ".none" }))[1], "cannot read")
  end)

  it("shows workplaces and the smart processes in and outside of them", function()
    local output = run "workspaces.lua"
    local _, outside = output:find("outside of any workplace:\n", 1, true)
    local inside = {}
    for solution in here.portal.crm.automatedsolution.list:each() do
      has(output, ("%s: %d smart processes\n"):format(solution.title, #solution.typeIds))
      for _, id in ipairs(solution.typeIds) do inside[id] = true end
    end
    for kind in here.portal.crm.type.list:each() do
      local at = output:find((" %d  %s "):format(kind.entityTypeId, kind.title), 1, true)
      assert.truthy(at, kind.title)
      assert.equal(inside[kind.id] == nil, at > outside, kind.title)
    end
    assert.equal(3, #lines(run("workspaces.lua", { "HR" })))
  end)

  it("fires a trigger on each deal and tells which failed", function()
    has(run("fire_trigger.lua", { "c5u4m", "1", "2" }), "deal 2: Deal #2, fired\n")
    local runs = here.sb:records "trigger_runs"
    assert.equal(2, #runs)
    assert.same({ "c5u4m", 2, 1 }, { runs[1].CODE, runs[1].OWNER_TYPE_ID, runs[1].OWNER_ID })
    local output = fail("fire_trigger.lua", { "c5u4m", "999999", "3" })
    assert.matches("deal 999999: bitrix24: crm%.item%.get: [^\n]*Item not found[^\n]*\n", output)
    assert.matches("\ndeal 3: Deal #3, fired\n$", output)
    assert.equal(3, #here.sb:records "trigger_runs")
  end)

  it("adds a customer, a deal and a call in one request", function()
    local before = #here:sent()
    local output = run("new_deal.lua", { "Jo van Doe", "+1 646 555 0147", "Ten chairs", "199.5" })
    assert.equal(2, #here:sent() - before) -- one asks for duplicates
    local contact, deal, call = output:match "^contact (%d+) %(new%), deal (%d+), call (%d+)\n$"
    local made = here.portal.crm.contact.get { id = contact }
    assert.same({ "Jo", "van Doe", "+1 646 555 0147" }, { made.NAME, made.LAST_NAME, made.PHONE[1].VALUE })
    local got = here.portal.crm.deal.get { id = deal }
    assert.same({ "Ten chairs", "199.50", contact }, { got.TITLE, got.OPPORTUNITY, got.CONTACT_ID })
    local activity = here.portal.crm.activity.get { id = call }
    assert.same({ "2", deal, "Call Jo van Doe, +1 646 555 0147" },
      { activity.OWNER_TYPE_ID, activity.OWNER_ID, activity.SUBJECT })
    local again = run("new_deal.lua", { "Jo van Doe", "16465550147", "Ten tables" })
    has(again, ("contact %s (known), deal %d"):format(contact, deal + 1))
    assert.equal(tonumber(contact), #here.sb:records "contacts")
  end)

  describe("for applications", function()
    local credentials

    before_each(function()
      credentials = { CLIENT_ID = here.sb.oauth.client_id, CLIENT_SECRET = here.sb.oauth.client_secret }
    end)

    --- What a portal posts when an application is installed.
    local function body(more)
      local oauth, list = here.sb.oauth, {}
      local fields = {
        event = "ONAPPINSTALL", ["data[VERSION]"] = "1", ts = os.time(),
        ["auth[access_token]"] = oauth.access_token, ["auth[refresh_token]"] = oauth.refresh_token,
        ["auth[expires_in]"] = 3600, ["auth[domain]"] = here.sb.url, -- not https
        ["auth[client_endpoint]"] = oauth.client_endpoint, ["auth[member_id]"] = oauth.member_id,
        ["auth[application_token]"] = "51856fefc120afa4b628cc82d3935cce",
      }
      for name, value in pairs(more or {}) do fields[name] = value end
      for name, value in pairs(fields) do
        list[#list + 1] = ("%s=%s"):format(name, tostring(value):gsub("%W", function(c)
          return ("%%%02X"):format(c:byte())
        end))
      end
      return table.concat(list, "&")
    end

    --- install_app.lua with a body on its standard input.
    local function install(tokens, text)
      local input = new_path()
      write(input, text)
      local program = ("io.input(%q) dofile 'examples/install_app.lua'"):format(input)
      return here.run(program, { TOKENS = tokens })
    end

    it("takes an application over from its install event", function()
      local tokens = new_path()
      local output, status = install(tokens, body())
      assert.equal(0, status, output)
      local me = here.portal.user.current()
      assert.matches(("^installed on %%S+ by %s %s; application "):format(me.NAME, me.LAST_NAME), output)
      local kept = json.decode(read(tokens))
      assert.equal(here.sb.oauth.refresh_token, kept.refresh_token)
      assert.equal(here.sb.oauth.member_id, kept.member_id)
      assert.falsy(output:find(here.sb.oauth.access_token, 1, true))
      -- a stranger's post does not take the place of the portal
      output, status = install(tokens, body { ["auth[member_id]"] = "someone else" })
      assert.equal(1, status)
      has(output, "is of another portal")
      assert.same(kept, json.decode(read(tokens)))
      output, status = install(tokens, body { ["auth[access_token]"] = "forged" })
      assert.equal(1, status)
      has(output, "user.current: auth error")
      assert.same(kept, json.decode(read(tokens)))
      output, status = install(new_path(), body { event = "ONCRMDEALADD" })
      assert.equal(1, status)
      has(output, "the body is not that of ONAPPINSTALL")
      output, status = install(new_path(), "")
      assert.equal(1, status)
      has(output, "the body is empty")
    end)

    it("logs events from the queue, those of a run that failed too", function()
      local tokens, log = new_path(), new_path()
      local oauth = here.sb.oauth
      bitrix24.token_file(tokens):save {
        access_token = oauth.access_token, refresh_token = oauth.refresh_token, expires = os.time() + 3600,
        domain = here.sb.url, client_endpoint = oauth.client_endpoint, member_id = oauth.member_id,
      }
      has(run("event_log.lua", { tokens, log }, credentials), "0 events written to " .. log) -- binds
      local id = here.portal.crm.deal.add { fields = { TITLE = "new" } }
      here.portal.crm.deal.update { id = id, fields = { TITLE = "newer" } }
      here.portal.crm.contact.update { id = 1, fields = { NAME = "not logged" } }
      has(fail("event_log.lua", { tokens, "/dev/full" }, credentials), "No space left")
      has(run("event_log.lua", { tokens, log }, credentials), "2 events written to " .. log)
      here.portal.crm.deal.delete { id = id }
      has(run("event_log.lua", { tokens, log }, credentials), "1 events written to " .. log)
      local got = lines(read(log))
      assert.equal(3, #got)
      for i, name in ipairs { "ADD", "UPDATE", "DELETE" } do
        assert.matches(("^%%d+%%-%%S+ ONCRMDEAL%s %d$"):format(name, id), got[i])
      end
      assert.same({}, here.sb:records "offline_events")
      assert.equal(3, #here.sb:records "event_handlers")
      has(fail("event_log.lua", { new_path(), log }, credentials), "install_app.lua makes it")
    end)
  end)

  it("compares two portals", function()
    local other <close> = sandbox.start {
      contacts = 7, companies = 3, deals = 5, users = 4, types = 2, seed = 9,
    }
    local b <close> = other:connect()
    b.crm.status.add { fields = { ENTITY_ID = "DEAL_STAGE", STATUS_ID = "AUDIT", NAME = "Audit", SORT = 55 } }
    local output = run("compare_portals.lua", {}, { OTHER_WEBHOOK = other.webhook })
    assert.matches("contacts%s+120%s+7\n", output)
    assert.matches("companies%s+40%s+3\n", output)
    assert.matches("deals%s+60%s+5\n", output)
    local active = 0
    for _, user in ipairs(here.sb:records "users") do
      if works(user) then active = active + 1 end
    end
    assert.matches(("active users%%s+%d%%s+%%d+\n"):format(active), output)
    has(output, "stages of the second alone: Audit\n")
    has(output, "processes of the first alone: Claim, Delivery, Onboarding, Service Contract\n")
    assert.falsy(output:find("processes of the second", 1, true))
  end)
end)
