--- What the specs of recordings share: a script is recorded, and replayed.

local assert = require "luassert"
local bitrix24 = require "bitrix24"
local json = require "bitrix24.json"

---@param spec table the spec's _ENV
---@param here support.Here
return function(spec, here)
  local made = {}
  local paths

  spec.before_each(function() paths = {} end)
  spec.after_each(function()
    for _, path in ipairs(paths) do os.remove(path) end
  end)

  function made.new_path()
    local path = os.tmpname()
    os.remove(path)
    paths[#paths + 1] = path
    return path
  end

  function made.read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
  end

  function made.write(path, text)
    local file <close> = assert(io.open(path, "wb"))
    assert(file:write(text))
    return path
  end

  --- The exchanges of a recording.
  function made.lines(path)
    local out = {}
    for text in made.read(path):gmatch("[^\n]+") do out[#out + 1] = assert(json.decode(text)) end
    return out
  end

  --- What a script did, as text; its errors too, without the line that asked.
  function made.done(script, portal)
    local out = {}
    script(portal, function(f, ...)
      local result = table.pack(pcall(f, ...))
      for i = 1, result.n do
        if bitrix24.is_error(result[i]) then result[i].where = nil end
        out[#out + 1] = type(result[i]) == "table" and not bitrix24.is_error(result[i])
          and json.encode(result[i]) or tostring(result[i])
      end
    end)
    return table.concat(out, "\n")
  end

  --- Record a script.
  ---@return string path
  ---@return string what it did
  function made.recorded(script, options)
    local given, path = {}, made.new_path()
    for name, value in pairs(options or {}) do given[name] = value end
    given.record = path
    local portal = here:connect(given)
    local text = made.done(script, portal)
    portal:close()
    return path, text
  end

  function made.replayed(script, path, options)
    local given = { replay = path }
    for name, value in pairs(options or {}) do given[name] = value end
    local portal <close> = bitrix24.connect(given)
    return made.done(script, portal)
  end

  --- Record, replay, compare; nothing arrives during the replay.
  function made.same(script, options)
    local path, text = made.recorded(script, options)
    local count = #here.sb:requests()
    assert.equal(text, made.replayed(script, path))
    assert.equal(count, #here.sb:requests())
    return path, text
  end

  return made
end
