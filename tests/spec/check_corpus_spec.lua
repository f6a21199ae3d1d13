-- `check` on scripts made of the documented requests: nothing is said against
-- them, and every fault that is planted in them is found.

local catalogue = require "bitrix24.catalogue"
local check = require "bitrix24.check"
local corpus = require "support.check_corpus"

local EXAMPLES, ORDER, HEAD = corpus.examples, corpus.FORMS, corpus.HEAD
local copy, find, misspell = corpus.copy, corpus.find, corpus.misspell
local errors_in, script_of, show = corpus.errors_in, corpus.script_of, corpus.show

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local function rest_errors(script)
  return errors_in(check.script(script, "script.lua"))
end

describe("check", function()
  describe("says nothing against", function()
    it("any documented request, however it is called", function()
      local count = 0
      for _, example in ipairs(EXAMPLES) do
        for _, form in ipairs(ORDER) do
          local script = script_of(form, example.method, example.version, example.request)
          local found = rest_errors(script)
          assert(#found == 0, show(found, script))
          count = count + 1
        end
      end
      assert.equal(#EXAMPLES * #ORDER, count)
    end)

    it("any method with all its documented parameters", function()
      local count = 0
      local function write_all(params)
        local out = {}
        for i, param in ipairs(params) do
          local value = param.enum and ("%q"):format(param.enum[#param.enum]) or "x"
          local inner = not param.array and param.children or {}
          if #inner > 0 then value = write_all(inner) end
          out[i] = ("[%q] = %s"):format(param.name, value)
        end
        return "{ " .. table.concat(out, ", ") .. " }"
      end
      for name in catalogue.each() do
        for _, version in ipairs { 2, 3 } do
          local row = catalogue.find(name, version)
          if row and not row.positional and not row.body_array then
            local params = write_all(row.params())
            local script = ("%slocal x = arg[1]\nportal.v%d:call(%q, %s)"):format(HEAD, version, name, params)
            local found = rest_errors(script)
            assert(#found == 0, show(found, script))
            count = count + 1
          end
        end
      end
      assert.truthy(count > 1640, count)
    end)

    it("any example of the project", function()
      local count = 0
      local pipe <close> = assert(io.popen "ls examples/*.lua")
      for path in pipe:lines() do
        local found = check.file(path)
        assert(#found == 0, path .. ": " .. show(found))
        count = count + 1
      end
      assert.truthy(count >= 3, count)
    end)

    it("any Lua of README.md", function()
      local text, count = read "README.md", 0
      local function look(code)
        if not load(code, "=README", "t") then code = "return " .. code end
        if not load(code, "=README", "t") then return end -- a fragment
        count = count + 1
        local found = rest_errors(code)
        assert(#found == 0, show(found, code))
      end
      for code in text:gmatch "\n```lua\n(.-)\n```" do look(code) end
      for code in text:gmatch "\n|[^|\n]+| `(.-)` [^\n]-|" do look(code) end
      assert.truthy(count >= 30, count)
    end)
  end)

  describe("finds", function()
    local planted, missed, false_positions = {}, {}, 0

    --- Plant a fault and look for it.
    local function plant(kind, code, word, form, method, version, params)
      planted[kind] = (planted[kind] or 0) + 1
      local script = script_of(form, method, version, params)
      local findings = check.script(script, "script.lua")
      local finding = find(findings, code, word)
      if not finding then
        missed[#missed + 1] = ("%s %q:\n%s"):format(kind, word or "", show(findings, script))
      elseif finding.line < 3 then
        false_positions = false_positions + 1
      end
    end

    local function each_example(f)
      for i, example in ipairs(EXAMPLES) do
        local row = catalogue.find(example.method, example.version)
        f(example, row, ORDER[i % #ORDER + 1], i)
      end
    end

    local function settle(least)
      assert.same({}, missed)
      assert.equal(0, false_positions)
      for kind, count in pairs(least) do
        assert.truthy((planted[kind] or 0) >= count, ("%s: %s"):format(kind, planted[kind]))
      end
    end

    before_each(function() planted, missed, false_positions = {}, {}, 0 end)

    it("every misspelt method, with its name", function()
      each_example(function(example, row, _, seed)
        local head, last = example.method:match "^(.-)([^.]+)$"
        local wrong = head .. misspell(last, seed)
        if not catalogue.is_method(wrong) and #last > 2 then
          for _, form in ipairs(ORDER) do
            plant("method", "unknown-method", wrong, form, wrong, row.version, example.request)
          end
        end
      end)
      settle { method = 600 }
    end)

    it("the name that was meant, for nearly every method there is", function()
      local seen, hinted = 0, 0
      for name in catalogue.each() do
        local head, last = name:match "^(.-)([^.]+)$"
        local wrong = head .. misspell(last, #name)
        if #last > 3 and not catalogue.is_method(wrong) and not catalogue.has_prefix(wrong) then
          seen = seen + 1
          local findings = check.script(("require 'bitrix24'.%s{}"):format(wrong))
          local finding = find(findings, "unknown-method", wrong)
          assert(finding, wrong)
          if (finding.hint or ""):lower():find(name:lower(), 1, true) then hinted = hinted + 1 end
        end
      end
      assert.truthy(seen > 1000, seen)
      assert.truthy(hinted / seen > 0.98, ("%d of %d"):format(hinted, seen))
    end)

    it("every required parameter that is left out", function()
      each_example(function(example, row, form)
        if row.body_array or row.positional then return end
        for _, param in ipairs(row.params()) do
          local key
          for given in pairs(example.request) do
            if type(given) == "string" and given:lower() == param.name:lower() then key = given end
          end
          if param.required and key then
            local less = copy(example.request)
            less[key] = nil
            plant("top", "missing-parameter", param.name, form, example.method, row.version, less)
            for _, child in ipairs(param.children or {}) do
              local inner = example.request[key]
              local there = not param.array and type(inner) == "table" and inner[child.name] ~= nil
              if child.required and there then
                less = copy(example.request)
                less[key][child.name] = nil
                local left = false
                for _, other in ipairs(param.children) do left = left or less[key][other.name] ~= nil end
                if left then
                  local path = param.name .. "." .. child.name
                  plant("nested", "missing-parameter", path, form, example.method, row.version, less)
                end
              end
            end
          end
        end
      end)
      settle { top = 60, nested = 5 }
    end)

    it("every misspelt parameter, with its name", function()
      local function rename(params, key, new)
        params[new] = params[key]
        params[key] = nil
        return params
      end
      each_example(function(example, row, form, seed)
        if row.body_array or row.positional then return end
        local known = {}
        for _, param in ipairs(row.params()) do
          known[param.name:lower()] = param
          for _, alias in ipairs(param.aliases or {}) do known[alias:lower()] = param end
        end
        for key, value in pairs(example.request) do
          local param = known[key:lower()]
          local wrong = misspell(key, seed)
          if param and not known[wrong:lower()] then
            plant("top", "unknown-parameter", param.name, form, example.method, row.version,
              rename(copy(example.request), key, wrong))
          end
          local children = {}
          for _, child in ipairs(param and param.children or {}) do children[child.name:lower()] = child end
          for inner in pairs(type(value) == "table" and value or {}) do
            local slip = type(inner) == "string" and misspell(inner, seed)
            if slip and #inner >= 4 and children[inner:lower()] and not children[slip:lower()]
              and not inner:find "^UF_" and inner ~= "TYPE" then
              local changed = copy(example.request)
              rename(changed[key], inner, slip)
              local name = children[inner:lower()].name
              plant("nested", "unknown-parameter", name, form, example.method, row.version, changed)
            end
          end
        end
      end)
      settle { top = 150, nested = 40 }
    end)

    it("every value outside an enumeration, with the values there are", function()
      each_example(function(example, row, form)
        if row.body_array or row.positional then return end
        for _, param in ipairs(row.params()) do
          if param.enum then
            local changed = copy(example.request)
            for key in pairs(changed) do
              if key:lower() == param.name:lower() then changed[key] = nil end
            end
            changed[param.name] = "no_such_value"
            local codes = table.concat(param.enum, ", ")
            plant("value", "wrong-value", codes, form, example.method, row.version, changed)
          end
          for _, child in ipairs(param.children or {}) do
            local inner = example.request[param.name]
            if child.enum and type(inner) == "table" and inner[1] == nil then
              local changed = copy(example.request)
              changed[param.name][child.name] = "no_such_value"
              local codes = table.concat(child.enum, ", ")
              plant("nested", "wrong-value", codes, form, example.method, row.version, changed)
            end
          end
        end
      end)
      settle { value = 20, nested = 10 }
    end)

    --- A call of a method, whose name may hold a word of Lua's (rpa.task.do).
    local function called(name)
      return ("require 'bitrix24'.connect():call(%q, ...)"):format(name)
    end

    it("every deprecated method, and what to use instead", function()
      local count = 0
      for name in catalogue.each() do
        local row = catalogue.find(name)
        if row.deprecated then
          count = count + 1
          local finding = find(check.script(called(name)), "deprecated")
          assert.equal("warning", finding and finding.severity, name)
          assert.equal(row.replacement and "use " .. row.replacement, finding.hint)
        end
      end
      assert.equal(235, count)
    end)

    it("every method that needs an application", function()
      local count = 0
      for name in catalogue.each() do
        local findings = check.script(called(name))
        local needs = catalogue.find(name).app_context
        assert.equal(needs, findings.application, name)
        assert.equal(needs, find(findings, "application") ~= nil, name)
        count = count + (needs and 1 or 0)
      end
      assert.equal(101, count)
    end)
  end)
end)
