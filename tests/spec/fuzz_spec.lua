-- The inputs that `make fuzz` keeps, once each, for the targets in Lua (those
-- in C: c/fuzz_replay_test.c). Every input that once broke something is among
-- them.

local CORPUS = "tests/fuzz/corpus/"

local function files(target)
  local pipe <close> = assert(io.popen("ls '" .. CORPUS .. target .. "'"))
  local out = {}
  for name in pipe:lines() do out[#out + 1] = CORPUS .. target .. "/" .. name end
  return out
end

local function read(name)
  local file <close> = assert(io.open(name, "rb"))
  return file:read("a")
end

describe("inputs that were found by fuzzing", function()
  for _, target in ipairs { "answer", "batch", "form", "options", "query", "tokens" } do
    it(("leave the target %s whole"):format(target), function()
      local run = require("fuzz." .. target)
      local names = files(target)
      assert.is_true(#names > 0)
      for _, name in ipairs(names) do
        local ok, fault = pcall(run, read(name))
        assert(ok, ("%s: %s"):format(name, tostring(fault)))
      end
    end)
  end
end)
