--- A list of two pages, strategy batch.

local get, again = require "torture.common".plain(...)

return function()
  local seen = 0
  local params = { entityTypeId = 3, select = { "id" } }
  for contact in get().crm.item.list:each(params, { strategy = "batch" }) do
    seen = seen + 1
    assert(contact.id == seen)
  end
  assert(seen == 60)
end, again
