-- What portals do in REST 3.0 that no page tells in full: page sizes cut
-- without a word, cursors of methods that nobody knows, keys of a batch; and
-- names that are spelled as in an address.

local bitrix24 = require "bitrix24"
local catalogue = require "bitrix24.catalogue"
local list = require "bitrix24.list"

--- The numbers of every record that a portal gives, whose answers are
-- `answer(params)`, and what it was asked.
local function walk(method, answer, params)
  local sent, out = {}, {}
  local caller = {
    method = method, version = 3, row = catalogue.find(method, 3),
    send = function(given)
      sent[#sent + 1] = given
      return given
    end,
    wait = function(given) return answer(given), {} end,
    cancel = function() end,
  }
  for record in list.each(caller, params or {}) do out[#out + 1] = record.id end
  return out, sent
end

local function numbers(first, last)
  local out = {}
  for i = first, last do out[#out + 1] = i end
  return out
end

local function items(first, last)
  local out = {}
  for i = first, last do out[#out + 1] = { id = i } end
  return out
end

local TOTAL = 130

--- A portal that gives `default` records unasked and never more than `most`.
local function cutting(default, most)
  return function(params)
    local pagination = params.pagination or {}
    local offset, size = pagination.offset or 0, math.min(pagination.limit or default, most)
    return { items = items(offset + 1, math.min(offset + size, TOTAL)) }
  end
end

describe("a list of REST 3.0 whose page size nobody knows", function()
  for _, method in ipairs { "tasks.task.result.list", "vendor.new.list" } do
    for _, size in ipairs { { 20, 20 }, { 25, 100 }, { 25, 30 }, { 50, 50 }, { 130, 200 }, { 200, 200 } } do
      it(("is complete where it is %d, at most %d: %s"):format(size[1], size[2], method), function()
        local ids = walk(method, cutting(size[1], size[2]), { filter = { { "taskId", 1 } } })
        assert.same(numbers(1, TOTAL), ids)
      end)
    end
  end

  it("ends on a page that is shorter than the one before", function()
    local ids, sent = walk("vendor.new.list", cutting(50, 50))
    assert.same(numbers(1, TOTAL), ids)
    assert.equal(3, #sent)
  end)

  it("is no list of one page where a documented method gives the whole of it again", function()
    local ok, e = pcall(walk, "tasks.task.result.list", function() return { items = items(1, 50) } end)
    assert.is_false(ok)
    assert.matches("repeats itself", tostring(e))
    -- fewer than were asked for are all
    local ids = walk("tasks.task.result.list", function() return { items = items(1, 7) } end)
    assert.same(numbers(1, 7), ids)
    assert.same(numbers(1, 100), (walk("tasks.task.result.list", function(params)
      local offset = params.pagination.offset or 0
      return { items = items(offset + 1, math.min(offset + 50, 100)) }
    end)))
  end)

  it("has each record once where the method has no pages", function()
    local ids, sent = walk("vendor.new.field.list", function() return { items = items(1, 7) } end)
    assert.same(numbers(1, 7), ids)
    assert.equal(2, #sent)
  end)
end)

describe("a cursor of REST 3.0", function()
  --- Goes by `key`, whatever `pagination.offset` says; the last one is `last`.
  local function by_cursor(key, last)
    return function(params)
      local after = (params.pagination or {}).afterCursor
      local at = after and after.id or 0
      local more = at + 50 < TOTAL
      local position
      if more then position = { position = "p", id = at + 50 } else position = last end
      return { items = items(at + 1, math.min(at + 50, TOTAL)), [key] = position }
    end
  end

  for _, key in ipairs { "nextCursor", "afterCursor" } do
    it("is followed where nobody knows the method: " .. key, function()
      local ids, sent = walk("vendor.new.list", by_cursor(key, nil))
      assert.same(numbers(1, TOTAL), ids)
      assert.equal(3, #sent)
      assert.same({ limit = 50, afterCursor = { position = "p", id = 50 } }, sent[2].pagination)
    end)
  end

  -- PHP has many words for nothing
  for name, nothing in pairs { ["an empty array"] = {}, ["an empty text"] = "", ["false"] = false } do
    it("that is " .. name .. " is the end", function()
      assert.same(numbers(1, TOTAL), (walk("note.collection.list", by_cursor("nextCursor", nothing))))
      assert.same(numbers(1, TOTAL), (walk("vendor.new.list", by_cursor("nextCursor", nothing))))
    end)
  end
end)

describe("a call", function()
  local here = require "support.portal" (_ENV, { contacts = 5, tasks = 5 })

  local function caught(...)
    local ok, e = pcall(...)
    assert.is_false(ok)
    assert.is_true(bitrix24.is_error(e), tostring(e))
    return e
  end

  it("of the platform's own batch is not taken for one that a key protects", function()
    here.sb:fault { method = "batch", action = "reset_body", after = true }
    local calls = { { method = "tasks.task.add", query = { fields = { title = "once" } } } }
    local e = caught(here.portal.v3.call, here.portal.v3, "batch", calls)
    assert.is_false(e.retryable)
    local sent = here:sent("batch")
    assert.equal(1, #sent)
    assert.is_nil(sent[1].headers["idempotency-key"])
  end)

  it("by a name that ends in .json travels alone: a batch knows no formats", function()
    local contacts = here.portal:map({ 1, 2 }, function(id)
      return here.portal:call("crm.contact.get.json", { id = id }).ID
    end)
    assert.same({ "1", "2", n = 2 }, contacts)
    assert.equal(0, #here:sent("batch"))
  end)

  it("by a name that ends in .xml is refused: the answer could not be read", function()
    local e = caught(here.portal.call, here.portal, "crm.contact.get.xml", { id = 1 })
    assert.equal("config", e.kind)
    assert.matches("%.xml", e.message)
    assert.equal(0, #here:sent())
  end)

  it("of a method that goes by places has nothing beside the parameters, the token neither", function()
    local app <close> = bitrix24.connect {
      domain = here.sb.oauth.domain, access_token = here.sb.oauth.access_token, ca_file = here.sb.ca_file,
      insecure = true, limits = false,
    }
    local e = caught(app.task.commentitem.add, { TASKID = 51, FIELDS = { POST_MESSAGE = "hi" } })
    assert.equal("api", e.kind) -- there is no such task; the token was taken
    pcall(app.Task.CommentItem.GetList, { TASKID = 51 })
    local sent = here.sb:requests()
    assert.equal('{"TASKID":51,"FIELDS":{"POST_MESSAGE":"hi"}}', sent[#sent - 1].body)
    assert.equal('{"TASKID":51}', sent[#sent].body)
  end)

  it("that is refused for who calls is not told of missing parameters", function()
    for _, code in ipairs { "WRONG_AUTH_TYPE", "ACCESS_DENIED" } do
      here.sb:fault { method = "crm.automation.trigger.add", action = { status = 403, error = code } }
      local e = caught(here.portal.crm.automation.trigger.add, {})
      assert.equal(code, e.code)
      assert.matches("application", e.hint)
    end
  end)
end)
