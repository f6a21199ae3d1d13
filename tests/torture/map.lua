--- Calls side by side, packed into batches and one by one; one of them fails.

local get, again = require "torture.common".plain(...)

local function read(id) return get():call("crm.item.get", { entityTypeId = 3, id = id }).item.id end

return function()
  local ids = get():map({ 1, 2, 3 }, read)
  assert(ids[1] == 1 and ids[3] == 3)
  ids = get():map({ 4, 99999, 5 }, function(id)
    local ok, got = pcall(read, id)
    if not ok and (type(got) == "string" or got.kind ~= "api") then error(got, 0) end
    return ok and got or 0
  end, { batch = false, concurrency = 2 })
  assert(ids[1] == 4 and ids[2] == 0 and ids[3] == 5)
end, again
