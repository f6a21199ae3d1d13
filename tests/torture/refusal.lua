--- A call that the portal refuses.

local get, again = require "torture.common".plain(...)

return function()
  local ok, e = pcall(get().crm.item.get, { entityTypeId = 3, id = 99999 })
  assert(not ok)
  if type(e) == "string" or e.kind ~= "api" then error(e, 0) end
  assert(tostring(e):find("crm.item.get", 1, true))
end, again
