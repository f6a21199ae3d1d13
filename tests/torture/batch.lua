--- A batch by hand: a reference, a command that fails, a command that is asked
-- for its result.

local get, again = require "torture.common".plain(...)

return function()
  local b = get():batch()
  local me = b.user.current()
  local department = b.department.get { ID = me.UF_DEPARTMENT[1] }
  local missing = b.crm.item.get { entityTypeId = 3, id = 99999 }
  assert(b:run() == 1)
  assert(type(department()[1].NAME) == "string" and me().ID == "1")
  local ok, e = pcall(missing)
  assert(not ok)
  if type(e) == "string" or e.kind ~= "api" then error(e, 0) end
end, again
