--- The first call of a portal, and one on the same connection.

local get, again = require "torture.common".plain(...)

return function()
  for id = 7, 8 do
    local contact = get():call("crm.item.get", { entityTypeId = 3, id = id })
    assert(contact.item.id == id)
  end
end, again
