--- What the specs of plans share: what arrived while one was made, and its
-- writes as text.

local assert = require "luassert"
local json = require "bitrix24.json"

---@param here support.Here
return function(here)
  local planned = {}

  --- Methods that arrived, commands of batches included.
  function planned.arrived()
    local out = {}
    for _, request in ipairs(here:sent()) do
      for _, command in ipairs(request.commands or {}) do out[#out + 1] = command.method end
      if not request.commands then out[#out + 1] = request.method end
    end
    return out
  end

  function planned.nothing_written(deals)
    for _, method in ipairs(planned.arrived()) do
      assert.falsy(method:find("add$") or method:find("update$") or method:find("delete$"), method)
    end
    assert.equal(deals or 60, #here.sb:records("deals"))
  end

  --- The writes of a plan, each as "method {json}".
  function planned.writes(plan, name)
    local out = {}
    for i, call in ipairs(plan[name or "writes"]) do
      out[i] = ("%s %s"):format(call.method, json.encode(call.params))
    end
    return out
  end

  return planned
end
