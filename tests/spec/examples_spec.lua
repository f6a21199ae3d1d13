-- The examples as a person runs them: a process of their own, BITRIX24_WEBHOOK
-- in the environment, checked against what the sandbox holds.

describe("examples", function()
  local here = require "support.portal" (_ENV, { contacts = 400, chats = 80, users = 60 })

  it("are all run by this file", function()
    local known = {
      ["call_list.lua"] = true,
      ["loop_luv.lua"] = true, ["loop_cqueues.lua"] = true, -- loop_spec.lua does
    }
    local recipes <close> = assert(io.open("tests/spec/cookbook_spec.lua"))
    for name in recipes:read("a"):gmatch '"([%w_]+%.lua)"' do known[name] = true end
    local pipe <close> = assert(io.popen("ls examples"))
    for name in pipe:lines() do
      assert.truthy(known[name] or not name:find("%.lua$"), name .. " is not tested")
    end
  end)

  describe("call_list.lua", function()
    local PATH = "examples/call_list.lua"

    local function run(phrase)
      local output, status = here.run(PATH, { BITRIX24_WEBHOOK = here.sb.webhook }, { phrase })
      assert.equal(0, status, output)
      return output
    end

    --- What the recipe has to find, by other means: contacts with a phone or
    -- e-mail of somebody in a chat of that name.
    local function expected(phrase)
      local portal = here.portal
      local values, chats = {}, 0
      local function digits(text) return (text:gsub("%D", "")) end
      for _, chat in ipairs(portal.im.search.chat.list { FIND = phrase, LIMIT = 50 }) do
        chats = chats + 1
        local members = portal.im.dialog.users.list {
          DIALOG_ID = "chat" .. chat.id, SKIP_EXTERNAL = "Y", LIMIT = 200,
        }
        for _, user in ipairs(members) do
          if user.email and user.email ~= "" then values[user.email:lower()] = true end
          for _, phone in pairs(user.phones or {}) do values[digits(phone)] = true end
        end
      end
      local ids = {}
      for _, contact in ipairs(here.sb:records("contacts")) do
        local hit = false
        for _, item in ipairs(contact.PHONE or {}) do hit = hit or values[digits(item.VALUE)] end
        for _, item in ipairs(contact.EMAIL or {}) do hit = hit or values[item.VALUE:lower()] end
        if hit then ids[#ids + 1] = contact.ID end
      end
      return ids, chats
    end

    it("makes a call list of exactly the contacts that are in the chats", function()
      local ids, chats = expected("Project")
      assert.truthy(#ids >= 5, #ids)
      local before = #here.sb:records("calllists")
      local output = run("Project")
      assert.equal(chats, tonumber(output:match('^(%d+) chats with "Project"')))
      assert.equal(#ids, tonumber(output:match("(%d+) contacts")))
      local lists = here.sb:records("calllists")
      assert.equal(before + 1, #lists)
      local id = tonumber(output:match("\ncall list (%d+)"))
      assert.equal(id, lists[#lists].ID)
      local members = {}
      for _, item in ipairs(here.portal.crm.calllist.items.get { LIST_ID = id }) do
        members[#members + 1] = math.tointeger(tonumber(item.ID))
      end
      table.sort(members)
      assert.same(ids, members)
    end)

    it("prints each contact with its name and the status in words", function()
      local by_id, statuses = {}, {}
      for _, contact in ipairs(here.sb:records("contacts")) do
        by_id[contact.ID] = ("%s %s"):format(contact.NAME, contact.LAST_NAME)
      end
      for _, status in ipairs(here.portal.crm.calllist.statuslist()) do
        statuses[status.STATUS_ID] = status.NAME
      end
      local output = run("Project")
      local id = tonumber(output:match("call list (%d+)"))
      local left = {} -- the lines there have to be
      for _, item in ipairs(here.portal.crm.calllist.items.get { LIST_ID = id }) do
        left[#left + 1] = { name = by_id[math.tointeger(tonumber(item.ID))], status = statuses[item.STATUS] }
      end
      assert.truthy(#left >= 5)
      for line in output:gmatch("[^\n]+") do
        for i, row in ipairs(left) do
          if line:find(row.name, 1, true) and line:find(row.status, 1, true) then
            table.remove(left, i)
            break
          end
        end
      end
      assert.same({}, left)
    end)

    it("takes few requests: lookups by twenty, side by side in batches", function()
      run("Project")
      local lookups, members, requests = 0, 0, #here:sent()
      local function see(call)
        if call.method == "crm.duplicate.findbycomm" then
          lookups = lookups + 1
          assert.truthy(#call.params.values <= 20, #call.params.values)
        end
        if call.method == "im.dialog.users.list" then members = members + 1 end
      end
      for _, request in ipairs(here:sent()) do
        see(request)
        for _, command in ipairs(request.commands or {}) do see(command) end
      end
      assert.truthy(lookups >= 2, lookups)
      assert.truthy(members >= 10, members)
      -- chats, their members, lookups, the call list, names, statuses, items: a few of each
      assert.truthy(requests <= 14, requests)
    end)

    it("says so and makes nothing when no chat has the phrase", function()
      local before = #here.sb:records("calllists")
      local output = run("nobody says this")
      assert.matches('^0 chats with "nobody says this", 0 contacts[^\n]*\n$', output)
      assert.equal(before, #here.sb:records("calllists"))
    end)

    it("survives a portal that breaks a request", function()
      here.sb:fault { method = "im.search.chat.list", action = "reset" }
      here.sb:fault { method = "crm.item.list", action = "html" }
      assert.truthy(run("Project"):find("\ncall list %d+"))
    end)

    it("fails with one readable line and status 1", function()
      for _, case in ipairs {
        { {}, "BITRIX24_WEBHOOK" }, { { BITRIX24_WEBHOOK = "nonsense" }, "webhook" },
        { { BITRIX24_WEBHOOK = here.sb.webhook:gsub("%w+/$", "wr0ngc0de/") }, "NO_AUTH_FOUND" },
      } do
        local output, status = here.run(PATH, case[1])
        assert.equal(1, status, output)
        assert.matches("lua[%w.]*: bitrix24: ", output)
        assert.truthy(output:find(case[2], 1, true), output)
        assert.falsy(output:find("wr0ngc0de", 1, true), output)
      end
      local output, status = here.run(PATH, { BITRIX24_WEBHOOK = here.sb.webhook }, { "x" })
      assert.equal(1, status)
      assert.truthy(output:find("FIND_SHORT", 1, true), output)
    end)
  end)
end)
