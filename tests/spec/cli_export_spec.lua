-- An export to a file that goes on where a crash or Ctrl-C ended it. Two
-- requests travel at a time: with the third one hanging, the first one's pages,
-- 51 or more, are written and nothing comes after them.

local command = require "support.command"
local sandbox = require "bitrix24.sandbox"

local folder, big

setup(function() big = sandbox.start { limits = false, contacts = 16000 } end)
teardown(function() big:stop() end)
before_each(function()
  big:reset()
  folder = command.folder()
end)
after_each(function() command.clean(folder) end)

describe("an export with a checkpoint", function()
  local function words(path, more)
    local out = { "list", "crm.contact.list", "select[]=ID", "select[]=NAME", "-o", path, "-q",
      "--checkpoint", path .. ".state" }
    return table.move(more or {}, 1, #(more or {}), #out + 1, out)
  end
  local function on_big() return { BITRIX24_WEBHOOK = big.webhook, XDG_CONFIG_HOME = folder } end
  local function pages(path)
    return select(2, (command.read(path .. ".part.pages") or ""):gsub("\n", "")) - 1
  end

  it("has every record once, however often it is killed", function()
    for _, ending in ipairs { "csv", "json" } do
      local whole, path = folder .. "/whole." .. ending, folder .. "/killed." .. ending
      local plain = { "list", "crm.contact.list", "select[]=ID", "select[]=NAME", "-o", whole }
      local _, err, status = command.run(plain, on_big())
      assert.equal(0, status, err)
      local before = 0
      for _, further in ipairs { 3, 20, 45 } do
        big:fault { method = "batch", nth = 3, action = "hang" }
        local running <close> = command.start(words(path), on_big())
        running:wait(function() return pages(path) >= before + further or running:status() end)
        running:stop("KILL")
        before = pages(path)
        assert.is_nil(command.read(path))
        -- the power may fail in the middle of a page
        local part = assert(io.open(path .. ".part", "ab"))
        part:write("half a rec")
        part:close()
        big:reset()
      end
      _, err, status = command.run(words(path), on_big())
      assert.equal(0, status, err)
      assert.equal(command.read(whole), command.read(path))
      for _, left in ipairs { ".part", ".part.pages", ".state" } do
        assert.is_nil(command.read(path .. left))
      end
    end
  end)

  it("is gone on with after Ctrl-C", function()
    local path = folder .. "/c.jsonl"
    big:fault { method = "batch", nth = 3, action = "hang" }
    local given = words(path)
    table.remove(given, 7) -- not quietly
    local running <close> = command.start(given, on_big())
    -- everything that came is written, and the request that hangs is under way
    running:wait(function() return pages(path) >= 51 end)
    local _, refused, misused = command.run(given, on_big())
    assert.equal(2, misused)
    assert.truthy(refused:find("another export is writing", 1, true), refused)
    assert.equal(1, running:stop("INT"))
    assert.truthy(running:err():find("records are in .*c%.jsonl%.part; the same command goes on\n"))
    assert.truthy(running:err():find("bitrix24: interrupted\n", 1, true), running:err())
    big:reset()
    local _, err, status = command.run(given, on_big())
    assert.equal(0, status, err)
    assert.truthy(err:find("going on behind %d+ records\n.*16000 records in "), err)
    assert.equal(16000, select(2, command.read(path):gsub("\n", "")))
  end)

  it("is not gone on with as something else", function()
    local path = folder .. "/c.csv"
    big:fault { method = "batch", nth = 3, action = "hang" }
    do
      local running <close> = command.start(words(path), on_big())
      running:wait(function() return pages(path) >= 51 end)
    end
    big:reset()
    local part = command.read(path .. ".part")
    for _, more in ipairs { { "-f", "jsonl" }, { "-c", "ID" }, { "filter[>ID]=5" } } do
      local _, err, status = command.run(words(path, more), on_big())
      assert.equal(2, status, err)
      assert.truthy(err:find("hint: delete", 1, true), err)
    end
    assert.equal(part:sub(1, 1000), command.read(path .. ".part"):sub(1, 1000))
    command.write(path .. ".part", "short")
    local _, err, status = command.run(words(path), on_big())
    assert.equal(2, status)
    assert.truthy(err:find("shorter", 1, true), err)
  end)
end)
