--- The ways in which methods take the position of a page.
--
-- A form is made for one walk from what the method is known to take and what
-- the caller gave. It has `cursor`, the options of the page cursor, and
--   form:write(copy, position)   puts a page's position into a copy of the
--                                parameters; position nil = the first page
--   form:read(facts, records, result, response)   adds to the facts of an
--                                answer what only this form can see in it

local envelope = require "bitrix24.envelope"
local errors = require "bitrix24.errors"
local find = require "bitrix24.list.records"
local params = require "bitrix24.list.params"

local concat, sort = table.concat, table.sort
local lower = string.lower
local max, min = math.max, math.min
local ipairs, next, pairs, setmetatable = ipairs, next, pairs, setmetatable
local tostring, type = tostring, type
local integer = envelope.integer

local _ENV = nil -- luacheck: ignore

---@class bitrix24.list.Context
---@field method string
---@field row table? catalogue row
---@field version 2|3|nil
---@field given table the caller's parameters
---@field want integer? records wanted at most
---@field single boolean? one request is all there will be
---@field fresh boolean? leave out the caller's own position

local forms = {}

local CURSOR_NAMES = { "nextCursor", "afterCursor" }

local function form(cursor, write, read)
  return { cursor = cursor, write = write, read = read or function() end }
end

--- How REST 3.0 lists page unless their page says otherwise (api-reference/rest-v3);
-- a page holds 20, 25 or 50 records if nothing is asked, by the method.
local UNKNOWN_V3 = { style = "page", param = "pagination" }

local function page_of(ctx)
  if ctx.row then return ctx.row.page or {} end
  return ctx.version == 3 and UNKNOWN_V3 or {}
end

--- The page size to ask: the caller's, else the largest one documented,
-- smaller where fewer records are wanted. nil = do not ask.
local function size_to_ask(ctx, name, given, fallback)
  local own = params.integer(given, name, ctx.method)
  if own and own < 1 then
    errors.config(("%s must be at least 1, not %d"):format(name, own), nil, ctx.method)
  end
  local page = page_of(ctx)
  local size = own or page.max or fallback
  if ctx.want then size = min(size or ctx.want, ctx.want) end
  return size
end

--- The caller's own position, or 0. Negative ones switch counting off
-- (`start = -1`, settings/performance/huge-data); a walk by position then
-- begins at 0, because it cannot go on from there.
local function first_position(ctx, name, given)
  if ctx.fresh then return 0 end
  return max(params.integer(given, name, ctx.method) or 0, 0)
end

-- ---- start ---------------------------------------------------------------

local function start_form(ctx, style)
  local page = page_of(ctx)
  local key, given = params.find(ctx.given, page.param or "start")
  if given == nil and page.param then
    local other, value = params.find(ctx.given, "start")
    if value ~= nil then key, given = other, value end
  end
  -- An unpaged or unknown method's `start` may be something else, a date.
  if style == "none" and not integer(given) then given = nil end
  local first = first_position(ctx, key, given)
  -- log.blogpost.get takes a LIMIT too; only the caller's own one is used.
  local asked
  if page.limit then
    local limit_key, limit = params.find(ctx.given, page.limit)
    asked = params.integer(limit, limit_key, ctx.method)
  end
  return form({
    style = style, first = first, asked = asked, size = page.size,
    next_documented = ctx.row ~= nil and ctx.row.next or false,
  }, function(_, copy, position)
    if position then
      copy[key] = position.offset
    elseif given ~= nil and not ctx.single then
      copy[key] = first > 0 and given or nil
    end
  end)
end

-- ---- LIMIT with OFFSET ---------------------------------------------------

local function offset_form(ctx)
  local row, page = ctx.row, page_of(ctx)
  local limit_key, limit = params.find(ctx.given, page.limit or params.alike("LIMIT", page.param))
  local offset_key, offset = params.find(ctx.given, params.alike("OFFSET", page.param))
  local asked = size_to_ask(ctx, limit_key, limit)
  local first = first_position(ctx, offset_key, offset)
  -- A page is never larger than the documented maximum: overlapping pages
  -- must not be stepped over.
  local step = asked and page.max and min(asked, page.max) or asked
  return form({
    style = "offset", first = first, asked = step, size = page.size,
    overlap = row.overlap, next_documented = row.next,
  }, function(_, copy, position)
    if asked then copy[limit_key] = asked end
    if position then
      copy[offset_key] = position.offset
    elseif ctx.fresh then
      copy[offset_key] = nil
    end
  end)
