--- Failures on order: which request breaks, and how. A fault names a method
-- (or none: any request), counts the requests that match from the moment it
-- was made, and strikes the nth of them, `count` times in a row.

local huge = math.huge
local setmetatable = setmetatable
local remove = table.remove
local breaks = require "bitrix24.sandbox.breaks"

local _ENV = nil -- luacheck: ignore

local faults = {}

local Faults = { __name = "bitrix24.sandbox.faults" }
Faults.__index = Faults

---@return table
function faults.new()
  return setmetatable({ list = {} }, Faults)
end

---@param spec table { method=, nth=, action=, after=, count= }
function Faults:add(spec)
  local first = spec.nth or 1
  local count = spec.count or (breaks.endless[spec.action] and huge or 1)
  self.list[#self.list + 1] = {
    method = spec.method and spec.method:lower(),
    first = first,
    last = first + count - 1,
    action = spec.action,
    after = spec.after or false,
    seen = 0,
  }
end

--- The fault that strikes this call, or nil. Every matching fault counts it.
---@param method string
---@param is_command boolean a command inside a batch: only faults that name its method match
---@return table?
function Faults:take(method, is_command)
  local struck
  method = method:lower()
  for i = #self.list, 1, -1 do
    local fault = self.list[i]
    if fault.method == method or (fault.method == nil and not is_command) then
      fault.seen = fault.seen + 1
      if fault.seen >= fault.first then struck = fault end -- the oldest wins
      if fault.seen >= fault.last then remove(self.list, i) end
    end
  end
  return struck
end

return faults
