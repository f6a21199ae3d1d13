--- Where an application keeps its tokens. A store is any object with the
-- methods `load() → t|nil` and `save(t)` and optionally `lock(f)`, which calls
-- f while nobody else renews; `token_file` is the one that ships.
--
-- The refresh token is worth the whole authorization, and each renewal makes
-- the one before worthless (settings/oauth/auto-renewal): so a pair is on the
-- disk before it is used, and there is room for it before it is asked for.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local files = require "bitrix24.files"
local json = require "bitrix24.json"

local error, getmetatable, pairs, pcall, setmetatable, tostring, type =
  error, getmetatable, pairs, pcall, setmetatable, tostring, type
local math_type, max, time = math.type, math.max, os.time
local running = coroutine.running
local remove = os.remove

local _ENV = nil -- luacheck: ignore

--- The longest wait for another process that renews: its request may take as
-- long as one may, and be repeated.
local LOCK_SECONDS = 180
--- How often the lock is tried.
local LOCK_PAUSE_SECONDS = 0.05

---@class bitrix24.Tokens
---@field access_token string
---@field refresh_token string
---@field expires integer unix time
---@field domain string? host of the portal
---@field client_endpoint string? https://HOST/rest/
---@field member_id string?

local tokens = {}

--- Renewals that are under way in this Lua state.
local under_way = setmetatable({}, { __mode = "k" })

--- A renewal begins, or is over.
---@param renewal bitrix24.Renewal
---@param is boolean
function tokens.under_way(renewal, is)
  under_way[renewal] = is or nil
end

