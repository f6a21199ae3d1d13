-- An export to a file that goes on where a crash or Ctrl-C ended it. Two
-- requests travel at a time: with the third one hanging, the first one's pages,
-- 51 or more, are written and nothing comes after them.

local command = require "support.command"
local export = require "bitrix24.cli.export"
local json = require "bitrix24.json"
local sandbox = require "bitrix24.sandbox"

local folder, big

setup(function() big = sandbox.start { limits = false, contacts = 10000 } end)
teardown(function() big:stop() end)
before_each(function()
  big:reset()
  folder = command.folder()
end)
after_each(function() command.clean(folder) end)

local function list(path, more)
  local out = { "list", "crm.contact.list", "select[]=ID", "select[]=NAME", "-o", path, "-q" }
  return table.move(more or {}, 1, #(more or {}), #out + 1, out)
end

local function words(path, more)
  return list(path, table.move(more or {}, 1, #(more or {}), 3, { "--checkpoint", path .. ".state" }))
end

local function on_big() return { BITRIX24_WEBHOOK = big.webhook, XDG_CONFIG_HOME = folder } end

local function ok(given)
  local out, err, status = command.run(given, on_big())
  assert.equal(0, status, err)
  return out, err
end

--- It fails with one line, and says what to do.
local function fails(expected, given, before)
  local out, err, status = command.run(given, on_big(), nil, before)
  assert.equal(expected, status, err)
  assert.equal("", out)
  assert.truthy(err:match("^bitrix24: [^\n]+\nhint: [^\n]+\n$"), err)
  return err
end

local function pages(path)
  return select(2, (command.read(path .. ".part.pages") or ""):gsub("\n", "")) - 1
end

--- An export whose pages, 51 of them, are written, and which then hangs.
local function hanging(path)
  big:fault { method = "batch", nth = 3, action = "hang" }
  local running = command.start(words(path), on_big())
  running:wait(function() return pages(path) >= 51 or running:status() end)
  return running
end

--- One that was killed there.
local function interrupted(path)
  hanging(path):close()
  big:reset()
end

local function said(text)
  local pipe <close> = assert(io.popen(text))
  return pipe:read("a")
end

describe("an export with a checkpoint", function()

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
    assert.truthy(err:find("going on behind %d+ records\n.*10000 records in "), err)
    assert.equal(10000, select(2, command.read(path):gsub("\n", "")))
  end)

  it("is not gone on with as something else", function()
    local path = folder .. "/c.csv"
    interrupted(path)
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
    -- a checkpoint without what it is about
    os.remove(path .. ".part")
    assert.truthy(fails(2, words(path)):find("hint: delete", 1, true))
    assert.is_nil(command.read(path .. ".part"))
  end)

  it("is not begun anew over another one's records", function()
    local path = folder .. "/c.csv"
    interrupted(path)
    local part = command.read(path .. ".part")
    local err = fails(2, list(path))
    assert.truthy(err:find("hint: go on with --checkpoint " .. path .. ".state, or", 1, true), err)
    fails(2, list(path, { "--checkpoint", path .. ".stat" }))
    assert.equal(part, command.read(path .. ".part"))
    assert.equal(0, #big:requests())
    os.remove(path .. ".state") -- as the hints say
    ok(words(path))
    assert.equal(10001, select(2, command.read(path):gsub("\r\n", "")))
  end)

  it("goes on when there is room on the disk again", function()
    local whole, path = folder .. "/whole.csv", folder .. "/c.csv"
    ok(list(whole))
    local err = fails(1, words(path), "trap '' XFSZ; ulimit -f 8;")
    assert.truthy(err:find("cannot write " .. path .. ".part: ", 1, true), err)
    assert.truthy(err:find("hint: make room; the same command goes on", 1, true), err)
    ok(words(path))
    assert.equal(command.read(whole), command.read(path))
  end)

  it("keeps the records that could not get their name", function()
    for _, name in ipairs { "a", "b" } do
      local path = ("%s/%s.csv"):format(folder, name)
      local file = export.open(path, name == "a" and path .. ".state" or nil, { format = "csv" })
      file:write("ID\r\n1\r\n", 1, 1, { "ID" })
      assert(os.execute("mkdir " .. path)) -- meanwhile
      local done, e = pcall(file.commit, file, "2\r\n")
      assert.is_false(done)
      assert.truthy(tostring(e):find("all 1 records are in " .. path .. ".part", 1, true), tostring(e))
      assert.is_false(file:abandon())
      assert.equal("ID\r\n1\r\n2\r\n", command.read(path .. ".part"))
      -- and no other run writes over them
      os.remove(path)
      assert.truthy(fails(2, words(path)):find("holds all 1 records", 1, true))
      assert.truthy(fails(2, list(path)):find("hint: move it to " .. path .. ", or delete", 1, true))
      assert.equal("ID\r\n1\r\n2\r\n", command.read(path .. ".part"))
      assert(os.rename(path .. ".part", path))
      ok(list(path, { "-n", "60" }))
      assert.is_nil(command.read(path .. ".part.pages"))
    end
  end)

  it("is refused where nothing could be gone on with", function()
    local path = folder .. "/c.csv"
    fails(2, words(path, { "-f", "table" }))
    fails(2, list(path, { "--checkpoint", path }))
    fails(2, list(path, { "--checkpoint", path .. ".part" }))
    fails(2, list(path, { "--checkpoint", folder .. "/nowhere/state" }))
    fails(2, list("-", { "--checkpoint", path .. ".state" }))
    fails(2, list("/dev/null", { "--checkpoint", path .. ".state" }))
    assert.equal("", said("ls " .. folder))
    assert.equal(0, #big:requests())
  end)
end)

describe("--output", function()
  it("is refused before anything is fetched where it cannot be written", function()
    for _, path in ipairs { folder, folder .. "/", folder .. "/nowhere/c.csv", "", "/proc/c.csv" } do
      fails(2, list(path))
      fails(2, words(path))
    end
    assert(os.execute(("ln -s nothing %s/link"):format(folder)))
    assert.truthy(fails(2, list(folder .. "/link")):find("a link to nothing", 1, true))
    assert.equal(0, #big:requests())
    assert.equal("link\n", said("ls -A " .. folder))
  end)

  it("follows a link, and keeps the mode of what it replaces", function()
    command.write(folder .. "/real.csv", "old")
    assert(os.execute(("cd %s; chmod 640 real.csv; ln -s real.csv link.csv"):format(folder)))
    ok(list(folder .. "/link.csv", { "-n", "60" }))
    assert.equal("ID,NAME\r\n", command.read(folder .. "/real.csv"):sub(1, 9))
    assert.equal("real.csv\n", said(("readlink %s/link.csv"):format(folder)))
    assert.equal("640\n", said(("stat -c %%a %s/real.csv"):format(folder)))
    command.run(list(folder .. "/new.csv", { "-n", "60" }), on_big(), nil, "umask 027;")
    assert.equal("640\n", said(("stat -c %%a %s/new.csv"):format(folder)))
  end)

  it("is written as it is where it is a pipe or a device", function()
    local pipe = folder .. "/pipe"
    assert(os.execute(("mkfifo %s; cat %s >%s/read &"):format(pipe, pipe, folder)))
    ok(list(pipe, { "-n", "120", "-f", "csv" }))
    assert.equal("", said(("test -p %s || echo no pipe"):format(pipe)))
    local running <close> = command.start({ "version" }, on_big())
    running:wait(function() return #(command.read(folder .. "/read") or "") > 100 end)
    assert.equal("pipe\nread\n", said("ls " .. folder))
    ok(list("/dev/null"))
    assert.equal("", said("test -c /dev/null || echo no device"))
    for _, name in ipairs { "-", "/dev/stdout" } do
      assert.equal("ID\r\n1\r\n", (ok(list(name, { "-n", "1", "-f", "csv", "-c", "ID" }))))
    end
    assert.truthy(fails(1, list("/dev/full", { "-f", "csv" })):find("cannot write /dev/full: ", 1, true))
  end)

  it("may have any name", function()
    local path = folder .. "/two words\nand a line's end.csv"
    local _, err = ok { "list", "crm.contact.list", "-n", "60", "-o", path, "-c", "ID" }
    assert.equal(61, select(2, command.read(path):gsub("\r\n", "")))
    assert.equal(1, select(2, err:gsub("\n", "")), err)
  end)
end)

describe("what is not in the file", function()
  it("is told: fields that came later than the columns", function()
    local path = folder .. "/c.csv"
    local page = { result = { { ID = "51", LATE = "x" } }, time = { duration = 0.1 } }
    big:fault { method = "crm.contact.list", nth = 2, action = { status = 200, body = json.encode(page) } }
    local _, err = ok { "list", "crm.contact.list", "filter[<=ID]=60", "-o", path, "-q" }
    assert.equal("warning: fields that came later are in no column: LATE; name them with --columns\n", err)
    -- unless they were asked for by name
    big:fault { method = "crm.contact.list", nth = 2, action = { status = 200, body = json.encode(page) } }
    _, err = ok { "list", "crm.contact.list", "filter[<=ID]=60", "select[]=ID", "select[]=LATE", "-q",
      "-o", path }
    assert.equal("", err)
    assert.truthy(command.read(path):find("^ID,LATE\r\n1,\r\n.*\r\n51,x\r\n"))
  end)

  it("is told: columns that no record has", function()
    local given = { "list", "crm.contact.list", "-n", "60", "-f", "csv", "-c", " ID,NAEM , NAME" }
    local out, err = ok(given)
    assert.equal("ID,NAEM,NAME\r\n", out:sub(1, 14))
    assert.equal("warning: no record has a field 'NAEM'; did you mean 'NAME'?\n", err)
    assert.equal("", (select(2, ok(table.move({ "-q" }, 1, 1, #given + 1, given)))))
    err = select(2, ok { "list", "crm.contact.list", "-n", "60", "-f", "csv", "-c", "ID,PHONE" })
    assert.truthy(err:find("no record came with PHONE; select[]=", 1, true), err)
    assert.equal("", select(2, ok { "list", "crm.contact.list", "select[]=ID", "select[]=PHONE", "-n", "60",
      "-f", "csv", "-c", "ID,PHONE.0.VALUE" }))
  end)
end)
