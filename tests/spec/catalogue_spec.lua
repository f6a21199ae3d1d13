-- The catalogue as scripts and the other modules see it, and the generator
-- that makes its tables.

local catalogue = require "bitrix24.catalogue"
local json = require "bitrix24.json"

local GENERATE = "csrc/catalogue/generate.lua"

local function names(params)
  local out = {}
  for i, param in ipairs(params) do out[i] = param.name end
  return out
end

local function by_name(params, name)
  for _, param in ipairs(params) do
    if param.name == name then return param end
  end
end

describe("catalogue", function()
  it("holds every documented method of both versions", function()
    local all, of = 0, { [2] = 0, [3] = 0 }
    for name in catalogue.each() do
      for version in pairs(of) do
        if catalogue.find(name, version) then of[version], all = of[version] + 1, all + 1 end
      end
    end
    assert.equal(1678, all)
    assert.equal(1678, catalogue.count())
    assert.same({ [2] = 1568, [3] = 110 }, of)
  end)

  it("can read every row", function()
    for name in catalogue.each() do
      local row = catalogue.find(name)
      assert.is_table(row.params(), name)
      assert.is_table(row.shape(), name)
      assert.is_table(row.required(nil), name)
      for _, param in ipairs(row.params()) do
        assert.truthy(#param.name > 0 and not param.name:find("[!:(){} ]"), name)
      end
    end
  end)

  it("finds names in any case and keeps one row for them", function()
    local row = catalogue.find("crm.calllist.add")
    assert.equal("crm.calllist.add", row.name)
    assert.equal(row, catalogue.find("CRM.CallList.Add"))
    assert.equal(row, catalogue.find("crm.calllist.add", 2))
    assert.is_nil(catalogue.find("crm.calllist.add", 3))
    assert.is_nil(catalogue.find("crm.calllist.delete"))
    assert.is_nil(catalogue.find("crm.calllist.add", 4))
    assert.is_true(catalogue.is_method("Batch"))
    assert.is_false(catalogue.is_method("crm.deal"))
  end)

  it("chooses version 2 where a method exists in both", function()
    assert.equal(2, catalogue.find("tasks.task.get").version)
    assert.equal(3, catalogue.find("tasks.task.get", 3).version)
    assert.equal(3, catalogue.find("humanresources.node.communication.list").version)
  end)

  it("tells what lies below a path", function()
    assert.is_true(catalogue.has_prefix("crm"))
    assert.is_true(catalogue.has_prefix("crm.automation.trigger"))
    assert.is_false(catalogue.has_prefix("crm.calllist.add"))
    assert.is_false(catalogue.has_prefix("cr"))
  end)

  it("iterates over names in order, each once", function()
    local found = {}
    for name in catalogue.each("CRM.calllist") do found[#found + 1] = name end
    assert.same({
      "crm.calllist.add", "crm.calllist.get", "crm.calllist.items.get", "crm.calllist.list",
      "crm.calllist.statuslist", "crm.calllist.update",
    }, found)
    local batches = {}
    for name in catalogue.each("batch") do batches[#batches + 1] = name end
    assert.same({ "batch" }, batches)
  end)

  it("names what was meant", function()
    assert.equal("crm.calllist.items.get", catalogue.closest("crm.calllist.item.get", 3)[1])
    local near = table.concat(catalogue.closest("im.chat.users.list", 3), " ")
    assert.truthy(near:find("im.dialog.users.list", 1, true))
    assert.same({}, catalogue.closest("foo.bar.baz"))
    assert.equal(1, #catalogue.closest("crm.deal.lst", 1))
  end)
end)

describe("a row of the catalogue", function()
  it("describes call lists", function()
    local add = catalogue.find("crm.calllist.add")
    assert.equal("add", add.kind)
    assert.is_true(add.write)
    assert.same({ "crm" }, add.scope)
    assert.same({ "ENTITY_TYPE", "ENTITIES", "WEBFORM_ID" }, names(add.params()))
    assert.is_true(add.shape().ENTITIES.array)
    assert.is_false(add.shape().ENTITY_TYPE.array)
    assert.same({ "CONTACT", "COMPANY" }, add.params()[1].enum)
    assert.is_true(catalogue.find("crm.calllist.update").shape().ENTITIES.array)

    local list = catalogue.find("crm.calllist.list")
    assert.equal("list", list.kind)
    assert.is_false(list.write)
    assert.equal("none", list.page.style)
    assert.equal("ID", list.id_field)
    assert.is_nil(list.keyset)
    assert.is_false(catalogue.find("crm.calllist.items.get").write)
  end)

  it("describes automated solutions", function()
    local list = catalogue.find("crm.automatedsolution.list")
    assert.equal("automatedSolutions", list.items_key)
    assert.equal("start", list.page.style)
    assert.equal("start", list.page.param)
    assert.equal(50, list.page.size)
    assert.same({ filter = "filter", order = "order", id = "id" }, list.keyset)
    local update = catalogue.find("crm.automatedsolution.update")
    assert.is_true(update.shape().fields.children.typeIds.array)
    assert.is_false(update.shape().fields.array)
    assert.equal("automatedSolution", update.item_key)
  end)

  it("describes the lists of chats, groups and departments", function()
    local search = catalogue.find("im.search.chat.list")
    assert.equal("offset", search.page.style)
    assert.equal("OFFSET", search.page.param)
    assert.equal("LIMIT", search.page.limit)
    assert.equal(10, search.page.size)
    assert.equal(50, search.page.max)
    local users = catalogue.find("im.dialog.users.list")
    assert.equal("last_id", users.page.style)
    assert.same({ "offset" }, users.page.also)
    assert.equal(200, users.page.max)
    local groups = catalogue.find("socialnetwork.api.workgroup.list")
    assert.equal("workgroups", groups.items_key)
    assert.same({ filter = "filter", order = "order", id = "ID" }, groups.keyset)
    local chats = catalogue.find("humanresources.node.communication.list", 3)
    assert.equal("none", chats.page.style)
    assert.equal("list", chats.kind)
    assert.is_nil(chats.items_key)
    assert.same({ "humanresources" }, chats.scope)
    assert.is_true(catalogue.find("im.recent.list").overlap)
  end)

  it("tells the page parameters apart", function()
    local function param(name, version) return catalogue.find(name, version).page.param end
    assert.equal("start", param("crm.deal.list"))
    assert.equal("pagination", param("tasks.task.list", 3))
    assert.equal("cursor", param("main.eventlog.tail"))
    assert.equal("pageNavigation", param("vote.AttachedVote.getAnswerVoted"))
    local elapsed = catalogue.find("task.elapseditem.getlist")
    assert.is_true(elapsed.positional)
    assert.equal(5, elapsed.page.index)
    assert.same({ "hasMore", "afterCursor" }, catalogue.find("call.followup.list").more_keys)
  end)

  it("walks by identifier only where nothing speaks against it", function()
    assert.same({ filter = "filter", order = "order", id = "ID" }, catalogue.find("crm.contact.list").keyset)
    assert.same({ filter = "filter", order = "order", id = "id" }, catalogue.find("crm.item.list").keyset)
    assert.equal("ID", catalogue.find("tasks.task.list").keyset.id)
    assert.same({ filter = "FILTER", order = "ORDER", id = "ID" }, catalogue.find("sonet_group.get").keyset)
    for _, name in ipairs {
      "crm.orderentity.list", "user.get", "bizproc.task.list", "sale.status.list",
      "crm.timeline.comment.list", "documentgenerator.template.list", "bizproc.workflow.instances",
      "crm.timeline.logmessage.list",
    } do
      assert.is_nil(catalogue.find(name).keyset, name)
    end
  end)

  it("knows what consumes, what is a file, and what a batch refuses", function()
    for _, name in ipairs { "event.offline.get", "im.v2.Event.get", "imbot.v2.Event.get" } do
      assert.is_true(catalogue.find(name).write, name)
    end
    local download = catalogue.find("catalog.product.download")
    assert.is_true(download.binary)
    assert.is_false(download.batch)
    assert.is_false(catalogue.find("batch").batch)
    assert.is_false(catalogue.find("disk.folder.uploadfile").batch)
    assert.is_true(catalogue.find("crm.deal.list").batch)
    assert.is_false(catalogue.find("documentation").envelope)
    assert.is_true(catalogue.find("crm.deal.list").envelope)
    assert.is_true(catalogue.find("batch", 3).body_array)
    assert.is_true(catalogue.find("im.search.user.list").items_map)
    assert.is_true(catalogue.find("app.info").app_context)
    local old = catalogue.find("crm.deal.list")
    assert.is_true(old.deprecated)
    assert.equal("crm.item.list", old.replacement)
  end)

  it("describes parameters in depth", function()
    local params = catalogue.find("crm.automatedsolution.add").params()
    assert.is_true(params[1].required)
    assert.equal("object", params[1].type)
    local type_ids = by_name(params[1].children, "typeIds")
    assert.equal("crm_dynamic_type.id[]", type_ids.type)
    assert.is_true(type_ids.array)
    local photo = by_name(catalogue.find("crm.contact.add").params()[1].children, "PHOTO")
    assert.is_true(photo.file)
    assert.equal(params, catalogue.find("crm.automatedsolution.add").params())
  end)

  it("knows every value of every enumeration in the source", function()
    local count = 0
    local function compare(path, documented, known)
      for i, param in ipairs(documented) do
        local found = known[i]
        if param.enum then
          local codes = {}
          for _, code in ipairs(param.enum) do codes[#codes + 1] = code ~= "" and code or nil end
          assert.same(codes, found.enum, path .. param.name)
          count = count + 1
        end
        compare(path .. param.name .. ".", param.children or {}, found.children or {})
      end
    end
    for line in io.lines "csrc/catalogue/methods.jsonl" do
      local method = json.decode(line)
      local row = catalogue.find(method.method, method.version)
      compare(method.method .. " ", method.params or {}, row.params())
    end
    assert.truthy(count > 1000, count)
    local kinds = catalogue.find("vote.AttachedVote.get").params()[3].enum
    assert.equal("Bitrix\\Vote\\Attachment\\ImMessageConnector", kinds[1])
  end)

  it("has a shape for the parameters' other names and for the elements of a body", function()
    assert.is_false(catalogue.find("timeman.timecontrol.report.add").shape().ID.array)
    assert.is_false(catalogue.find("batch", 3).shape().query.array)
    assert.is_nil(catalogue.find("crm.deal.list").shape().nothing)
  end)
end)

describe("required parameters", function()
  local function missing(name, params, version) return catalogue.find(name, version).required(params) end

  it("are compared without case", function()
    assert.same({ "ENTITY_TYPE", "ENTITIES" }, missing("crm.calllist.add", nil))
    assert.same({}, missing("crm.calllist.add", { entity_type = "CONTACT", Entities = {} }))
  end)

  it("are looked for inside what was given", function()
    assert.same({ "fields" }, missing("crm.automatedsolution.add", {}))
    assert.same({ "fields.title" }, missing("crm.automatedsolution.add", { fields = { typeIds = {} } }))
    assert.same({}, missing("crm.automatedsolution.add", { fields = { title = "x" } }))
    -- a reference to an earlier command of a batch stands for anything
    assert.same({}, missing("crm.automatedsolution.add", { fields = setmetatable({}, {}) }))
  end)

  it("are looked for where a page says array, in an object and in each of a list", function()
    assert.same({ "fields.MEASURE_TITLE" }, missing("crm.measure.add", { fields = { CODE = 7 } }))
    local items = { { CONTACT_ID = 1 }, { SORT = 10 } }
    assert.same({ "items[2].CONTACT_ID" }, missing("crm.deal.contact.items.set", { id = 1, items = items }))
    assert.same({}, missing("crm.deal.contact.items.set", { id = 1, items = {} }))
    -- the page's own example
    assert.same({}, missing("crm.activity.update", { id = 9, fields = { RESPONSIBLE_ID = 1 } }))
  end)

  it("may be one of a group, or one of several sets", function()
    assert.same({ "FIND or FIND_LINES" }, missing("im.search.chat.list", {}))
    assert.same({}, missing("im.search.chat.list", { FIND_LINES = "abc" }))
    assert.same({}, missing("vote.AttachedVote.get", { signedAttachId = "x" }))
    assert.same({}, missing("vote.AttachedVote.get", { moduleId = "Im", entityType = "t", entityId = 1 }))
    assert.equal(1, #missing("vote.AttachedVote.get", { moduleId = "Im" }))
    assert.same({ "attachId and ballot, or moduleId and entityType and entityId and ballot, or "
      .. "signedAttachId and ballot" }, missing("vote.AttachedVote.vote", { attachId = 1 }))
  end)

  it("may come under another name, or in order", function()
    assert.same({ "TEXT" }, missing("timeman.timecontrol.report.add", { ID = 3 }))
    assert.same({ "FIELDS" }, missing("task.commentitem.add", { 12 }))
    assert.same({}, missing("task.commentitem.add", { 12, { POST_MESSAGE = "hi" } }))
  end)
end)

describe("the generator", function()
  -- the interpreter that runs this very file
  local lua = 0
  while arg and arg[lua - 1] do lua = lua - 1 end
  lua = arg and lua < 0 and arg[lua] or "lua5.4"

  local function run(arguments)
    local pipe = assert(io.popen(("%s %s %s 2>&1; echo $?"):format(lua, GENERATE, arguments)))
    local output = pipe:read("a")
    pipe:close()
    return tonumber(output:match("(%d+)%s*$")), output
  end

  local function folder()
    local path = os.tmpname()
    assert(os.remove(path))
    assert(os.execute("mkdir " .. path))
    finally(function() os.execute("rm -r " .. path) end)
    return path
  end

  local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("a")
    file:close()
    return text
  end

  local function write(path, text)
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
  end

  local ADDED = '{"method":"crm.calllist.archive","version":2,"kind":"other","write":true,"scope":["crm"],'
    .. '"params":[{"name":"LIST_ID","type":"integer","required":true},{"name":"TAGS","type":"string[]",'
    .. '"required":false}],"pagination":"none","result":null,"app_context":false,"deprecated":false,'
    .. '"errors":["GONE"],"doc":"api-reference/crm/call-list/crm-calllist-archive"}'

  local function edition(extra)
    local lines = {}
    for line in io.lines("csrc/catalogue/methods.jsonl") do lines[#lines + 1] = line end
    lines[#lines + 1] = extra
    return "[" .. table.concat(lines, ",\n") .. "]"
  end

  it("made the files that are checked in", function()
    local status, output = run("--check")
    assert.equal(0, status, output)
  end)

  it("takes a new edition, as a small difference", function()
    local out = folder()
    write(out .. "/edition.json", edition(ADDED))
    local status, output = run(("--out %s %s/edition.json"):format(out, out))
    assert.equal(0, status, output)
    assert.equal(0, (run(("--check --out %s %s/edition.json"):format(out, out))))
    assert.equal(1, (run("--check --out " .. out)))
    local line = read(out .. "/crm.def"):match('[^\n]*"crm.calllist.archive"[^\n]*')
    assert.truthy(line:find("OTHER, UNKNOWN, WRITE, NONE", 1, true))
    assert.truthy(line:find('"LIST_ID!:i TAGS:s[]"', 1, true))
    -- every other file and line is what it was
    local old, new = read("csrc/catalogue/crm.def"), read(out .. "/crm.def")
    assert.equal(old, (new:gsub("[^\n]*crm.calllist.archive[^\n]*\n", "")))
    assert.equal(read("csrc/catalogue/methods.jsonl"),
      (read(out .. "/methods.jsonl"):gsub("[^\n]*crm.calllist.archive[^\n]*\n", "")))
    assert.equal(read("csrc/catalogue/im.def"), read(out .. "/im.def"))
    assert.equal(read("csrc/catalogue/all.def"), read(out .. "/all.def"))
  end)

  it("includes a new domain in its place and drops one that is gone", function()
    local out = folder()
    write(out .. "/edition.json", edition((ADDED:gsub("crm.calllist.archive", "crn.test"))))
    assert.equal(0, (run(("--out %s %s/edition.json"):format(out, out))))
    assert.truthy(read(out .. "/all.def"):find('"crm.def"\n#include "crn.def"', 1, true))
    assert.equal(0, (run("--out " .. out)))
    assert.is_nil(io.open(out .. "/crn.def"))
  end)

  it("refuses what it cannot hold", function()
    local out = folder()
    local function refused(text, why)
      write(out .. "/edition.json", text)
      local status, output = run(("--out %s %s/edition.json"):format(out, out))
      assert.not_equal(0, status)
      assert.truthy(output:find(why, 1, true), output)
      assert.is_nil(io.open(out .. "/all.def"))
    end
    refused(edition((ADDED:gsub("crm.calllist.archive", "crm.deal.List"))), "crm.deal.list/2 appears twice")
    refused(edition((ADDED:gsub('"TAGS"', '"TA{GS"'))), "cannot hold")
    refused("[" .. ADDED .. "]", "overrides.lua corrects")
    refused("not json", "")
  end)
end)
