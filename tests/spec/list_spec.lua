-- Lists over a scripted caller: no HTTP, every request is seen.

local errors = require "bitrix24.errors"
local list = require "bitrix24.list"

-- A caller that answers with `answer(params, n)` → result, response; an error
-- raised there is raised by wait. What was sent, awaited and cancelled is kept.
local function scripted(method, row, answer)
  local log = { sent = {}, waited = 0, cancelled = 0 }
  log.caller = {
    method = method, row = row,
    send = function(params)
      log.sent[#log.sent + 1] = params
      return { n = #log.sent, params = params }
    end,
    wait = function(pending)
      log.waited = log.waited + 1
      return answer(pending.params, pending.n)
    end,
    cancel = function() log.cancelled = log.cancelled + 1 end,
  }
  return log
end

local function records(first, last, key)
  local out = {}
  for i = first, last, first <= last and 1 or -1 do
    out[#out + 1] = { [key or "ID"] = i, TITLE = "t" .. i }
  end
  return out
end

-- The page at `offset` of a list of `total` records.
local function part(total, offset, size, key)
  if offset >= total then return {} end
  return records(offset + 1, math.min(offset + size, total), key)
end

local start_row = {
  version = 2, kind = "list", page = { style = "start", param = "start", size = 50 },
  total = true, next = true, id_field = "ID",
}

local function standard(total, row)
  return scripted("crm.contact.list", row or start_row, function(params)
    local start = params.start or 0
    local rows = part(total, start, 50)
    return rows, { total = total, next = start + 50 < total and start + 50 or nil }
  end)
end

local function collect(...)
  local out = {}
  for record in list.each(...) do out[#out + 1] = record end
  return out
end

local function ids(rows, key)
  local out = {}
  for i, row in ipairs(rows) do out[i] = row[key or "ID"] end
  return out
end

local function numbers(n)
  local out = {}
  for i = 1, n do out[i] = i end
  return out
end

local function failure(kind, f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  assert.is_true(errors.is_error(e), tostring(e))
  assert.equal(kind, e.kind, tostring(e))
  return e
end

describe("a list by start and next", function()
  for _, n in ipairs { 0, 1, 49, 50, 51, 100, 149, 230 } do
    it("has all of " .. n .. " records, once, in order", function()
      local log = standard(n)
      assert.same(numbers(n), ids(collect(log.caller, {})))
      assert.equal(math.max(1, math.ceil(n / 50)), #log.sent)
    end)
  end

  it("sends the caller's parameters untouched first, then with start", function()
    local log = standard(60)
    local given = { filter = { ID = 1 }, select = { "ID" } }
    collect(log.caller, given)
    assert.same({ filter = { ID = 1 }, select = { "ID" } }, log.sent[1])
    assert.same({ filter = { ID = 1 }, select = { "ID" }, start = 50 }, log.sent[2])
    assert.same({ filter = { ID = 1 }, select = { "ID" } }, given)
  end)

  it("spells the position as the caller did", function()
    local log = scripted("department.get", start_row, function(params)
      local start = params.START
      return part(120, start, 50), { total = 120, next = start + 50 < 120 and start + 50 or nil }
    end)
    assert.equal(70, #collect(log.caller, { START = 50 }))
    assert.same({ START = 100 }, log.sent[2])
  end)

  it("begins at 0 where the caller switched counting off", function()
    local log = standard(70)
    assert.equal(70, #collect(log.caller, { start = -1 }))
    assert.same({}, log.sent[1])
  end)

  it("follows next even where total is too small", function()
    local log = scripted("x.list", start_row, function(params)
      local start = params.start or 0
      return part(120, start, 50), { total = 10, next = start + 50 < 120 and start + 50 or nil }
    end)
    assert.equal(120, #collect(log.caller))
  end)

  it("is not ended by a total that is only the size of the page", function()
    -- crm.address.list answers total 50 and no next for any longer list.
    local row = { kind = "list", page = { style = "start", size = 50 }, total = true }
    local log = scripted("crm.address.list", row, function(params)
      local rows = part(120, params.start or 0, 50)
      return rows, { total = #rows }
    end)
    assert.same(numbers(120), ids(collect(log.caller)))
  end)

  it("ends on a repeated last page when total is too large", function()
    local log = scripted("x.list", start_row, function(params)
      local start = math.min(params.start or 0, 100)
      return part(120, start, 50), { total = 500, next = start + 50 < 120 and start + 50 or nil }
    end)
    assert.same(numbers(120), ids(collect(log.caller)))
  end)

  it("raises when next does not move, after the records that came", function()
    local log = scripted("x.list", start_row, function(params)
      return part(500, params.start or 0, 50), { next = 50 }
    end)
    local seen = 0
    local e = failure("protocol", function()
      for _ in list.each(log.caller) do seen = seen + 1 end
    end)
    assert.matches("stalled cursor", e.message)
    assert.equal("x.list", e.method)
    assert.equal(100, seen)
  end)

  it("raises when an announced page was already seen, without repeating it", function()
    local log = scripted("x.list", start_row, function(params)
      local start = params.start or 0
      return records(1, 50), { next = start + 50, total = 5000 }
    end)
    local seen = 0
    local e = failure("protocol", function()
      for _ in list.each(log.caller) do seen = seen + 1 end
    end)
    assert.matches("repeats", e.message)
    assert.equal(50, seen)
  end)

  it("raises after 100 empty pages in a row", function()
    local log = scripted("x.list", start_row, function(params)
      return {}, { next = (params.start or 0) + 50 }
    end)
    failure("protocol", collect, log.caller)
    assert.equal(101, log.waited)
  end)

  it("goes on over a few empty pages that announce more", function()
    local log = scripted("x.list", start_row, function(params)
      local start = params.start or 0
      return start < 200 and {} or part(230, start, 50), { next = start < 200 and start + 50 or nil }
    end)
    assert.equal(30, #collect(log.caller))
  end)
end)

describe("a list whose method is not known", function()
  it("goes by next", function()
    local log = standard(120)
    log.caller.row = nil
    assert.equal(120, #collect(log.caller))
  end)

  it("asks on where total says there are more, and takes no repetition for the end", function()
    local log = scripted("new.list", nil, function() return records(1, 30), { total = 90 } end)
    failure("protocol", function() collect(log.caller) end)
    assert.equal(2, #log.sent)
    assert.same({ start = 30 }, log.sent[2])
  end)

  it("never reads ahead: it might consume", function()
    local source = standard(120)
    local log = scripted("new.list", nil, function(params, n)
      return source.caller.wait { params = params, n = n }
    end)
    list.each(log.caller)()
    assert.equal(1, #log.sent)
  end)

  it("raises where a flag tells of more that cannot be asked for", function()
    local log = scripted("new.list", nil, function() return { items = records(1, 3), hasMore = true }, {} end)
    local seen = 0
    failure("protocol", function() for _ in list.each(log.caller) do seen = seen + 1 end end)
    assert.equal(3, seen)
  end)
end)

describe("LIMIT and OFFSET", function()
  local row = {
    kind = "list", page = { style = "offset", param = "OFFSET", size = 10, max = 50 },
    total = true, next = true, id_field = "id",
  }

  it("asks for the largest page and follows next", function()
    local log = scripted("im.search.chat.list", row, function(params)
      local offset = params.OFFSET or 0
      local rows = part(120, offset, params.LIMIT, "id")
      return rows, { total = 120, next = offset + 50 < 120 and offset + 50 or nil }
    end)
    assert.same(numbers(120), ids(collect(log.caller, { FIND = "x" }), "id"))
    assert.same({ { FIND = "x", LIMIT = 50 }, { FIND = "x", LIMIT = 50, OFFSET = 50 },
      { FIND = "x", LIMIT = 50, OFFSET = 100 } }, log.sent)
  end)

  it("keeps the caller's LIMIT and its spelling", function()
    local log = scripted("im.search.chat.list", row, function(params)
      local offset = params.offset or 0
      return part(7, offset, params.limit, "id"), { next = offset + 3 < 7 and offset + 3 or nil, total = 7 }
    end)
    log.caller.row = { kind = "list", page = { style = "offset", param = "offset", size = 100, max = 1000 } }
    assert.equal(7, #collect(log.caller, { limit = 3 }))
    assert.same({ limit = 3, offset = 6 }, log.sent[3])
  end)

  it("is complete where the server cuts the page size without a word", function()
    local log = scripted("humanresources.hcmlink.employee.list",
      { kind = "list", page = { style = "offset", param = "offset", size = 100, max = 1000 } },
      function(params) return part(250, params.offset or 0, 100, "id"), {} end)
    assert.same(numbers(250), ids(collect(log.caller), "id"))
    assert.equal(1000, log.sent[1].limit)
    assert.equal(3, #log.sent)
  end)

  it("delivers every recent chat once where pages overlap", function()
    -- 27 chats; pages of LIMIT rows that come back shorter and overlapping.
    local recent = {
      kind = "list", page = { style = "offset", param = "OFFSET", size = 50, max = 200 },
      total = true, items_key = "items", id_field = "id", overlap = true, more_keys = { "hasMore" },
    }
    local log = scripted("im.recent.list", recent, function(params)
      local offset = params.OFFSET or 0
      local rows = {}
      for i = math.max(offset - 3, 0) + 1, math.min(offset + params.LIMIT - 2, 27) do
        rows[#rows + 1] = { id = i % 2 == 0 and "chat" .. i or i }
      end
      local more = offset + params.LIMIT - 2 < 27
      return { items = rows, hasMore = more, hasMorePages = more }, { total = -1 }
    end)
    local rows, seen = collect(log.caller, { LIMIT = 10 }), {}
    for _, chat in ipairs(rows) do
      assert.is_nil(seen[chat.id])
      seen[chat.id] = true
    end
    assert.equal(27, #rows)
    assert.same({ nil, 10, 20 }, { log.sent[1].OFFSET, log.sent[2].OFFSET, log.sent[3].OFFSET })
  end)

  it("hands nextOffset back to a queue, and never ahead of the loop", function()
    local events = {
      kind = "get", write = true, items_key = "events", more_keys = { "nextOffset", "hasMore" },
      page = { style = "offset", param = "offset", size = 100, max = 1000 },
    }
    local log = scripted("im.v2.Event.get", events, function(params)
      local at = params.offset or 500
      return { events = records(at, at + 1), nextOffset = at + 2, hasMore = at < 504 }, {}
    end)
    local it = list.each(log.caller)
    it() it()
    assert.equal(1, #log.sent)
    it()
    assert.equal(502, log.sent[2].offset)
    assert.same({ ID = 503, TITLE = "t503" }, it())
    it() it()
    assert.is_nil(it())
    assert.equal(3, #log.sent)
  end)
end)

describe("LAST_ID", function()
  local row = {
    kind = "get", items_key = "messages", id_field = "id",
    page = { style = "last_id", param = "LAST_ID", size = 20, max = 50 },
  }
  local function dialog(total)
    return scripted("im.dialog.messages.get", row, function(params)
      if params.FIRST_ID then
        local from = params.FIRST_ID + 1
        local to = math.min(from + params.LIMIT - 1, total)
        return { messages = from > total and {} or records(from, to, "id") }, {}
      end
      local from = (params.LAST_ID or total + 1) - 1
      return { messages = from < 1 and {} or records(from, math.max(from - params.LIMIT + 1, 1), "id"),
        users = { { id = 1 } } }, {}
    end)
  end

  for _, n in ipairs { 0, 1, 19, 20, 50, 51, 130 } do
    it("walks to older messages: " .. n, function()
      local log = dialog(n)
      assert.equal(n, #collect(log.caller, { DIALOG_ID = "chat1" }))
      assert.equal(50, log.sent[1].LIMIT)
    end)
  end

  it("walks to newer ones from the caller's FIRST_ID", function()
    local log = dialog(130)
    assert.same(numbers(130), ids(collect(log.caller, { FIRST_ID = 0 }), "id"))
    assert.is_nil(log.sent[2].LAST_ID)
    assert.equal(50, log.sent[2].FIRST_ID)
  end)

  it("takes the smallest or largest id, in whatever order a page is", function()
    local log = dialog(130)
    local wait = log.caller.wait
    log.caller.wait = function(pending)
      local result = wait(pending)
      table.sort(result.messages, function(a, b) return a.id * 7 % 50 < b.id * 7 % 50 end)
      return result, {}
    end
    for _, given in ipairs { {}, { FIRST_ID = 0 } } do
      local got = ids(collect(log.caller, given), "id")
      table.sort(got)
      assert.same(numbers(130), got)
    end
  end)

  it("gives LAST_TYPE with LAST_ID for notifications", function()
    local notify = {
      kind = "get", items_key = "notifications", id_field = "id",
      page = { style = "last_id", param = "LAST_ID", size = 50, max = 50 },
    }
    -- 3 confirmations with small ids, then 5 others with larger ones.
    local all = {}
    for i = 3, 1, -1 do all[#all + 1] = { id = i, notify_type = 1 } end
    for i = 90, 86, -1 do all[#all + 1] = { id = i, notify_type = 2 } end
    local log = scripted("im.notify.get", notify, function(params)
      assert((params.LAST_ID == nil) == (params.LAST_TYPE == nil))
      local from = 1
      for i, item in ipairs(all) do
        local stage = item.notify_type == 1 and 1 or 3
        if item.id == params.LAST_ID and stage == params.LAST_TYPE then from = i + 1 end
      end
      local to = math.min(from + params.LIMIT - 1, #all)
      return { notifications = { table.unpack(all, from, to) }, users = {} }, {}
    end)
    assert.same(ids(all, "id"), ids(collect(log.caller, { LIMIT = 2 }), "id"))
  end)

  it("raises where the portal ignores LAST_ID", function()
    local log = scripted("im.dialog.messages.get", row, function()
      return { messages = records(60, 11, "id") }, {}
    end)
    local seen = 0
    failure("protocol", function() for _ in list.each(log.caller) do seen = seen + 1 end end)
    assert.equal(50, seen)
  end)

  it("walks the users of a dialog by OFFSET, unless the caller gave LAST_ID", function()
    local users = {
      kind = "list", id_field = "id", total = true, next = true,
      page = { style = "last_id", param = "LAST_ID", size = 50, max = 200 },
    }
    local log = scripted("im.dialog.users.list", users, function(params)
      local offset = params.OFFSET or 0
      local rows = part(450, offset, params.LIMIT, "id")
      return rows, { total = 450, next = offset + 200 < 450 and offset + 200 or nil }
    end)
    assert.equal(450, #collect(log.caller, { DIALOG_ID = "chat1" }))
    assert.same({ DIALOG_ID = "chat1", LIMIT = 200, OFFSET = 400 }, log.sent[3])

    local by_id = scripted("im.dialog.users.list", users, function(params)
      return part(75, params.LAST_ID, 50, "id"), {}
    end)
    assert.equal(65, #collect(by_id.caller, { LAST_ID = 10 }))
    assert.equal(60, by_id.sent[2].LAST_ID)
  end)
end)

describe("page numbers", function()
  it("of REST 3.0 go by offset, with the caller's own keys kept", function()
    local row = { version = 3, kind = "list", items_key = "items", id_field = "id",
      page = { style = "page", param = "pagination", size = 50, max = 1000 } }
    local log = scripted("tasks.task.list", row, function(params)
      -- The server cuts the size to 60 without saying so.
      return { items = part(150, params.pagination.offset or 0, 60, "id") }, {}
    end)
    local given = { filter = {}, pagination = { mode = "x" } }
    assert.same(numbers(150), ids(collect(log.caller, given), "id"))
    assert.same({ limit = 1000, mode = "x" }, log.sent[1].pagination)
    assert.same({ limit = 1000, offset = 60, mode = "x" }, log.sent[2].pagination)
    assert.same({ mode = "x" }, given.pagination)
  end)

  it("of REST 3.0 honour the caller's first page", function()
    local row = { version = 3, kind = "list", items_key = "items",
      page = { style = "page", param = "pagination", size = 50, max = 200 } }
    local log = scripted("mail.message.list", row, function(params)
      return { items = part(70, params.pagination.offset or 0, params.pagination.limit, "id") }, {}
    end)
    assert.equal(30, #collect(log.caller, { pagination = { page = 3, limit = 20 } }))
    assert.same({ limit = 20, offset = 40 }, log.sent[1].pagination)
  end)

  it("of biconnector are bare numbers", function()
    local row = { kind = "list", page = { style = "page", param = "page", size = 50 } }
    local log = scripted("biconnector.source.list", row, function(params)
      return part(120, ((params.page or 1) - 1) * 50, 50, "id"), {}
    end)
    assert.equal(120, #collect(log.caller))
    assert.same({ {}, { page = 2 }, { page = 3 } }, log.sent)
  end)

  it("of positional methods travel in NAV_PARAMS", function()
    local row = { kind = "list", total = true,
      page = { style = "page", param = "PARAMS", index = 5, max = 50 } }
    local log = scripted("task.elapseditem.getlist", row, function(params)
      local nav = params[5].NAV_PARAMS
      return part(70, (nav.iNumPage - 1) * nav.nPageSize, nav.nPageSize), { total = 70 }
    end)
    local given = { 123, { ID = "desc" } }
    assert.equal(70, #collect(log.caller, given))
    local second = { NAV_PARAMS = { nPageSize = 50, iNumPage = 2 } }
    assert.same({ 123, { ID = "desc" }, {}, {}, second }, log.sent[2])
    assert.same({ 123, { ID = "desc" } }, given)
  end)

  it("of positional methods given by their names have their own name", function()
    local row = { kind = "list", total = true,
      page = { style = "page", param = "PARAMS", index = 5, max = 50 } }
    local log = scripted("task.elapseditem.getlist", row, function(params)
      local nav = params.PARAMS.NAV_PARAMS
      return part(70, (nav.iNumPage - 1) * nav.nPageSize, nav.nPageSize), { total = 70 }
    end)
    assert.equal(70, #collect(log.caller, { TASKID = 123 }))
    assert.same({ TASKID = 123, PARAMS = { NAV_PARAMS = { nPageSize = 50, iNumPage = 2 } } }, log.sent[2])
  end)

  it("of votes travel in pageNavigation", function()
    local row = { kind = "get", items_key = "items", page = { style = "page", param = "pageNavigation" } }
    local log = scripted("vote.AttachedVote.getAnswerVoted", row, function(params)
      local nav = params.pageNavigation
      return { items = part(25, (nav.page - 1) * nav.size, nav.size) }, {}
    end)
    assert.equal(25, #collect(log.caller, { answerId = 1, pageNavigation = { size = 10 } }))
    assert.same({ size = 10, page = 3 }, log.sent[3].pageNavigation)
  end)
end)

describe("cursors", function()
  local row = { version = 3, kind = "list", items_key = "items", id_field = "id",
    more_keys = { "nextCursor" }, page = { style = "cursor", param = "pagination", size = 50, max = 200 } }

  it("are handed back as they came, until there is none", function()
    local log = scripted("note.collection.list", row, function(params)
      local at = params.pagination.afterCursor and params.pagination.afterCursor.position or 0
      local rows = part(450, at, 200, "id")
      return { items = rows, nextCursor = at + 200 < 450 and { position = at + 200, id = 7 } or nil }, {}
    end)
    assert.same(numbers(450), ids(collect(log.caller, {}), "id"))
    assert.same({ limit = 200 }, log.sent[1].pagination)
    assert.same({ limit = 200, afterCursor = { position = 400, id = 7 } }, log.sent[3].pagination)
  end)

  it("that go round are an error", function()
    local log = scripted("note.collection.list", row, function(_, n)
      return { items = records(n * 10, n * 10 + 5, "id"), nextCursor = { position = n % 3 } }, {}
    end)
    local e = failure("protocol", collect, log.caller)
    assert.matches("stalled cursor", e.message)
    assert.is_true(log.waited <= 5)
  end)

  it("of call.followup.list end with hasMore", function()
    local calls = { version = 3, kind = "list", items_key = "items", more_keys = { "hasMore", "afterCursor" },
      page = { style = "cursor", param = "pagination", size = 50, max = 200 } }
    local log = scripted("call.followup.list", calls, function(params)
      local at = params.pagination.afterCursor and params.pagination.afterCursor.id or 0
      return { items = part(45, at, 20, "id"), hasMore = at + 20 < 45, afterCursor = { id = at + 20 } }, {}
    end)
    assert.equal(45, #collect(log.caller, { filter = {} }))
    assert.equal(3, #log.sent)
  end)

  it("of the event log come from the last item", function()
    local tail = { version = 3, kind = "list", items_key = "items", id_field = "id",
      page = { style = "cursor", param = "cursor", size = 50 } }
    local log = scripted("main.eventlog.tail", tail, function(params)
      return { items = part(130, params.cursor and params.cursor.value or 0, 50, "id") }, {}
    end)
    assert.same(numbers(130), ids(collect(log.caller), "id"))
    assert.same({ field = "id", order = "ASC", value = 100 }, log.sent[3].cursor)
  end)
end)

describe("a method with only a limit", function()
  local row = { version = 3, kind = "list", page = { style = "limit", param = "limit", size = 20, max = 50 } }

  it("gives what it has", function()
    local log = scripted("mail.message.thread", row, function() return records(1, 49, "id"), {} end)
    assert.equal(49, #collect(log.caller, { id = 1 }))
    assert.equal(50, log.sent[1].limit)
  end)

  it("raises after a full page, unless that was enough", function()
    local log = scripted("mail.message.thread", row, function(params)
      return records(1, params.limit, "id"), {}
    end)
    local seen = 0
    failure("protocol", function() for _ in list.each(log.caller) do seen = seen + 1 end end)
    assert.equal(50, seen)
    assert.equal(50, #collect(log.caller, nil, { limit = 50 }))
    assert.equal(8, #collect(log.caller, nil, { limit = 8 }))
    assert.equal(8, log.sent[#log.sent].limit)
  end)
end)

describe("the records", function()
  local function found(result, row)
    return list.all(scripted("x.list", row, function() return result, {} end).caller)
  end
  local rows = { { id = 1 }, { id = 2 } }

  it("are found wherever the method puts them", function()
    assert.same(rows, found(rows))
    assert.same(rows, found({ items = rows, users = rows }))
    assert.same(rows, found({ workgroups = rows }))
    assert.same(rows, found({ tasks = rows, total = 5, name = "x" }))
    assert.same(rows, found({ messages = rows, users = { { id = 9 } } }, { items_key = "messages" }))
    assert.same({ 3, 5 }, found({ 3, 5 }))
  end)

  it("come in ascending order of the keys of a map", function()
    local map = { ["10"] = { id = 10 }, ["9"] = { id = 9 }, ["100"] = { id = 100 } }
    assert.same({ 9, 10, 100 }, ids(found(map), "id"))
    local row = { items_key = "templates", items_map = true }
    assert.same({ 9, 10, 100 }, ids(found({ templates = map }, row), "id"))
    assert.same({ { n = 1 }, { n = 2 } }, found({ en = { n = 2 }, de = { n = 1 } }, { items_map = true }))
  end)

  it("are none where PHP says nothing", function()
    for _, nothing in ipairs { {}, { items = {} }, { tasks = {} }, false } do
      assert.same({}, found(nothing))
    end
    assert.same({}, found(nil))
    assert.same({}, found({}, { items_key = "items" }))
    assert.same({}, found({ items = false }, { items_key = "items" }))
  end)

  it("are refused where it is not clear which", function()
    local e = failure("protocol", found, { bots = rows, users = rows })
    assert.matches("bots, users", e.message)
    assert.matches("portal:call", e.hint)
    failure("protocol", found, 5)
    failure("protocol", found, true)
    failure("protocol", found, { users = rows }, { items_key = "messages" })
  end)
end)

describe("fetching", function()
  it("is one page ahead of the loop, not more", function()
    local log, seen = standard(230), 0
    for _ in list.each(log.caller) do
      seen = seen + 1
      assert.equal(math.min(2 + (seen - 1) // 50, 5), #log.sent)
    end
    assert.equal(0, log.cancelled)
  end)

  it("does not begin before the loop does", function()
    local log = standard(230)
    list.each(log.caller)
    assert.equal(0, #log.sent)
  end)

  it("can be told not to run ahead", function()
    local log = standard(230)
    list.each(log.caller, {}, { ahead = 0 })()
    assert.equal(1, #log.sent)
  end)

  it("stops at a break and cancels what was ahead", function()
    local log = standard(230)
    for record in list.each(log.caller) do if record.ID == 60 then break end end
    assert.equal(3, #log.sent)
    assert.equal(2, log.waited)
    assert.equal(1, log.cancelled)
  end)

  it("stops when the loop body raises", function()
    local log = standard(230)
    pcall(function() for _ in list.each(log.caller) do error("x") end end)
    assert.equal(1, log.cancelled)
  end)

  it("stops when the iterator is forgotten", function()
    local log = standard(230)
    do
      local it = list.each(log.caller)
      it()
    end
    collectgarbage() collectgarbage()
    assert.equal(1, log.cancelled)
  end)

  it("never runs beyond the limit", function()
    local log = standard(230)
    assert.equal(100, #collect(log.caller, {}, { limit = 100 }))
    assert.equal(2, #log.sent)
    assert.equal(0, log.cancelled)
    assert.same({}, collect(log.caller, {}, { limit = 0 }))
    assert.equal(2, #log.sent)
  end)

  it("asks for fewer records where fewer are wanted", function()
    local row = { kind = "list", page = { style = "offset", param = "OFFSET", size = 50, max = 200 } }
    local log = scripted("x.list", row, function(params) return part(500, 0, params.LIMIT), {} end)
    assert.equal(7, #collect(log.caller, {}, { limit = 7 }))
    assert.equal(7, log.sent[1].LIMIT)
  end)

  it("raises the error of page 3 when page 3 is due, and again afterwards", function()
    local source = standard(230)
    local log = scripted("x.list", start_row, function(params, n)
      if n == 3 then errors.raise { kind = "network", message = "gone" } end
      return source.caller.wait { params = params, n = n }
    end)
    local it, seen = list.each(log.caller), 0
    for _ = 1, 100 do
      assert.is_table(it())
      seen = seen + 1
    end
    failure("network", it)
    failure("network", it)
    assert.equal(100, seen)
  end)

  it("raises a failed sending ahead when its page is due", function()
    local log = standard(230)
    local send = log.caller.send
    log.caller.send = function(params)
      if params.start == 50 then errors.raise { kind = "config", message = "closed" } end
      return send(params)
    end
    local it = list.each(log.caller)
    for _ = 1, 50 do it() end
    failure("config", it)
  end)

  it("works inside a list loop of its own kind", function()
    local log, n = standard(60), 0
    for _ in list.each(log.caller) do
      for _ in list.each(log.caller, {}, { limit = 2 }) do n = n + 1 end
    end
    assert.equal(120, n)
  end)

  it("works in coroutines whose waiting yields", function()
    local function task(total)
      local log = standard(total)
      local wait = log.caller.wait
      log.caller.wait = function(pending)
        coroutine.yield()
        return wait(pending)
      end
      return coroutine.create(function() return #collect(log.caller) end)
    end
    local a, b, results = task(120), task(70), {}
    while coroutine.status(a) ~= "dead" or coroutine.status(b) ~= "dead" do
      for i, co in ipairs { a, b } do
        if coroutine.status(co) ~= "dead" then
          local ok, n = coroutine.resume(co)
          assert.is_true(ok, n)
          results[i] = n
        end
      end
    end
    assert.same({ 120, 70 }, results)
  end)

  it("does not hold what was read", function()
    local log = standard(20000)
    log.caller.send = function(params) return { params = params } end
    local most, seen = 0, 0
    for _ in list.each(log.caller) do
      seen = seen + 1
      if seen % 5000 == 0 then
        collectgarbage()
        most = math.max(most, collectgarbage("count"))
        if seen == 5000 then most = collectgarbage("count") + 50 end
      end
    end
    collectgarbage()
    assert.equal(20000, seen)
    assert.is_true(collectgarbage("count") <= most)
  end)
end)

describe("progress", function()
  it("is called once a page with what came and the total", function()
    local calls = {}
    collect(standard(120).caller, {}, { progress = function(...) calls[#calls + 1] = { ... } end })
    assert.same({ { 50, 120 }, { 100, 120 }, { 120, 120 } }, calls)
  end)

  it("leaves a wrong total out and never passes the limit", function()
    local calls = {}
    local function progress(done, total) calls[#calls + 1] = { done, total } end
    collect(standard(120).caller, {}, { limit = 70, progress = progress })
    assert.same({ { 50, 70 }, { 70, 70 } }, calls)
    calls = {}
    collect(scripted("x", start_row, function() return records(1, 5), { total = 3 } end).caller, {},
      { progress = progress })
    assert.same({ { 5 } }, calls)
  end)
end)

describe("pages, all, first and count", function()
  it("pages gives sequences and none that is empty", function()
    local sizes = {}
    for page in list.pages(standard(120).caller) do sizes[#sizes + 1] = #page end
    assert.same({ 50, 50, 20 }, sizes)
    assert.is_nil(list.pages(standard(0).caller)())
  end)

  it("all gives one sequence", function()
    assert.same(numbers(120), ids(list.all(standard(120).caller, {})))
    assert.same({}, list.all(standard(0).caller))
    assert.equal(3, #list.all(standard(120).caller, {}, { limit = 3 }))
  end)

  it("first takes one request and asks for one record", function()
    local row = { kind = "list", page = { style = "offset", param = "OFFSET", size = 10, max = 50 } }
    local log = scripted("im.search.chat.list", row, function() return { { id = 4 } }, { next = 1 } end)
    assert.same({ id = 4 }, list.first(log.caller, { FIND = "a", LIMIT = 20 }))
    assert.same({ { FIND = "a", LIMIT = 1 } }, log.sent)
    local rest3 = { kind = "list", items_key = "items",
      page = { style = "page", param = "pagination", size = 50, max = 200 } }
    local v3 = scripted("tasks.task.list", rest3, function() return { items = { { id = 4 } } }, {} end)
    list.first(v3.caller, {})
    assert.same({ { pagination = { limit = 1 } } }, v3.sent)
    assert.is_nil(list.first(standard(0).caller))
    assert.equal(1, list.first(standard(70).caller).ID)
  end)

  it("count believes a documented total", function()
    local log = standard(1234)
    assert.equal(1234, list.count(log.caller, { start = 100 }))
    assert.same({ {} }, log.sent)
    assert.equal(0, list.count(standard(0).caller))
    local row = { kind = "list", total = true, next = true,
      page = { style = "offset", param = "OFFSET", size = 10, max = 50 } }
    local im = scripted("im.search.chat.list", row, function()
      return { { id = 4 } }, { total = 77, next = 1 }
    end)
    assert.equal(77, list.count(im.caller, {}))
    assert.same({ { LIMIT = 1 } }, im.sent)
  end)

  it("count walks where there is none, or where it cannot be right", function()
    local row = { kind = "list", page = { style = "start", size = 50 } }
    local function without(total)
      return scripted("x.list", row, function(params)
        return part(130, params.start or 0, 50), { total = total }
      end)
    end
    assert.equal(130, list.count(without(nil).caller))
    row.total = true
    assert.equal(130, list.count(without(-1).caller))
    assert.equal(130, list.count(without(7).caller))
    assert.equal(130, list.count(without(50).caller))
  end)

  it("count refuses a method that consumes what it lists", function()
    local row = { kind = "get", write = true, items_key = "events",
      page = { style = "limit", param = "limit" } }
    local log = scripted("event.offline.get", row, function() return { events = {} }, {} end)
    failure("config", list.count, log.caller)
    assert.equal(0, #log.sent)
  end)
end)

describe("options", function()
  it("are strict", function()
    local caller = standard(1).caller
    local e = failure("config", list.each, caller, {}, { limt = 5 })
    assert.matches("limit", tostring(e))
    failure("config", list.each, caller, {}, { limit = -1 })
    failure("config", list.each, caller, {}, { limit = "5" })
    failure("config", list.all, caller, {}, { progress = 5 })
    failure("config", list.each, caller, {}, { ahead = 0.5 })
    failure("config", list.each, caller, "x")
    failure("config", list.each, caller, {}, "x")
    e = failure("config", list.each, caller, {}, { strategy = "sequentiel" })
    assert.matches("sequential", tostring(e))
    failure("config", collect, caller, { start = "soon" })
  end)

  it("may name a strategy", function()
    assert.equal(60, #collect(standard(60).caller, {}, { strategy = "sequential" }))
    assert.equal(60, #collect(standard(60).caller, {}, { strategy = "auto" }))
  end)
end)
