-- Tasks in both versions of the API, their comments, and the small collections that page in
-- the ways nothing else does: the event log (a page, or a cursor over a
-- field), knowledge bases (a cursor of two values), analytics sources (`page`).

local comments = require "bitrix24.sandbox.tasks.comments"
local eventlog = require "bitrix24.sandbox.tasks.eventlog"
local notes = require "bitrix24.sandbox.tasks.notes"
local records = require "bitrix24.sandbox.tasks.records"
local rest2 = require "bitrix24.sandbox.tasks.rest2"
local rest3 = require "bitrix24.sandbox.tasks.rest3"
local sources = require "bitrix24.sandbox.tasks.sources"
local world = require "bitrix24.sandbox.users.world"

return function(portal)
  world.define(portal, "tasks", "ID", records.maker(portal))
  local old, new = { version = 2, scope = "task" }, { version = 3, scope = "tasks" }
  portal:method("tasks.task.list", old, rest2.list)
  portal:method("tasks.task.get", old, rest2.get)
  portal:method("tasks.task.add", { version = 2, scope = "task", write = true }, rest2.add)
  portal:method("tasks.task.list", new, rest3.list)
  portal:method("tasks.task.get", new, rest3.get)
  portal:method("tasks.task.add", { version = 3, scope = "tasks", write = true }, rest3.add)
  comments(portal)
  eventlog(portal)
  notes(portal)
  sources(portal)
end
