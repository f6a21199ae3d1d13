---@meta bitrix24.events

---What a portal tells a program: handlers and the offline queue.
---@class bitrix24.EventsModule
local events = {}

---@class bitrix24.Event
---@field event? string
---@field data table
---@field auth table
---@field ts? any

---@class bitrix24.OfflineOptions
---@field filter? table
---@field order? table
---@field limit? integer events reserved at a time (50)
---@field auth_connector? string
---@field poll? number seconds after which an empty queue is asked again
---@field recover? boolean false: leave alone what others reserved

---@class bitrix24.OfflineEvent
---@field ID string
---@field event string
---@field data table

---Decode what a portal posts to a handler.
---@param body string
---@param content_type? string
---@return bitrix24.Event
function events.parse(body, content_type) end

---Did this event come from the portal?
---@param event bitrix24.Event
---@param application_token string
---@return boolean
function events.verify(event, application_token) end

---The tokens that came with an event, as a token store takes them.
---@param event bitrix24.Event
---@return bitrix24.Tokens?
function events.tokens(event) end

---Take events from the offline queue; each is confirmed after the loop's body has finished with it.
---@param portal bitrix24.Portal
---@param opts? bitrix24.OfflineOptions
---@return fun(): bitrix24.OfflineEvent, fun()
function events.offline(portal, opts) end

return events
