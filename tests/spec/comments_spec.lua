-- Methods of tasks that take their parameters by places: the sandbox reads the
-- places, whatever the names are.

describe("comments of tasks:", function()
  local here = require "support.portal" (_ENV, { tasks = 5 })

  local function texts(list)
    local out = {}
    for i, comment in ipairs(list) do out[i] = comment.POST_MESSAGE end
    return table.concat(out, " ")
  end

  it("by places and by names, called, in a batch and side by side", function()
    local add = here.portal.task.commentitem.add
    assert.equal(1, add { 3, { POST_MESSAGE = "one" } })
    assert.equal(2, add { FIELDS = { POST_MESSAGE = "two" }, TASKID = 3 })
    local b = here.portal:batch()
    local three = b.task.commentitem.add { FIELDS = { POST_MESSAGE = "three" }, TASKID = 3 }
    local four = b.task.commentitem.get { ITEMID = three, TASKID = 3 }
    b:run()
    assert.equal("three", four().POST_MESSAGE)
    here.portal:gather(
      function() add { FIELDS = { POST_MESSAGE = "four" }, TASKID = 4 } end,
      function() add { 4, { POST_MESSAGE = "five" } } end)
    assert.equal("five four", texts(here.portal.task.commentitem.getlist:all { TASKID = 4 }))
    assert.equal("two three", texts(here.portal.task.commentitem.getlist {
      FILTER = { [">ID"] = 1 }, ORDER = { ID = "asc" }, TASKID = 3,
    }))
    -- a filter without an order stands at its own place
    for _, together in ipairs { false, true } do
      here.portal:map({ 1, 2 }, function(after)
        local left = here.portal.task.commentitem.getlist { TASKID = 3, FILTER = { [">ID"] = after } }
        assert.equal(3 - after, #left)
      end, { batch = together })
    end
    local item = here.portal.task.commentitem.get { 3, 1 }
    assert.same({ "1", "1" }, { item.ID, item.AUTHOR_ID })
    assert.matches("^%d+%-%d+%-%d+T", item.POST_DATE)
  end)

  it("in the wrong order are refused", function()
    local e = here.raises("api", function()
      here.portal.task.commentitem.getlist { 3, { [">=POST_DATE"] = "2025-01-01" } }
    end)
    assert.equal("ERROR_CORE", e.code)
    assert.matches('must not contain key ">=POST_DATE"', e.message, 1, true)
    e = here.raises("api", here.portal.task.commentitem.add, { { POST_MESSAGE = "x" }, 3 })
    assert.matches("taskId", e.message, 1, true)
    here.raises("api", here.portal.task.commentitem.add, { 99, { POST_MESSAGE = "x" } })
    here.raises("api", here.portal.task.commentitem.add, { 3, {} })
  end)
end)
