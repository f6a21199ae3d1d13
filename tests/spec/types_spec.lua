-- The annotations that an editor completes from: they are annotations, they say
-- what the catalogue says of every method, and they are what is generated.

local bitrix24 = require "bitrix24"
local catalogue = require "bitrix24.catalogue"
local luacats = require "support.luacats"

local FOLDER = "lua/bitrix24/types"
local GENERATE = "csrc/catalogue/types.lua"

local function lines_of(command)
  local out = {}
  local pipe <close> = assert(io.popen(command))
  for line in pipe:lines() do out[#out + 1] = line end
  return out
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local library = luacats.read(lines_of(("find %s -name '*.lua' | sort"):format(FOLDER)))

local VIEWS = { [0] = "bitrix24.Portal", [2] = "bitrix24.Portal2", [3] = "bitrix24.Portal3" }

--- The call of a method among the ways to call its node.
local function call_of(class)
  for _, overload in ipairs(class.overloads) do
    if overload.parameters[1].name == "params" then return overload end
  end
end

--- The class that describes an object, whichever way a type names it.
local function class_in(described)
  if described.kind == "name" then return library.classes[described.name] end
  if described.of then return class_in(described.of) end
  for _, one in ipairs(described) do
    local found = class_in(one)
    if found then return found end
  end
end

local function codes_in(described, out)
  out = out or {}
  if described.kind == "literal" then out[described.value] = true end
  if described.of then codes_in(described.of, out) end
  for _, one in ipairs(described) do codes_in(one, out) end
  return out
end

local function is_pattern(name)
  return name:find("[<*%[|]") ~= nil or name:find("...", 1, true) ~= nil or name:find("@", 1, true) ~= nil
end

--- The interpreter that runs this.
local LUA = "lua5.4"
for i = -1, -9, -1 do LUA = arg and arg[i] or LUA end

describe("types", function()
  it("are what the generator makes of the catalogue's source", function()
    assert.is_true(os.execute(("%s %s --check"):format(LUA, GENERATE)))
  end)

  it("are made alike elsewhere, and a changed file is found", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir -p %s && %s %s --out %s"):format(folder, LUA, GENERATE, folder)))
    local made = lines_of(("ls %s"):format(folder))
    assert.same(lines_of(("ls %s/rest"):format(FOLDER)), made)
    for _, name in ipairs(made) do
      assert.equal(read(FOLDER .. "/rest/" .. name), read(folder .. "/" .. name), name)
    end
    local crm = folder .. "/crm.lua"
    local file <close> = assert(io.open(crm, "ab"))
    file:write("---@class stale\n")
    file:flush()
    local said = lines_of(("%s %s --check --out %s 2>&1; echo $?"):format(LUA, GENERATE, folder))
    assert.matches("crm.lua is not what the source gives", said[1])
    assert.equal("1", said[#said])
    os.execute("rm -r " .. folder)
  end)

  it("are small enough for an editor to read unasked", function()
    -- lua-language-server passes over files of more than 500 KB (workspace.preloadFileSize)
    for _, line in ipairs(lines_of(("find %s -name '*.lua' -size +480k"):format(FOLDER))) do error(line) end
  end)

  it("name no class or alias that is not declared", function()
    assert.is_nil(library:unknown())
    assert.is_true(library.modules["bitrix24"] and library.modules["bitrix24.sandbox"])
  end)

  --- Every (method, version), the view that shows it, its class and field.
  local function each_method()
    local list = {}
    for name in catalogue.each() do
      for _, version in ipairs { 2, 3 } do
        local row = catalogue.find(name, version)
        if row then
          list[#list + 1] = { row = row, view = VIEWS[version] }
          if catalogue.find(name).version == version then list[#list + 1] = { row = row, view = VIEWS[0] } end
        end
      end
    end
    local i = 0
    return function()
      i = i + 1
      local found = list[i]
      if not found then return end
      local class, field = library:follow(found.view, found.row.name)
      assert(class, ("%s: no %s"):format(found.view, found.row.name))
      return found.row, class, field, found.view
    end
  end

  it("lead to every method through every view that has it", function()
    local count, of_views = 0, { [VIEWS[0]] = 0, [VIEWS[2]] = 0, [VIEWS[3]] = 0 }
    for row, class, _, view in each_method() do
      assert(call_of(class), row.name)
      of_views[view] = of_views[view] + 1
      if view ~= VIEWS[0] then count = count + 1 end
    end
    assert.equal(1678, count)
    assert.same({ [VIEWS[0]] = 1671, [VIEWS[2]] = 1568, [VIEWS[3]] = 110 }, of_views)
  end)

  it("say version, scope, deprecation and the documentation's address of each", function()
    local deprecated = 0
    for row, class, field, view in each_method() do
      local text = class.text
      local where = view .. " " .. row.name
      assert(text:find(row.version == 3 and "REST 3.0" or "REST 2 ", 1, true), where)
      assert(text:find(("(https://apidocs.bitrix24.com/%s.html)"):format(row.doc), 1, true), where)
      for _, scope in ipairs(row.scope) do assert(text:find(scope, 1, true), where) end
      assert(row.app_context == (text:find("application only", 1, true) ~= nil), where)
      assert(row.deprecated == (field.deprecated or false), where)
      if row.deprecated then
        deprecated = deprecated + (view == VIEWS[0] and 1 or 0)
        assert(text:find "Deprecated", where)
        local replacement = row.replacement and "use " .. row.replacement .. "."
        assert(not replacement or text:find(replacement, 1, true), where)
      end
    end
    assert.equal(235, deprecated)
  end)

  it("list the parameters of each, which are required, and their values", function()
    local counts = { parameters = 0, required = 0, enumerations = 0, codes = 0 }

    local function compare(params, class, positional, where)
      for i, param in ipairs(params) do
        local name = positional and tostring(i) or param.name
        local here = where .. "." .. param.name
        counts.parameters = counts.parameters + 1
        if is_pattern(name) then
          assert(class.fields["[string]"], here)
        else
          local field = assert(class.fields[name], here .. " is not in " .. class.name)
          assert(param.required == not field.optional, here)
          counts.required = counts.required + (param.required and 1 or 0)
          if param.enum then
            counts.enumerations = counts.enumerations + 1
            local codes = codes_in(field.type)
            for _, code in ipairs(param.enum) do
              assert(codes[code], here .. " lacks " .. code)
              counts.codes = counts.codes + 1
            end
          end
          if param.children and #param.children > 0 then
            local inner = assert(class_in(field.type), here .. " has no class")
            compare(param.children, inner, false, here)
          end
        end
      end
    end

    for row, class, _, view in each_method() do
      if view ~= VIEWS[0] then
        local call = call_of(class)
        local params = row.params()
        if row.body_array then params = params[1].children or params end
        if #params > 0 then
          compare(params, assert(class_in(call.parameters[1].type), row.name), row.positional, row.name)
        end
        local needs = #row.required {} > 0
        assert(row.positional or row.body_array or needs == not call.parameters[1].optional, row.name)
      end
    end
    assert.truthy(counts.parameters > 8300, counts.parameters)
    assert.truthy(counts.required > 2200, counts.required)
    assert.truthy(counts.enumerations > 900, counts.enumerations)
  end)

  it("let lists be walked, and no method hide behind a walk", function()
    for row, class in each_method() do
      if row.kind == "list" and not catalogue.has_prefix(row.name) then
        for _, name in ipairs { "each", "pages", "all", "first", "count" } do
          assert(class.fields[name], row.name .. ":" .. name)
        end
      end
    end
    local class = library:follow("bitrix24.Portal", "humanresources.node")
    assert.equal("name", class.fields.count.type.kind) -- a method of the platform
  end)

  it("name every method for portal:call", function()
    local names = codes_in(library.aliases["bitrix24.MethodName"])
    local count = 0
    for name in catalogue.each() do
      count = count + 1
      assert(names[catalogue.find(name).name] or names[name], name)
    end
    assert.equal(1671, count)
    local call = library:follow("bitrix24.Portal", "call").overloads[1]
    assert.equal("bitrix24.MethodName", call.parameters[2].type.name)
  end)

  -- What is offered behind a dot or in a call's braces, found as an editor does:
  -- through the variable's class, its fields and its call's parameters.
  local function offers(text)
    local path, brace = text:match "portal%.?([%w_.]-)%.?({?)%s*$"
    local class = library:follow("bitrix24.Portal", path)
    local out = {}
    for name in pairs(library:names(brace == "{" and class_in(call_of(class).parameters[1].type).name
      or class.name)) do
      out[#out + 1] = name
    end
    table.sort(out)
    return table.concat(out, " ")
  end

  it("complete a path and its parameters", function()
    assert.equal("ENTITIES ENTITY_TYPE WEBFORM_ID", offers "portal.crm.calllist.add{")
    assert.equal("add get items list statuslist update", offers "portal.crm.calllist.")
    assert.matches("entityTypeId", offers "portal.crm.item.list{")
    assert.matches("contact.*deal.*item", offers "portal.crm.")
  end)

  it("have the options that connect, calls and lists take, and no others", function()
    --- The table of names that a function checks its options against.
    local function known_to(f, name, seen)
      seen = seen or {}
      if seen[f] then return nil end
      seen[f] = true
      for i = 1, math.huge do
        local upvalue, value = debug.getupvalue(f, i)
        if not upvalue then return nil end
        local found = upvalue == name and value or type(value) == "function" and known_to(value, name, seen)
        if found then
          local out = {}
          for key in pairs(found) do out[key] = true end
          return out
        end
      end
    end
    local read_options = require "bitrix24.options".read
    local options, connect = library:names "bitrix24.Options", known_to(read_options, "KNOWN")
    for name in pairs(known_to(read_options, "LATER") or {}) do connect[name] = true end
    assert.same(connect, options)
    assert.same(known_to(require "bitrix24.list".all, "OPTIONS"), library:names "bitrix24.ListOptions")
    assert.same(known_to(require "bitrix24.given".check, "OPTIONS"), library:names "bitrix24.CallOptions")
    local tasks = getmetatable(require "bitrix24.tasks".new {}).__index
    assert.same(known_to(tasks.map, "MAP_OPTIONS"), library:names "bitrix24.MapOptions")
  end)

  it("have what a plan has, and both forms of a recording", function()
    local portal <close> = bitrix24.connect("https://example.invalid/rest/1/code/")
    local plan = portal:plan(function(p)
      p.crm.item.delete { entityTypeId = 2, id = p.crm.item.add { entityTypeId = 2, fields = {} }.item.id }
    end)
    local function names_of(value)
      local out = {}
      for name in pairs(value) do out[name] = type(name) == "string" and true or nil end
      return out
    end
    assert.same(names_of(plan), library:names "bitrix24.Plan")
    assert.same(names_of(plan.writes[1]), library:names "bitrix24.PlannedCall")
    local replay = library:field("bitrix24.Options", "replay").type
    assert.equal("string", replay[1].name)
    assert.equal("table", replay[2].kind)
  end)

  it("have what the module and a portal have", function()
    for _, name in ipairs { "_VERSION", "null", "array", "ordered", "file", "is_error", "token_file", "oauth",
      "state", "connect", "limiter_file", "use" } do
      assert(rawget(bitrix24, name) ~= nil, name)
      assert(library:field("bitrix24", name), name)
    end
    for name, value in pairs(bitrix24) do
      if type(value) == "function" then assert(library:field("bitrix24", name), name) end
    end
    for _, name in ipairs { "call", "each", "pages", "all", "first", "count", "map", "gather", "batch",
      "download", "close", "v2", "v3" } do
      for _, view in pairs(VIEWS) do
        assert(library:field(view, name), view .. " " .. name)
      end
    end
  end)
end)
