--- Calls inside a loop whose next page is on its way, by a script that goes on
-- after an error: the page is not lost with the call that lacked memory.

local get, again = require "torture.common".plain(...)

return function()
  local seen, fault = 0, nil
  for contact in get().crm.item.list:each { entityTypeId = 3, select = { "id" } } do
    seen = seen + 1
    assert(contact.id == seen)
    if seen % 5 == 0 then
      local ok, e = pcall(get().call, get(), "profile")
      if not ok then fault = e end
    end
  end
  assert(seen == 60)
  if fault then error(fault, 0) end
end, again
