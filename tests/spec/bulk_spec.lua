-- 100,000 records over sockets: complete, in order, in few requests, under each
-- strategy; also while records come and go and while the portal stumbles.

local SIZE = 100000

describe("100,000 records", function()
  local here = require "support.portal"(_ENV, { contacts = SIZE, limits = false })

  local function walk(opts, on_record)
    local count, last = 0, 0
    for contact in here.portal.crm.contact.list:each({ select = { "ID" } }, opts) do
      local id = math.tointeger(tonumber(contact.ID))
      assert(id > last, "out of order or twice")
      count, last = count + 1, id
      if on_record then on_record(id, count) end
    end
    return count
  end

  for strategy, most in pairs { auto = 45, keyset = 45, batch = 45, sequential = 2001 } do
    it("come complete and in order with " .. strategy, function()
      assert.equal(SIZE, walk { strategy = strategy })
      local requests = #here:sent()
      assert.truthy(requests <= most, requests)
    end)
  end

  it("come complete while records are removed and added, and commands fail", function()
    here.sb:fault { method = "crm.contact.list", nth = 333, action = "QUERY_LIMIT_EXCEEDED" }
    here.sb:fault { method = "crm.contact.list", nth = 1200, action = "INTERNAL_SERVER_ERROR" }
    local removed, seen = {}, {}
    walk(nil, function(id, count)
      seen[id] = true
      if count % 20000 == 2 then
        -- far ahead, just ahead, behind; and a new one at the end
        for _, gone in ipairs { id + 30000, id + 3, id - 1 } do
          removed[gone] = true
          here.sb:set("contacts", gone, nil)
        end
        here.sb:set("contacts", SIZE + count, { NAME = "New" })
      end
    end)
    for id = 1, SIZE do assert(seen[id] or removed[id], id) end
  end)
end)
