-- Tables per domain: the Lua path is the REST name.

local bitrix24 = require "bitrix24"
local catalogue = require "bitrix24.catalogue"

--- First words of the documented methods: crm, im, tasks, …
local function domains()
  local out, seen = {}, {}
  for name in catalogue.each() do
    local first = name:match("^[^.]+")
    if not seen[first:lower()] then
      seen[first:lower()] = true
      out[#out + 1] = first
    end
  end
  return out
end

describe("domain tables", function()
  local here = require "support.portal" (_ENV, { users = 5, contacts = 60, chats = 5 })

  --- Call and see what arrives: the method's name as the portal got it, and
  -- the version. Most methods are unknown to the sandbox; that is no matter.
  local function arrives(call, ...)
    local before = #here:sent()
    pcall(call, ...)
    local requests = here:sent()
    assert.equal(before + 1, #requests)
    return requests[#requests].method, requests[#requests].version
  end

  it("spell the method as the path does", function()
    local portal = here.portal
    assert.equal("crm.deal.list", arrives(portal.crm.deal.list))
    assert.equal("im.v2.Event.get", arrives(portal.im.v2.Event.get))
    assert.equal("imbot.v2.Bot.list", arrives(portal.imbot.v2.Bot.list))
    assert.equal("disk.folder.uploadFile", arrives(portal.disk.folder.uploadFile))
    assert.equal("profile", arrives(portal.profile))
    assert.equal("server.time", arrives(portal.server.time))
  end)

  it("can be a method and a folder at once", function()
    local trigger = here.portal.crm.automation.trigger
    assert.equal("crm.automation.trigger", arrives(trigger, { target = "DEAL_1", code = "x" }))
    assert.equal("crm.automation.trigger.add", arrives(trigger.add, { CODE = "x", NAME = "y" }))
    assert.equal("crm.automation.trigger.list", arrives(trigger.list))
  end)

  it("reach methods that the catalogue does not know", function()
    assert.equal("vendor.thing.do_it", arrives(here.portal.vendor.thing.do_it, { a = 1 }))
    assert.equal("crm.newthing.list", arrives(here.portal.crm.newthing.list))
    local e = here.raises("api", here.portal.crm.calllist.delete, { ID = 1 })
    assert.equal("ERROR_METHOD_NOT_FOUND", e.code)
    assert.is_true(e.sent)
    assert.truthy(e.hint:find("crm.calllist.", 1, true), e.hint)
  end)

  it("are kept: the same path is the same table", function()
    assert.equal(here.portal.crm.deal, here.portal.crm.deal)
    assert.equal(bitrix24.crm.deal, bitrix24.crm.deal)
  end)

  it("do the same as a call by name", function()
    local mine, one = here.portal.crm.item.get { entityTypeId = 3, id = 7 }
    local theirs, other = here.portal:call("crm.item.get", { entityTypeId = 3, id = 7 })
    assert.same(theirs, mine)
    assert.equal(other.method, one.method)
    local requests = here:sent("crm.item.get")
    assert.equal(requests[1].body, requests[2].body)
  end)

  describe("that bear a name of our own", function()
    it("call and batch are the platform's too", function()
      local portal = here.portal
      assert.equal("call.followup.list", arrives(portal.call.followup.list))
      assert.equal("1", portal:call("profile").ID)
      assert.equal("1", portal.call(portal, "profile").ID)
      assert.equal("1", portal:call("batch", { cmd = { me = "profile" } }).result.me.ID)
      assert.equal("1", portal.batch { halt = 0, cmd = { me = "profile" } }.result.me.ID)
    end)

    it("count and the other list functions give way to a method", function()
      local node = here.portal.humanresources.node
      assert.equal("humanresources.node.count", arrives(node.count, {}))
      assert.equal(#here.sb:records("contacts"), here.portal.crm.item.list:count { entityTypeId = 3 })
      for name in catalogue.each() do
        local last = name:match("([^.]+)$")
        if last == "each" or last == "pages" or last == "all" or last == "first" or last == "count" then
          local at = here.portal
          for word in name:gmatch("[^.]+") do at = at[word] end
          assert.is_table(at, name)
        end
      end
    end)

    it("no domain of the platform is hidden, on a portal or on the module", function()
      local all = domains()
      assert.truthy(#all >= 56, #all)
      for _, name in ipairs(all) do
        assert.is_table(bitrix24[name], name)
        assert.equal("bitrix24 method " .. name, tostring(bitrix24[name]))
        assert.equal("bitrix24 method " .. name, tostring(here.portal[name]))
        assert.equal("bitrix24 method " .. name, tostring(here.portal.v3[name]))
      end
    end)

    it("every documented method can be written as a path", function()
      local count = 0
      for name in catalogue.each() do
        local at = here.portal
        for word in name:gmatch("[^.]+") do at = at[word] end
        assert.equal("bitrix24 method " .. name, tostring(at))
        count = count + 1
      end
      assert.truthy(count > 1500)
      assert.equal(0, #here:sent())
    end)
  end)

  describe("choose the version", function()
    it("by the catalogue: 2 where a method is in both or unknown", function()
      local portal = here.portal
      assert.same({ "tasks.task.get", 2 }, { arrives(portal.tasks.task.get, { taskId = 1 }) })
      assert.same({ "humanresources.node.communication.list", 3 },
        { arrives(portal.humanresources.node.communication.list, { id = 1 }) })
      assert.same({ "vendor.new.method", 2 }, { arrives(portal.vendor.new.method) })
    end)

    it("as asked through v2 and v3, for calls, names and lists", function()
      local portal = here.portal
      assert.same({ "tasks.task.get", 3 }, { arrives(portal.v3.tasks.task.get, { id = 1 }) })
      assert.same({ "tasks.task.get", 2 }, { arrives(portal.v2.tasks.task.get, { taskId = 1 }) })
      assert.same({ "vendor.new.method", 3 }, { arrives(portal.v3.vendor.new.method) })
      local v3 = portal.v3
      assert.same({ "tasks.task.get", 3 }, { arrives(v3.call, v3, "tasks.task.get", { id = 1 }) })
      assert.same({ "tasks.task.list", 3 }, { arrives(function() portal.v3.tasks.task.list:first() end) })
      assert.equal(portal.v3, portal.v3)
    end)
  end)

  describe("on the module", function()
    it("speak to the portal given to use", function()
      assert.equal(here.portal, bitrix24.use(here.portal))
      assert.equal("1", bitrix24.profile().ID)
      assert.same({ "tasks.task.get", 3 }, { arrives(bitrix24.v3.tasks.task.get, { id = 1 }) })
      assert.equal(60, bitrix24.crm.item.list:count { entityTypeId = 3 })
      local profile = bitrix24.profile
      local other = here:connect()
      bitrix24.use(other)
      assert.equal("1", profile().ID)
      other:close()
      here.raises("config", profile)
    end)

    it("take nothing but a portal", function()
      for _, value in ipairs { "https://example.com", {}, 7 } do
        here.raises("config", bitrix24.use, value)
      end
      here.raises("config", bitrix24.use)
    end)
  end)

  describe("misused", function()
    it("a colon for a dot is told", function()
      for _, call in ipairs {
        function() here.portal.crm.deal:list { } end,
        function() here.portal.crm.deal:get { id = 1 } end,
        function() here.portal.user:current() end,
      } do
        local e = here.raises("config", call)
        assert.truthy(tostring(e):find("dot", 1, true), tostring(e))
      end
      assert.equal(0, #here:sent())
    end)

    it("a colon on the portal itself is told", function()
      for _, call in ipairs {
        function() here.portal:profile() end, function() here.portal.v3:profile() end,
        function() here.portal.batch:halt { 1 } end, function() here.portal.call.followup:list() end,
      } do
        local e = here.raises("config", call)
        assert.truthy(tostring(e):find("dot", 1, true), tostring(e))
      end
      assert.equal(0, #here:sent())
    end)

    it("a colon on the module is told, and where a portal's own methods are", function()
      bitrix24.use(here.portal)
      for name, call in pairs {
        profile = function() bitrix24:profile() end,
        map = function() bitrix24:map({}, print) end,
        call = function() bitrix24:call("profile") end,
        close = function() bitrix24:close() end,
      } do
        local e = here.raises("config", call)
        assert.truthy(e.message:find("dot", 1, true), tostring(e))
        assert.truthy(e.hint:find("portal:" .. name .. "(", 1, true), tostring(e))
      end
      assert.equal(0, #here:sent())
    end)

    it("a dot for a colon is told", function()
      local portal = here.portal
      for _, call in ipairs {
        function() portal.crm.item.list.each { entityTypeId = 3 } end,
        function() portal.crm.item.list.all() end,
        function() portal.close() end,
        function() portal.each("crm.item.list") end,
      } do
        local e = here.raises("config", call)
        assert.truthy(tostring(e):find("colon", 1, true), tostring(e))
      end
    end)

    it("parameters that are no table, and names that are no string, are told", function()
      local portal = here.portal
      for _, call in ipairs {
        function() portal.crm.deal.get(7) end, function() portal.crm.deal.get("7") end,
        function() portal:call("crm.deal.get", 7) end, function() portal:call() end,
        function() portal:call { "crm.deal.get" } end, function() portal:call("") end,
        function() portal:call("crm deal get") end, function() portal:call("crm..get") end,
        function() portal:call("../crm.deal.get") end, function() portal:call("crm.deal.get?id=1") end,
        function() portal:each(nil) end,
      } do
        here.raises("config", call)
      end
      assert.equal(0, #here:sent())
    end)

    it("an assignment is told", function()
      local e = here.raises("config", function() here.portal.crm.deal.list = 1 end)
      assert.truthy(e.message:find("crm.deal.list", 1, true))
    end)
  end)

  it("cost nothing until they are touched", function()
    -- loading the module against touching every method, in one process
    local output = here.run([[
      local bitrix24 = require "bitrix24"
      local catalogue = require "bitrix24.catalogue"
      collectgarbage() collectgarbage()
      local nodes = 0
      for _, value in pairs(bitrix24) do
        local meta = getmetatable(value)
        if type(meta) == "table" and meta.__name == "bitrix24.domain" then nodes = nodes + 1 end
      end
      local before = collectgarbage "count"
      local kept = {}
      for name in catalogue.each() do
        local at = bitrix24
        for word in name:gmatch("[^.]+") do at = at[word] end
        kept[#kept + 1] = at
        catalogue.find(name).params()
      end
      collectgarbage() collectgarbage()
      local after = collectgarbage "count"
      io.write(nodes, " ", (after - before) > before and "lazy" or ("eager: " .. before .. " KB loaded"))
    ]])
    assert.equal("0 lazy", output)
  end)
end)