--- Move the other renewals on: who waits for a lock helps who holds it, for
-- both may be of this thread.
---@param but bitrix24.Renewal? the one that waits
function tokens.help(but)
  local others = {}
  for renewal in pairs(under_way) do
    local client = renewal.client
    local driven = client.loop and client.loop:inside() -- its host's loop goes on meanwhile
    if renewal ~= but and not driven and not client:is_closed() then others[#others + 1] = renewal end
  end
  -- what fails there is told to those who wait there
  for i = 1, #others do pcall(others[i].client.step, others[i].client, 0) end
end

---@class bitrix24.TokenFile
local TokenFile = { __name = "bitrix24.token_file" }
TokenFile.__index = TokenFile

--- Private: where it is.
local PATH = {}

--- Coroutine → the files that it has locked. A store keeps no coroutine alive.
local holding = setmetatable({}, { __mode = "k" })

local function broken(message, hint)
  errors.raise { kind = "auth", message = message, hint = hint, sent = false }
end

local function unwritable(why)
  broken("the token file cannot be written: " .. why, "make room on the disk, or look at the folder's rights")
end

--- A store of tokens in a file: mode 0600, written beside and renamed, locked
-- between processes by PATH.lock.
---@param path string
---@return bitrix24.TokenFile
function tokens.file(path)
  if type(path) ~= "string" or path == "" or path:find("\0", 1, true) then
    errors.config(("token_file: expected the path of a file, got %s"):format(type(path)),
      'token_file("tokens.json")')
  end
  -- a link is followed once: lock and new file stand beside what it leads to
  return setmetatable({ [PATH] = core.real_path(path) }, TokenFile)
end

local function is_pair(t) return type(t) == "table" and type(t.access_token) == "string" end

local function read_pair(path)
  local text, why, code = files.read(path)
  if not text then
    if code == files.ENOENT then return nil end
    broken(("the token file cannot be read: %s"):format(why))
  end
  local t = json.decode(text)
  if not is_pair(t) then
    broken(("the token file %s holds no tokens"):format(path),
      "authorize again: bitrix24.oauth.exchange writes it anew")
  end
  return t
end

--- The pair that was saved last, or nil when there is no file yet. An `auth`
-- error when the file cannot be read or holds something else.
---@return bitrix24.Tokens?
function TokenFile:load() return read_pair(self[PATH]) end

--- Save a pair: it is on the disk, under its name, when this returns. An `auth`
-- error when that fails; the file then is as it was.
---@param t bitrix24.Tokens
function TokenFile:save(t)
  if not is_pair(t) then
    errors.config(("token_file: expected a pair of tokens with an access_token, got %s"):format(type(t)))
  end
  local locked = holding[running()]
  if not locked or not locked[self] then
    return self:lock(function() self:save(t) end)
  end
  local text, where, problem = json.encode(t)
  if not text then errors.config(("token_file: cannot save %s %s"):format(where, problem)) end
  local saved, why = core.save_private(self[PATH], text .. "\n")
  if not saved then unwritable(why) end
end

--- Complete what a holder of the lock began before it was killed: a later pair
-- of the same portal, whole beside the file, is the only one that still works.
local function complete(self)
  local text = core.left_private(self[PATH])
  local t = text and json.decode(text)
  if not is_pair(t) or type(t.refresh_token) ~= "string" then return end
  local ok, kept = pcall(read_pair, self[PATH])
  if not ok or not kept or kept.refresh_token == t.refresh_token then return end
  if kept.member_id ~= nil and kept.member_id ~= t.member_id then return end
  if (math_type(t.expires) and t.expires or 0) < (math_type(kept.expires) and kept.expires or 0) then
    return
  end
  self:save(t)
end

--- Make sure that there is room on the disk for a pair like this one.
---@param t bitrix24.Tokens?
function TokenFile:reserve(t)
  local done, why = core.reserve(self[PATH], max(1024, #(t and json.encode(t) or "")))
  if not done then unwritable(why) end
end

--- No pair came: nothing stays of the room that was made for one.
function TokenFile:unreserve() remove(self[PATH] .. ".new") end

--- Call f while no other process, thread or portal renews these tokens. The
-- lock goes with its holder, however that ends. An `auth` error when it cannot be
-- had within LOCK_SECONDS; what f raises is raised.
---@param f fun()
---@param wait fun(seconds: number)? waits a little; when absent, sleeps and helps those who renew
function TokenFile:lock(f, wait)
  local mine = holding[running()]
  if mine and mine[self] then return f() end
  local since = time()
  local path = self[PATH] .. ".lock"
  while true do
    local lock <close>, why = core.lock(path)
    if lock then
      local thread = running()
      local locked = holding[thread] or {}
      holding[thread], locked[self] = locked, true
      local ok, fault = pcall(function()
        complete(self)
        f()
      end)
      locked[self] = nil
      lock:release() -- a coroutine that fails does not close its variables
      if not ok then error(fault, 0) end
      return
    elseif lock == nil then
      broken("the token file cannot be locked: " .. why)
    elseif time() - since > LOCK_SECONDS then
      broken(("another process has held %s for %d seconds"):format(path, LOCK_SECONDS),
        "look which program it is: fuser " .. path)
    end
    if wait then
      wait(LOCK_PAUSE_SECONDS)
    else
      tokens.help()
      core.sleep(LOCK_PAUSE_SECONDS)
    end
  end
end

function TokenFile:__tostring()
  return "bitrix24 token file " .. self[PATH]
end

--- What is wrong with a store, or nil.
---@param store any
---@return string?
function tokens.problem(store)
  if type(store) ~= "table" and type(store) ~= "userdata" then
    return ("a store of tokens, e.g. bitrix24.token_file(\"tokens.json\"), got %s"):format(type(store))
  end
  for _, name in pairs { "load", "save" } do
    local ok, f = pcall(function() return store[name] end)
    if f == "not enough memory" then error(f, 0) end
    local meta = ok and getmetatable(f)
    if not ok or type(f) ~= "function" and not (type(meta) == "table" and meta.__call) then
      return ("a store of tokens: it has no method %s"):format(name)
    end
  end
end

--- Store without a lock of its own → who in this Lua state is using it, whom
-- this keeps alive no longer than he lives.
local held = setmetatable({}, { __mode = "kv" })
local Hold = {}
function Hold.__close(hold) held[hold.store] = nil end

local function is_held(store, but)
  local hold = held[store]
  return hold ~= nil and hold.thread ~= but
end

--- One after the other, as far as those who use the store are of this Lua state.
local function alone(store, f, wait)
  local thread = running()
  while wait and is_held(store, thread) do wait(LOCK_PAUSE_SECONDS) end
  if held[store] then return f() end
  local hold <close> = setmetatable({ store = store, thread = thread }, Hold)
  held[store] = hold
  return f()
end

--- Call f under the store's lock, if it has one.
---@param store table
---@param f fun()
---@param wait fun(seconds: number)?
function tokens.locked(store, f, wait)
  local has = store.lock
  if not has then return alone(store, f, wait) end
  local result
  local called, ok = false, true
  store:lock(function()
    called = true
    ok, result = pcall(f)
    if not ok then error(result, 0) end
  end, wait)
  -- a lock of the user's may keep the failure to itself
  if not ok then error(result, 0) end
  if not called then broken("the store of tokens did not call what its lock was given") end
  return result
end

--- Put a pair into a store. One that returns false, or nil and why, did not
-- save it.
---@param store table
---@param t bitrix24.Tokens
function tokens.put(store, t)
  local saved, why = store:save(t)
  if saved == false or saved == nil and why ~= nil then
    error(("its save returned %s: %s"):format(tostring(saved), tostring(why)), 0)
  end
end

--- What went wrong with a store, as an `auth` error.
---@param what string e.g. "the tokens could not be saved"
---@param fault any
---@return bitrix24.Error
function tokens.fault(what, fault)
  if errors.is_error(fault) then return fault end
  return errors.new {
    kind = "auth", message = ("%s: %s"):format(what, tostring(fault)), sent = false, cause = fault,
  }
end

return tokens