end

-- ---- LIMIT with LAST_ID --------------------------------------------------

--- The smallest or largest identifier of a page, or the last record's.
local function edge_id(records, row, which)
  if not which then return integer(find.id(records[#records], row)) end
  local edge
  for _, record in ipairs(records) do
    local id = integer(find.id(record, row))
    if not id then return nil end
    edge = edge and which(edge, id) or id
  end
  return edge
end

-- im.notify.get takes LAST_ID together with LAST_TYPE, the stage the last
-- notification belongs to: 1 confirmations, 3 all the others. Ids start over
-- where the stage changes (chats/notifications/im-notify-get).
local function write_stage(copy, record)
  local key = params.find(copy, "LAST_TYPE")
  copy[key] = type(record) == "table" and integer(record.notify_type) == 1 and 1 or 3
end

local function last_id_form(ctx)
  local row, page, name = ctx.row, page_of(ctx), lower(ctx.method)
  local limit_key, limit = params.find(ctx.given, page.limit or params.alike("LIMIT", page.param))
  local asked = size_to_ask(ctx, limit_key, limit)
  local key, first = params.find(ctx.given, page.param or "LAST_ID")
  local first_key, forward = params.find(ctx.given, params.alike("FIRST_ID", page.param))
  local which
  -- chats/messages/im-dialog-messages-get: LAST_ID is the smallest id that
  -- was seen, FIRST_ID, the other way, the largest.
  if forward ~= nil and first == nil then
    key, first, which = first_key, forward, max
  elseif name == "im.dialog.messages.get" then
    which = min
  end
  local staged, last_record = name == "im.notify.get", nil
  return form({
    style = "last_id", asked = asked, size = page.size,
    first = params.integer(first, key, ctx.method) or 0,
    unordered = staged,
  }, function(_, copy, position)
    if asked then copy[limit_key] = asked end
    if position then
      copy[key] = position.last_id
      if staged then write_stage(copy, last_record) end
    end
  end, function(_, facts, records)
    facts.last_id = edge_id(records, row, which)
    last_record = records[#records]
  end)
end

-- ---- page numbers --------------------------------------------------------

--- The cursor that an answer of REST 3.0 hands out: note.collection.list says
-- `nextCursor`, call.followup.list `afterCursor`; none, or an empty one, at the end.
local function cursor_in(result)
  if type(result) ~= "table" then return nil end
  for _, name in ipairs(CURSOR_NAMES) do
    local found = result[name]
    if not find.is_nothing(found) and found ~= "" and not (type(found) == "table" and next(found) == nil) then
      return found
    end
  end
  return nil
end

--- Where nobody knows how many records a page holds, one that is shorter than
-- an earlier one, and than what was asked, is the last; any other may be full.
-- A method that nobody knows may also go by cursors; `set_cursor` takes them.
local function unsized(ctx, asked, set_cursor)
  local largest, after = 0, nil
  return function(_, facts, records, result)
    local was = after
    after = not ctx.row and cursor_in(result) or nil
    set_cursor(after)
    if facts.more == nil and (after or was) then facts.more = after ~= nil end
    if facts.more == nil and #records < min(largest, asked) then facts.more = false end
    -- full by what was asked: the same records again are then no end
    if facts.more == nil and ctx.row and #records >= asked then facts.more = true end
    largest = max(largest, #records)
  end
end

--- REST 3.0 `pagination`: by offset, which stays right when the server cuts
-- the page size without a word. The caller's page number becomes an offset.
local function pagination_form(ctx)
  local page = page_of(ctx)
  local key, given = params.find(ctx.given, page.param)
  local own = type(given) == "table" and given or {}
  local number = not ctx.fresh and params.integer(own.page, "pagination.page", ctx.method) or nil
  local limit = own.limit
  if number and limit == nil then limit = page.size or 50 end
  local whole = params.integer(limit, "pagination.limit", ctx.method)
  local asked = size_to_ask(ctx, "pagination.limit", limit, page.size or 50)
  local first = first_position(ctx, "pagination.offset", own.offset)
  if number and own.offset == nil then first = (max(number, 1) - 1) * whole end
  local sized, after = page.size ~= nil, nil
  return form({
    style = "page", first = first, asked = sized and asked or nil, size = page.size, exact = sized,
  }, function(_, copy, position)
    -- an unknown method may not take it: asked as it was given, until it shows
    -- that there may be more
    if not ctx.row and not position then return end
    local out = params.with(own, { limit = asked })
    out.page = nil
    local offset = position and position.offset or first
    out.offset = not after and (offset > 0 or own.offset ~= nil) and offset or nil
    out.afterCursor = after or out.afterCursor
    copy[key] = out
  end, not sized and unsized(ctx, asked, function(cursor) after = cursor end) or nil)
end

--- biconnector.*.list: a bare `page`.
local function number_form(ctx)
  local page = page_of(ctx)
  local key, given = params.find(ctx.given, page.param)
  local number = not ctx.fresh and params.integer(given, key, ctx.method) or 1
  number = max(number, 1)
  return form({
    style = "page", first_page = number, size = page.size or 50,
    first = (number - 1) * (page.size or 50),
  }, function(_, copy, position)
    if position then
      copy[key] = position.page
    elseif ctx.fresh then
      copy[key] = nil
    end
  end)
end

--- A table of page size and number: {NAV_PARAMS = {nPageSize, iNumPage}} in
-- tasks/elapsed-item/task-elapsed-item-get-list, at its place among the
-- positional parameters, which are sent as a list
-- (settings/how-to-call-rest-api/data-encoding); {size, page} in
-- vote/vote.attachedvote.getAnswerVoted.
local function navigation_form(ctx)
  local page = page_of(ctx)
  local key, given = params.find(ctx.given, page.param)
  local index = given == nil and ctx.given[1] ~= nil and page.index
  if index then key, given = index, ctx.given[index] end
  local outer = type(given) == "table" and given or {}
  local bare = lower(page.param) == "pagenavigation"
  local inner_key, inner = params.find(outer, "NAV_PARAMS")
  if bare then inner = outer end
  inner = type(inner) == "table" and inner or {}
  local size_key, own_size = params.find(inner, bare and "size" or "nPageSize")
  local number_key, own_number = params.find(inner, bare and "page" or "iNumPage")
  local asked = size_to_ask(ctx, size_key, own_size, page.size or 50)
  local number = not ctx.fresh and params.integer(own_number, number_key, ctx.method) or 1
  number = max(number, 1)
  return form({
    style = "page", first_page = number, asked = asked, size = page.size,
    first = (number - 1) * asked,
  }, function(_, copy, position)
    local out = params.with(inner, {
      [size_key] = asked, [number_key] = position and position.page or number,
    })
    if index then
      for i = 1, index - 1 do
        if copy[i] == nil then copy[i] = {} end
      end
    end
    copy[key] = bare and out or params.with(outer, { [inner_key] = out })
  end)
end

-- ---- cursors -------------------------------------------------------------

--- A cursor as bytes that are equal when it is.
local function cursor_bytes(value)
  if type(value) ~= "table" then return type(value) .. ":" .. tostring(value) end
  local out = {}
  for key, item in pairs(value) do out[#out + 1] = tostring(key) .. "=" .. cursor_bytes(item) end
  sort(out)
  return "{" .. concat(out, ";") .. "}"
end

--- `pagination.afterCursor`, handed back as it came.
local function after_form(ctx)
  local page = page_of(ctx)
  local key, given = params.find(ctx.given, page.param)
  local own = type(given) == "table" and given or {}
  local asked = size_to_ask(ctx, "pagination.limit", own.limit, page.size)
  local after = not ctx.fresh and own.afterCursor or nil
  return form({
    style = "cursor", asked = asked, size = page.size, end_mark = true,
  }, function(_, copy)
    local out = params.with(own, { limit = asked })
    out.afterCursor = after
    copy[key] = out
  end, function(_, facts, _, result)
    local found = cursor_in(result)
    if not found then return end
    after = found
    facts.cursor = cursor_bytes(found)
  end)
end

--- main.eventlog.tail: `cursor = {field, order, value, limit}`; the next
-- value is the field of the last item that came.
local function tail_form(ctx)
  local page = page_of(ctx)
  local key, given = params.find(ctx.given, page.param)
  local own = type(given) == "table" and given or {}
  local asked = size_to_ask(ctx, "cursor.limit", own.limit)
  local field = own.field or "id"
  local value
  return form({ style = "cursor", asked = asked, size = page.size }, function(_, copy, position)
    if position and field ~= "id" then
      -- Records that share the value at the border would be left out.
      errors.throw(errors.protocol(ctx.method,
        ("further pages by cursor.field %s may miss records: only id is unique"):format(tostring(field)),
        "leave cursor.field out"))
    end
    if position then
      copy[key] = params.with(own, {
        field = field, order = own.order or "ASC", value = value, limit = asked,
      })
    elseif asked then
      copy[key] = params.with(own, { limit = asked })
    end
  end, function(_, facts, records)
    local last = records[#records]
    value = type(last) == "table" and last[field] or nil
    if find.is_nothing(value) then return end
    facts.cursor = cursor_bytes(value)
  end)
end

-- ---- only a limit --------------------------------------------------------

local function limit_form(ctx)
  local page = page_of(ctx)
  local nested = lower(page.param or "limit") == "pagination"
  local key, given = params.find(ctx.given, page.param or "limit")
  local own = nested and type(given) == "table" and given or {}
  local limit = given
  if nested then limit = own.limit end
  local asked = size_to_ask(ctx, nested and "pagination.limit" or key, limit)
  return form({ style = "limit", asked = asked, size = page.size }, function(_, copy)
    if not asked then return end
    copy[key] = nested and params.with(own, { limit = asked }) or asked
  end)
end

-- ---- choosing ------------------------------------------------------------

--- Methods that take LAST_ID and OFFSET both and answer `next`
-- (im.dialog.users.list) are walked by OFFSET: LAST_ID is complete only in a
-- list ordered by id, and the documented answer is not (1269, 99, 1271),
-- while `next` and `total` prove an OFFSET walk. A LAST_ID of the caller is
-- followed as it was meant.
local function by_last_id(ctx)
  local _, last = params.find(ctx.given, page_of(ctx).param or "LAST_ID")
  if ctx.row.next and last == nil then return offset_form(ctx) end
  return last_id_form(ctx)
end

local function by_page(ctx)
  local param = lower(page_of(ctx).param or "page")
  if param == "pagination" then return pagination_form(ctx) end
  if param == "page" then return number_form(ctx) end
  return navigation_form(ctx)
end

local choose = {
  start = function(ctx) return start_form(ctx, "start") end,
  none = function(ctx) return start_form(ctx, "none") end,
  offset = offset_form,
  last_id = by_last_id,
  page = by_page,
  cursor = function(ctx)
    return lower(page_of(ctx).param or "pagination") == "cursor" and tail_form(ctx) or after_form(ctx)
  end,
  limit = limit_form,
}

--- Flags that tell of a further page, whatever the method calls them.
local more_names = { "hasMore", "hasMorePages", "hasNextPage", "truncated" }

local function truth(value)
  if value == true or value == "Y" or value == 1 or value == "1" then return true end
  if value == false or value == "N" or value == 0 or value == "0" then return false end
  return nil
end

--- Read what every form can show: flags, and `nextOffset`.
local function read_common(ctx, facts, result, response)
  facts.next, facts.total = integer(response.next), integer(response.total)
  if type(result) ~= "table" then return end
  for _, name in ipairs(more_names) do
    local flag = truth(result[name])
    if flag or facts.more == nil then facts.more = flag end
  end
  local documented
  for _, name in ipairs(ctx.row and ctx.row.more_keys or {}) do
    documented = documented or name == "nextOffset"
  end
  if result.nextOffset ~= nil then facts.next = facts.next or integer(result.nextOffset) end
  if documented and facts.more and not facts.next then
    errors.throw(errors.protocol(ctx.method, "the answer announces a further page without nextOffset"))
  end
end

local Form = {}

--- The first page's parameters, or those of a later position.
---@param position table? as core.page's cursor gave it
---@return table params
function Form:params(position)
  local copy = params.copy(self.ctx.given)
  self.form:write(copy, position)
  return copy
end

--- The facts of an answer for the page cursor, without the fingerprint.
---@param records any[]
---@param result any
---@param response table?
---@return table facts count, next, total, more …
function Form:facts(records, result, response)
  local facts = { count = #records }
  read_common(self.ctx, facts, result, response or {})
  self.form:read(facts, records, result, response)
  return facts
end

local metatable = { __index = Form }

--- The form for one walk.
---@param ctx bitrix24.list.Context
---@return table form with params, facts and `cursor`, the options of the page cursor
function forms.new(ctx)
  local style = page_of(ctx).style or "none"
  local made = (choose[style] or choose.none)(ctx)
  return setmetatable({ ctx = ctx, form = made, cursor = made.cursor }, metatable)
end

return forms
