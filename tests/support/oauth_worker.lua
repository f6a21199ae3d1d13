-- A program of an application that shares its token file with others: calls
-- until it is killed. Its first line is its process id.
--
--     lua5.4 oauth_worker.lua FILE URL CLIENT_ID CLIENT_SECRET NAME [STEP]
--
-- With a STEP it kills itself right there, at its first renewal; "holding": it
-- keeps the lock; "once": it makes one call.

local bitrix24 = require "bitrix24"
local core = require "bitrix24.core"

local PAUSE_SECONDS = 0.002

local path, url, client_id, client_secret, name, step = table.unpack(arg)
local stat <close> = assert(io.open("/proc/self/stat"))
local pid = stat:read("n")
print(pid)
io.stdout:flush()

local function die() os.execute("kill -9 " .. pid) end

local file = bitrix24.token_file(path)

--- The same store, with a trap where `step` says.
local function trapped()
  local store = {}
  local renewing = false
  local function trap(at)
    if at == step and renewing then die() end
  end
  function store:load() -- luacheck: ignore self
    trap "loading"
    return file:load()
  end
  function store:save(t) -- luacheck: ignore self
    trap "answered"
    file:save(t)
    trap "saved"
  end
  function store:reserve(t) -- luacheck: ignore self
    trap "locked"
    file:reserve(t)
    trap "reserved"
  end
  function store:lock(f, wait) -- luacheck: ignore self
    renewing = true
    file:lock(f, wait)
    trap "released"
  end
  return store
end

if step == "holding" then
  file:lock(function()
    print "locked"
    io.stdout:flush()
    while true do core.sleep(10) end
  end)
end

local portal = bitrix24.connect {
  domain = url, oauth_url = url, client_id = client_id, client_secret = client_secret,
  tokens = step and step ~= "once" and trapped() or file, user_agent = name, limits = false, retries = 0,
}
-- the first stands for an answer that a killed program took with it, the other
-- for new tokens that expire as soon as they are there
local EXPECTED = { invalid_grant = true, expired_token = true }

repeat
  local ok, e = pcall(portal.call, portal, "user.current")
  if not ok and not EXPECTED[e.code] then
    print(tostring(e))
    os.exit(1)
  end
  core.sleep(PAUSE_SECONDS)
until step == "once"
portal:close()
