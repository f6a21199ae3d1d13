-- The reference is made out of the sources, shows all that a script can use,
-- and leads nowhere into the void.

describe("the reference", function()
  local bitrix24 = require "bitrix24"
  local catalogue = require "bitrix24.catalogue"
  local events = require "bitrix24.events"
  local folder

  local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

  local function lua(...)
    local interpreter, words = 0, {}
    while arg[interpreter - 1] do interpreter = interpreter - 1 end
    for i, word in ipairs { arg[interpreter], ... } do words[i] = quote(word) end
    local pipe <close> = assert(io.popen(table.concat(words, " ") .. " 2>&1; echo \" $?\""))
    local output, status = pipe:read("a"):match("^(.*) (%d+)\n$")
    return output, tonumber(status)
  end

  local function read(path)
    local file <close> = assert(io.open(path, "rb"), path)
    return file:read "a"
  end

  local function page(name) return read(folder .. "/" .. name .. ".md") end

  local function pages()
    local list = {}
    local pipe <close> = assert(io.popen("ls " .. quote(folder)))
    for name in pipe:lines() do list[#list + 1] = folder .. "/" .. name end
    return list
  end

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. quote(folder)))
    local output, status = lua("csrc/docs/reference.lua", folder)
    assert.equal(0, status, output)
  end)

  teardown(function() os.execute("rm -r " .. quote(folder)) end)

  local function shows(text, heading)
    assert.truthy(text:find("\n## " .. heading .. "\n", 1, true), heading .. " is not in the reference")
  end

  it("shows every function of the module and of events", function()
    local all = {}
    for _, path in ipairs(pages()) do all[#all + 1] = read(path) end
    all = table.concat(all)
    for name, value in pairs(bitrix24) do
      if type(value) == "function" then shows(all, "bitrix24." .. name) end
    end
    for name in pairs(bitrix24.oauth) do shows(all, "bitrix24.oauth." .. name) end
    for name, value in pairs(events) do
      if type(value) == "function" then shows(all, "events." .. name) end
    end
    for name in ("call each pages all first count map gather batch plan download close"):gmatch "%a+" do
      shows(all, "portal:" .. name)
    end
    for _, name in ipairs { "connect", "requests", "records", "fault", "reset", "stop" } do
      shows(all, "sb:" .. name)
    end
  end)

  it("shows what goes in and comes out, in the words of the sources", function()
    local text = page "events"
    assert.truthy(text:find("- `body` `string`\n", 1, true))
    assert.truthy(text:find("→ [`bitrix24.Event`](events.md#bitrix24event)", 1, true))
    assert.truthy(text:find("\n    for event, refuse in events.offline(portal", 1, true))
    assert.truthy(page "errors":find('- `kind` `"config"` or `"network"`', 1, true))
    for _, path in ipairs(pages()) do -- a type that takes two lines is no text
      local rest = not path:find "c%-api" and read(path):match "\n%- `[%w_?]+` `[^`\n]*`  [^\n]*"
      assert.falsy(rest, rest)
    end
  end)

  it("leaves no heading without words, and tells what a plan and a recording are", function()
    for _, path in ipairs(pages()) do
      local empty = (read(path) .. "\n## "):match "\n## ([^\n]+)\n+## "
      assert.is_nil(empty, path)
    end
    local link = "[`bitrix24.PlannedCall[]`](planning.md#bitrix24plannedcall)"
    assert.truthy(page "planning":find(link, 1, true))
    assert.truthy(page "recording":find("strict = false", 1, true))
    assert.truthy(page "index":find("\n- [Recording and replaying](recording.md)\n", 1, true))
    assert.truthy(page "errors":find("- `limit`: ", 1, true))
  end)

  it("lists every method of the catalogue with its documentation", function()
    local count = 0
    for _, path in ipairs(pages()) do
      for line in (path:find "methods%-" and read(path) or ""):gmatch "[^\n]+" do
        if line:find "^| %[" then
          assert.matches("^| %[[%w_.]+%]%(https://apidocs%.bitrix24%.com/[%w/_.-]+%.html%) | REST ", line)
          count = count + 1
        end
      end
    end
    assert.truthy(count > 1500 and count <= catalogue.count(), count)
    local crm = page "methods-crm"
    assert.truthy(crm:find("crm-deal-get.html) | REST 2, old: crm.item.get | `id`\\* |", 1, true))
    assert.truthy(crm:find("crm-item-list.html) | REST 2, list | `entityTypeId`\\*, ", 1, true))
  end)

  it("has no broken link, the other documents neither", function()
    local list = pages()
    for _, path in ipairs { "README.md", "examples/README.md", "tests/README.md", "csrc/README.md",
      "CHANGELOG.md" } do
      list[#list + 1] = path
    end
    local output, status = lua("csrc/docs/links.lua", table.unpack(list))
    assert.equal(0, status, output)
    assert.truthy(tonumber(output:match "^(%d+) links") > 1000)
  end)

  it("would tell of a broken link", function()
    local path = folder .. "/broken.md"
    local file <close> = assert(io.open(path, "w"))
    file:write("# A page\n[a](index.md) [b](none.md) [c](#a-page) [d](#b-page)\n`[e](no-link)`\n")
    file:write("[f](http://x)\n")
    file:close()
    local output, status = lua("csrc/docs/links.lua", path)
    os.remove(path)
    assert.equal(1, status)
    assert.truthy(output:find(":2: none.md: there is no", 1, true), output)
    assert.truthy(output:find(":2: #b-page: ", 1, true))
    assert.truthy(output:find(":4: http://x: no address", 1, true))
    assert.equal(3, select(2, output:gsub("\n", "")))
  end)
end)
