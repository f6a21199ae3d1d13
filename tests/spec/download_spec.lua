-- Signed links to disk: whole or not at all.

describe("download", function()
  local here = require "support.portal" (_ENV, { users = 5, contacts = 5, chats = 5 })
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)
  after_each(function() os.execute("rm -r " .. folder) end)

  local function read(path)
    local file <close> = io.open(path, "rb")
    return file and file:read("a")
  end

  local function write(path, content)
    local file <close> = assert(io.open(path, "wb"))
    file:write(content)
  end

  --- Names of what is in the folder.
  local function listing()
    local pipe <close> = assert(io.popen("ls -A " .. folder))
    return pipe:read("a")
  end

  local function file_of(id)
    local file = here.portal.disk.file.get { id = id }
    assert.is_string(file.DOWNLOAD_URL)
    return file
  end

  it("fetches what DOWNLOAD_URL of disk.file.get points to", function()
    local file = file_of(3)
    local path = folder .. "/a.bin"
    local given, bytes = here.portal:download(file.DOWNLOAD_URL, path)
    assert.equal(path, given)
    assert.equal(tonumber(file.SIZE), bytes)
    assert.equal(tonumber(file.SIZE), #read(path))
    assert.equal("a.bin\n", listing())
    local request = here:sent()[2]
    assert.equal("GET", request.http_method)
    for _, name in ipairs { "user-agent", "accept" } do
      assert.truthy(request.headers[name] and request.headers[name] ~= "", name)
    end
  end)

  it("takes an address relative to the portal", function()
    local file = file_of(4)
    local relative = file.DOWNLOAD_URL:gsub("^%a+://[^/]+", "")
    local _, bytes = here.portal:download(relative, folder .. "/b")
    assert.equal(tonumber(file.SIZE), bytes)
  end)

  it("replaces a file as a whole", function()
    local file, path = file_of(5), folder .. "/c"
    write(path, ("old"):rep(10000))
    here.portal:download(file.DOWNLOAD_URL, path)
    assert.equal(tonumber(file.SIZE), #read(path))
    assert.equal("c\n", listing())
  end)

  it("that the portal refuses is an error, and no file appears or changes", function()
    local url, path = file_of(1).DOWNLOAD_URL:gsub("token=%x+", "token=0"), folder .. "/d"
    local e = here.raises("api", here.portal.download, here.portal, url, path)
    assert.equal(404, e.status)
    assert.equal("404", e.code)
    assert.truthy(e.hint:find("link", 1, true), tostring(e))
    assert.equal("", listing())
    write(path, "old")
    here.raises("api", here.portal.download, here.portal, url, path)
    assert.equal("old", read(path))
    assert.equal("d\n", listing())
  end)

  it("never shows the link's token", function()
    local url = here.sb.url .. "/sandbox/download/1?token=5ecre7"
    local events = {}
    local portal = here:connect { log = function(event) events[#events + 1] = event end }
    local e = here.raises("api", portal.download, portal, url, folder .. "/x")
    assert.falsy(tostring(e):find("5ecre7", 1, true))
    for _, event in ipairs(events) do
      for _, value in pairs(event) do assert.falsy(tostring(value):find("5ecre7", 1, true)) end
    end
  end)

  it("into a folder that is not there is a config error, and nothing is sent", function()
    local url = file_of(1).DOWNLOAD_URL
    local before = #here:sent()
    local e = here.raises("config", here.portal.download, here.portal, url, folder .. "/no/such/file")
    assert.truthy(e.message:find("/no/such/file", 1, true), tostring(e))
    assert.equal(before, #here:sent())
    assert.equal("", listing())
  end)

  it("onto a folder is an error that leaves nothing beside it", function()
    local url = file_of(1).DOWNLOAD_URL
    assert(os.execute("mkdir " .. folder .. "/sub"))
    here.raises("config", here.portal.download, here.portal, url, folder .. "/sub")
    assert.equal("sub\n", listing())
  end)

  it("that breaks off leaves nothing, and is tried again", function()
    local url = file_of(6).DOWNLOAD_URL
    local portal = here:connect { retries = 0 }
    here.sb:fault { method = "download", action = "cut" }
    local ok, e = pcall(portal.download, portal, url, folder .. "/e")
    assert.is_false(ok)
    assert.truthy(e.kind == "protocol" or e.kind == "network", tostring(e))
    assert.equal("", listing())
    here.portal:download(url, folder .. "/whole")
    here.sb:fault { method = "download", action = "cut" }
    local _, bytes = here.portal:download(url, folder .. "/e")
    assert.equal(bytes, #read(folder .. "/e"))
    assert.equal(read(folder .. "/whole"), read(folder .. "/e"))
    assert.equal("e\nwhole\n", listing())
  end)

  it("that is given up, by its timeout or the portal's end, leaves nothing", function()
    local url = file_of(1).DOWNLOAD_URL
    here.sb:fault { method = "download", action = "hang" }
    here.raises("network", here.portal.download, here.portal, url, folder .. "/f", { timeout = 0.2 })
    assert.equal("", listing())
  end)

  it("that finds no room on the disk says which file, and why, and leaves nothing", function()
    local child = folder .. ".lua"
    write(child, [[
      local portal <close> = require "bitrix24".connect()
      local ok, e = pcall(portal.download, portal, arg[1], arg[2])
      io.write(e.kind, " ", e.message)
    ]])
    here.sb:fault { method = "download", action = { body = ("x"):rep(100000) } }
    -- a limit of the process, whose signal is ignored, is a disk that is full after 512 bytes
    local output = here.run(([[os.execute("trap '' XFSZ; ulimit -f 1; exec " .. arg[0] .. " %s '%s' %s/g")]])
      :format(child, file_of(1).DOWNLOAD_URL, folder), { BITRIX24_WEBHOOK = here.sb.webhook })
    os.remove(child)
    assert.equal(("config cannot write %s/g: File too large"):format(folder), output)
    assert.equal("", listing())
  end)

  it("may take longer than a request of the portal where its own timeout says so", function()
    local portal, path = here:connect { timeout = 0.2, retries = 0 }, folder .. "/large"
    local file = file_of(2)
    here.sb:fault { method = "download", action = { delay = 0.6 } }
    here.raises("network", portal.download, portal, file.DOWNLOAD_URL, path)
    here.sb:fault { method = "download", action = { delay = 0.6 } }
    local _, bytes = portal:download(file.DOWNLOAD_URL, path, { timeout = 30 })
    assert.equal(tonumber(file.SIZE), bytes)
    assert.equal(2, #here:sent("download"))
  end)

  it("checks its arguments", function()
    for _, arguments in ipairs { {}, { 7, "x" }, { "https://example.com/x" }, { "https://example.com/x", "" },
      { "https://example.com/x", 7 }, { "", folder .. "/x" }, { "ftp://example.com/x", folder .. "/x" },
      { "http://example.com/x", folder .. "/x" }, { "/x", folder .. "/x", { timeot = 1 } },
      { "/x", folder .. "/x", { idempotent = true } } } do
      here.raises("config", here.portal.download, here.portal, table.unpack(arguments, 1, 3))
    end
    assert.equal(0, #here:sent())
    assert.equal("", listing())
  end)
end)
