-- Recordings: what was asked and answered is kept without secrets, and answers a
-- script without a portal.

local bitrix24 = require "bitrix24"
local json = require "bitrix24.json"

describe("a recording", function()
  local here = require "support.portal" (_ENV, {
    users = 10, contacts = 120, deals = 60, chats = 5, tasks = 20,
  })
  local made = require "support.recorded" (_ENV, here)
  local new_path, read, write = made.new_path, made.read, made.write
  local lines, recorded, replayed, same =
    made.lines, made.recorded, made.replayed, made.same

  describe("answers as the portal did:", function()
    it("calls, their responses, writes", function()
      local _, text = same(function(portal, try)
        try(portal.call, portal, "crm.contact.list", { select = { "ID" } })
        try(portal.crm.deal.add, { fields = { TITLE = "Tisch ü" } })
        try(portal.crm.deal.update, { id = 61, fields = { TITLE = json.null, TAGS = json.array {} } })
        try(portal.v3.tasks.task.get, { id = 2, select = { "id", "title" } })
        try(portal.crm.deal.get, bitrix24.ordered { { "id", 61 } })
      end)
      assert.truthy(text:find('"total":120', 1, true))
    end)

    it("lists, whichever way they are walked", function()
      local _, text = same(function(portal, try)
        for _, strategy in ipairs { "auto", "sequential", "batch", "keyset" } do
          try(function()
            local sum = 0
            for contact in portal.crm.contact.list:each({}, { strategy = strategy }) do
              sum = sum + contact.ID
            end
            return sum
          end)
        end
        try(portal.crm.contact.list.count, portal.crm.contact.list)
        try(portal.crm.contact.list.first, portal.crm.contact.list)
      end)
      assert.equal(4, select(2, text:gsub("7260", "")))
    end)

    it("side by side and in batches", function()
      same(function(portal, try)
        local ids = {}
        for i = 1, 70 do ids[i] = i end
        try(function()
          return table.unpack(portal:map(ids, function(id)
            local contact = portal.crm.contact.get { ID = id }
            local deal = portal.crm.deal.add { fields = { TITLE = contact.ID } }
            return portal.crm.deal.get { id = deal }.TITLE
          end))
        end)
        try(function()
          local b = portal:batch()
          local me = b.user.current()
          local deal = b.crm.deal.add { fields = { ASSIGNED_BY_ID = me.ID } }
          b.crm.deal.get { id = deal }
          b.crm.deal.get { id = 999999 }
          b:run { halt = false }
          return deal()
        end)
        try(portal.batch, portal.v3, { a = { "tasks.task.get", { id = 1, select = { "id" } } },
          b = { "tasks.task.list", { select = { "id" } } } })
      end)
    end)

    it("errors, word for word", function()
      local _, text = same(function(portal, try)
        try(portal.crm.deal.get, { id = 999999 })
        try(portal.crm.deal.get, {})
        try(portal.call, portal, "no.such.method", { a = 1 })
        try(portal.v3.tasks.task.add, { fields = {} })
      end)
      assert.truthy(text:find("no.such.method: api error \"ERROR_METHOD_NOT_FOUND\" (HTTP 404)", 1, true))
    end)

    it("failures of the network and answers that cannot be read", function()
      here.sb:fault { method = "crm.deal.add", action = "reset" }
      here.sb:fault { method = "crm.deal.get", action = { status = 502, body = "<html><h1>Bad</h1></html>" } }
      local path, text = same(function(portal, try)
        try(portal.crm.deal.add, { fields = { TITLE = "x" } })
        try(portal.crm.deal.get, { id = 1 })
        try(portal.profile)
      end, { retries = 0 })
      assert.truthy(text:find("network error", 1, true))
      assert.truthy(text:find("protocol error", 1, true))
      assert.equal("network", lines(path)[2].verdict.kind)
    end)

    it("what was sent again is one exchange, with its attempts", function()
      here.sb:fault { method = "profile", action = "reset" }
      local path = same(function(portal, try) try(portal.call, portal, "profile") end)
      local all = lines(path)
      assert.equal(2, #all)
      assert.equal(2, all[2].attempts)
    end)

    it("the same call more than once, in order", function()
      local path = recorded(function(portal)
        for i = 1, 3 do
          portal.crm.deal.update { id = 1, fields = { TITLE = "t" .. i } }
          portal.crm.deal.get { id = 1 }
        end
      end)
      local portal <close> = bitrix24.connect { replay = path }
      for _, title in ipairs { "t1", "t2", "t3", "t3", "t3" } do
        assert.equal(title, portal.crm.deal.get { id = 1 }.TITLE)
      end
    end)

    it("downloads", function()
      local target = new_path()
      local script = function(portal, try)
        local file = portal.disk.file.get { id = 3 }
        try(portal.download, portal, file.DOWNLOAD_URL, target)
        try(portal.download, portal, file.DOWNLOAD_URL:gsub("^%a+://[^/]+", ""), target)
        try(read, target)
      end
      local path, text = recorded(script)
      os.remove(target)
      assert.equal(text, replayed(script, path))
      assert.truthy(#read(target) > 0)
    end)

    it("a list that is left early, though a page was asked ahead", function()
      local path = recorded(function(portal)
        for _ in portal.crm.contact.list:each({}, { strategy = "sequential" }) do break end -- luacheck: ignore
      end)
      -- whether the second page came before the loop was left is chance
      local all = {}
      for line in read(path):gmatch("[^\n]+") do all[#all + 1] = line end
      write(path, table.concat(all, "\n", 1, 2) .. "\n")
      local portal <close> = bitrix24.connect { replay = path }
      local next_contact, _, _, walk = portal.crm.contact.list:each({}, { strategy = "sequential" })
      for i = 1, 50 do assert.equal(tostring(i), next_contact().ID) end
      here.raises("config", next_contact)
      walk:close()
    end)

    it("with the log, and nulls kept", function()
      local path = recorded(function(portal) portal.crm.contact.get { ID = 1 } end)
      local events = {}
      local portal <close> = bitrix24.connect { replay = path, nulls = "keep",
        log = function(event) events[#events + 1] = event.event end }
      local contact = portal.crm.contact.get { ID = 1 }
      assert.equal(json.null, contact.BIRTHDATE)
      assert.same({ "send", "answer" }, events)
    end)
  end)

  describe("needs no", function()
    it("portal: the script runs where there is none", function()
      local path = recorded(function(portal) portal.crm.contact.get { ID = 1 } end)
      local output, status = here.run([[
        local bitrix24 = require "bitrix24"
        local portal <close> = bitrix24.connect{ replay = os.getenv "RECORDING" }
        print(portal.crm.contact.get{ ID = 1 }.ID, portal)]], { RECORDING = path })
      assert.truthy(output:find("^1\t"), output)
      assert.equal(0, status)
    end)

    it("credentials, and takes no notice of those it is given", function()
      local path = recorded(function(portal) portal.profile() end)
      for _, given in ipairs {
        { webhook = "https://example.bitrix24.com/rest/1/abcdefgh12345678/" },
        { domain = "example.bitrix24.com", access_token = "x" },
        { client_id = "a" },
      } do
        given.replay = path
        local portal <close> = bitrix24.connect(given)
        assert.truthy(portal.profile().ID)
        assert.truthy(tostring(portal):find(here.sb.url, 1, true))
      end
    end)
  end)

  describe("may be asked in other packing:", function()
    local ids = { 1, 2, 3 }
    local function together(portal)
      return portal:map(ids, function(id) return portal.crm.contact.get { ID = id }.ID end)
    end
    local function apart(portal)
      return portal:map(ids, function(id) return portal.crm.contact.get { ID = id }.ID end, { batch = false })
    end

    it("calls of a batch by themselves", function()
      local path = recorded(together)
      local portal <close> = bitrix24.connect { replay = path }
      assert.same({ "1", "2", "3", n = 3 }, apart(portal))
      assert.equal("2", portal.crm.contact.get { ID = 2 }.ID)
    end)

    it("single calls in a batch", function()
      local path = recorded(apart)
      local portal <close> = bitrix24.connect { replay = path }
      assert.same({ "1", "2", "3", n = 3 }, together(portal))
      local results, faults = portal:batch { a = { "crm.contact.get", { ID = 3 } } }
      assert.equal("3", results.a.ID)
      assert.same({}, faults)
    end)

    it("errors as well", function()
      local path = recorded(function(portal)
        portal:map({ 1, 999999 }, function(id) return portal.crm.deal.get { id = id } end,
          { on_error = "collect" })
      end)
      local portal <close> = bitrix24.connect { replay = path }
      assert.equal("Not found", here.raises("api", portal.crm.deal.get, { id = 999999 }).message)
    end)

    it("a batch that stops does so", function()
      local path = recorded(function(portal)
        pcall(portal.crm.deal.get, { id = 999999 })
        portal.crm.deal.delete { id = 1 }
      end)
      local portal <close> = bitrix24.connect { replay = path }
      local b = portal:batch()
      b.crm.deal.get { id = 999999 }
      local second = b.crm.deal.delete { id = 1 }
      assert.equal(2, b:run { halt = true })
      assert.equal("skipped", bitrix24.state(second))
    end)

    it("of REST 3.0, too", function()
      local path = recorded(function(portal)
        for i = 1, 2 do portal.v3.tasks.task.get { id = i, select = { "id" } } end
      end)
      local portal <close> = bitrix24.connect { replay = path }
      assert.same({ 2, 1, n = 2 }, portal:map({ 2, 1 }, function(id)
        return portal.v3.tasks.task.get { id = id, select = { "id" } }.item.id
      end))
    end)
  end)

  describe("is strict:", function()
    local path, portal
    before_each(function()
      path = recorded(function(it)
        it.crm.deal.list { filter = { STAGE_ID = "NEW", CATEGORY_ID = 0 }, select = { "ID" } }
        it.crm.deal.add { fields = { TITLE = "once" } }
        it.crm.contact.get { ID = 1 }
      end)
      portal = bitrix24.connect { replay = path }
    end)
    after_each(function() portal:close() end)

    it("an unknown request is an error that names the nearest recorded one", function()
      local e = here.raises("config", portal.crm.deal.list,
        { filter = { STAGE_ID = "WON", CATEGORY_ID = 0 }, select = { "ID" } })
      assert.equal("crm.deal.list", e.method)
      assert.equal(false, e.sent)
      assert.truthy(e.message:find("the nearest recorded one is crm.deal.list{", 1, true), e.message)
      assert.truthy(e.message:find('(filter[STAGE_ID] is "NEW" there, and "WON" here)', 1, true), e.message)
    end)

    it("also of another method", function()
      local e = here.raises("config", portal.crm.contact.update, { ID = 1 })
      assert.truthy(e.message:find("the nearest recorded one is crm.contact.get{ID=1}", 1, true), e.message)
      write(path, read(path):match("^[^\n]*\n"))
      local empty <close> = bitrix24.connect { replay = path }
      assert.truthy(here.raises("config", empty.profile).message:find("nothing is recorded", 1, true))
    end)

    it("each command of a batch is told what is missing", function()
      local _, faults = portal:map({ 1, 2 }, function(id) return portal.crm.contact.get { ID = id }.ID end,
        { on_error = "collect" })
      assert.truthy(faults[2].message:find("crm.contact.get{ID=2}", 1, true), faults[2].message)
    end)

    it("a write is not answered more often than it was recorded", function()
      assert.equal(61, portal.crm.deal.add { fields = { TITLE = "once" } })
      local e = here.raises("config", portal.crm.deal.add, { fields = { TITLE = "once" } })
      assert.truthy(e.message:find("this write once", 1, true), e.message)
    end)
  end)

  it("that is not strict answers with the nearest call of the method", function()
    local path = recorded(function(portal)
      portal.crm.deal.add { fields = { TITLE = "A", COMMENTS = "at 10:00" } }
      portal:map({ "B", "C" }, function(title)
        return portal.crm.deal.add { fields = { TITLE = title, COMMENTS = "at 10:01" } }
      end)
    end)
    local portal <close> = bitrix24.connect { replay = { path = path, strict = false } }
    assert.equal(62, portal.crm.deal.add { fields = { TITLE = "B", COMMENTS = "at 11:00" } })
    assert.equal(61, portal.crm.deal.add { fields = { TITLE = "A", COMMENTS = "at 11:01" } })
    here.raises("config", portal.crm.contact.add, { fields = { NAME = "A" } })
    here.raises("config", bitrix24.connect, { replay = { path = path, strikt = false } })
    here.raises("config", bitrix24.connect, { replay = { strict = true } })
  end)

  describe("as a file", function()
    it("is its owner's alone, one line of JSON an exchange", function()
      local path = recorded(function(portal)
        portal.crm.deal.get { id = 5 }
        portal.v3.tasks.task.get { id = 1, select = { "id" } }
      end)
      local pipe <close> = assert(io.popen("stat -c %a " .. path))
      assert.equal("600", pipe:read("l"))
      local all = lines(path)
      assert.same({ recording = "bitrix24", version = 1, origin = here.sb.url }, all[1])
      assert.same({ "crm.deal.get", 2, { id = 5 } }, { all[2].method, all[2].version, all[2].request })
      assert.equal("5", all[2].answer.result.ID)
      assert.equal(3, all[3].version)
      assert.equal(3, #all)
    end)

    it("is the same for the same script, but for the portal's own times", function()
      local function script(portal)
        portal:map({ 1, 2, 3 }, function(id) portal.crm.contact.get { ID = id } end)
        portal.v3.tasks.task.add { fields = { title = "x", creatorId = 1, responsibleId = 1 } }
      end
      local function asked(path)
        local out = {}
        for i, line in ipairs(lines(path)) do
          out[i] = json.encode { line.method or "", line.request or "" }
        end
        return table.concat(out, "\n")
      end
      assert.equal(asked((recorded(script))), asked((recorded(script))))
    end)

    it("has every exchange that has ended, also of a script that was killed", function()
      local path = new_path()
      here.run([[
        local bitrix24 = require "bitrix24"
        local portal = bitrix24.connect{ record = os.getenv "RECORDING", insecure = true }
        portal.profile()
        portal.crm.contact.get{ ID = 1 }
        os.execute("kill -9 $PPID")]], { BITRIX24_WEBHOOK = here.sb.webhook, RECORDING = path })
      assert.equal(3, #lines(path))
      write(path, read(path) .. '{"method":"crm.deal.get","ver')
      local portal <close> = bitrix24.connect { replay = path }
      assert.equal("1", portal.crm.contact.get { ID = 1 }.ID)
    end)

    it("replaces an earlier recording, nothing else", function()
      local path = recorded(function(portal) portal.profile() end)
      local portal = here:connect { record = path }
      assert.equal(1, #lines(path))
      here.raises("config", here.connect, here, { record = path })
      portal:close()
      write(path, "my letters\n")
      local e = here.raises("config", here.connect, here, { record = path })
      assert.truthy(e.message:find("record", 1, true))
      assert.equal("my letters\n", read(path))
      here.raises("config", here.connect, here, { record = "/no/such/folder/r.jsonl" })
      here.raises("config", here.connect, here, { record = "/tmp" })
    end)

    it("that is none is refused, with the line", function()
      local path = write(new_path(), "")
      local function refused(text)
        write(path, text)
        return here.raises("config", bitrix24.connect, { replay = path }).message
      end
      local head = '{"recording":"bitrix24","version":1,"origin":"https://example.com"}\n'
      assert.truthy(refused(""):find("empty", 1, true))
      assert.truthy(refused("text\n"):find("no recording", 1, true))
      assert.truthy(refused('{"a":1}\n'):find("no recording", 1, true))
      assert.truthy(refused('{"recording":"bitrix24","version":2}\n'):find("later version", 1, true))
      assert.truthy(refused(head .. "5\n" .. '{"method":"profile"}\n'):find("line 2", 1, true))
      here.raises("config", bitrix24.connect, { replay = "/no/such/file" })
      here.raises("config", bitrix24.connect, { replay = path, record = path })
      here.raises("config", bitrix24.connect, { replay = 5 })
      here.raises("config", bitrix24.connect, { record = true })
    end)

    it("may be written by hand", function()
      local path = write(new_path(), [[
{"recording":"bitrix24","version":1}
{"method":"crm.deal.get","version":2,"request":{"id":5},"answer":{"result":{"ID":"5","TITLE":"Table"}}}
{"method":"crm.deal.get","request":{"id":6},"status":400,"answer":{"error":"A","error_description":"No"}}
{"method":"tasks.task.get","version":3,"request":{"id":1},"answer":{"result":{"item":{"id":1}}}}
]])
      local portal <close> = bitrix24.connect { replay = path }
      assert.equal("Table", portal.crm.deal.get { id = 5 }.TITLE)
      assert.equal("No", here.raises("api", portal.crm.deal.get, { id = 6 }).message)
      assert.equal(1, portal.v3.tasks.task.get { id = 1 }.item.id)
    end)

    it("of a download that is gone it has the size only, not an empty file", function()
      local path = new_path()
      local client = { at = "https://example.com", clean = function(_, text) return text end }
      local recorder = require "bitrix24.record".new(client, path)
      recorder:keep({
        call = { method = "download", url = "https://example.com/a" }, request = {},
        path = "/no/such/file", bytes = 5,
      }, { outcome = "answer", status = 200, attempts = 1, content_type = "", message = "", location = "" })
      recorder:close()
      assert.same({ method = "download", version = 2, url = "https://example.com/a", bytes = 5 },
        lines(path)[2])
    end)

    it("of a longer download it has the size only", function()
      local path = write(new_path(), [[
{"recording":"bitrix24","version":1}
{"method":"download","version":2,"url":"https://example.com/a","bytes":9000000}
]])
      local portal <close> = bitrix24.connect { replay = path }
      local target = new_path()
      local e = here.raises("config", portal.download, portal, "https://example.com/a", target)
      assert.truthy(e.message:find("9000000", 1, true))
      assert.falsy(io.open(target))
    end)
  end)

  describe("and a plan:", function()
    it("what is held back is not recorded", function()
      local path = recorded(function(portal)
        portal:plan(function()
          portal.crm.deal.add { fields = { TITLE = "x" } }
          portal.crm.contact.get { ID = 1 }
        end)
      end)
      local all = lines(path)
      assert.equal(2, #all)
      assert.equal("crm.contact.get", all[2].method)
    end)

    it("a script is planned without a portal, the same plan", function()
      local function script(portal)
        local b = portal:batch()
        local contact = b.crm.contact.get { ID = 1 }
        local deal = b.crm.deal.add { fields = { TITLE = contact.NAME } }
        b.user.current()
        b:run()
        for item in portal.crm.contact.list:each {} do
          if item.ID == "7" then portal.crm.contact.update { id = 7, fields = { NOTE = deal() } } end
        end
      end
      local plan = tostring(here.portal:plan(script))
      local path = recorded(script)
      local portal <close> = bitrix24.connect { replay = path }
      assert.equal(plan, tostring(portal:plan(script)))
    end)
  end)
end)
