--- Keeps a client of an application authorized: takes the tokens from their
-- store and, when the portal says expired_token, renews them once for all that
-- wait (settings/oauth/auto-renewal).
--
-- A renewal runs in a coroutine of its own, which Client:step moves on: calls
-- and other transfers go on meanwhile. It holds the store's lock; under it the
-- store is read again, for somebody else may have renewed. A new pair is used
-- only when it is saved: a program killed at any moment finds in the store
-- what the server knows, unless it died before the answer came.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local grant = require "bitrix24.grant"
local loop = require "bitrix24.loop"
local tokens = require "bitrix24.tokens"

local create, close = coroutine.create, coroutine.close
local isyieldable, status, yield = coroutine.isyieldable, coroutine.status, coroutine.yield
local error, pairs, pcall, setmetatable, type = error, pairs, pcall, setmetatable, type
local huge, math_type, min, time = math.huge, math.type, math.min, os.time

local _ENV = nil -- luacheck: ignore

--- Closing a portal waits so long for a pair of tokens that is on its way.
local CLOSE_SECONDS = 30

--- Final answers of the authorization server: for so many seconds the same
-- tokens are not tried again. A subscription may be paid for meanwhile.
local FINAL = { invalid_grant = huge, invalid_client = huge, PAYMENT_REQUIRED = 60 }

---@class bitrix24.Renewal
---@field client bitrix24.Client
---@field store table
---@field current bitrix24.Tokens? what calls are sent with
---@field unsaved bitrix24.Tokens? renewed, and not yet on the disk
---@field thread thread? while it is under way
---@field asked table? the request to the authorization server
---@field guard table? waits for that request when all of this is collected
local Renewal = {}
Renewal.__index = Renewal

--- Made after the request, and therefore finalized before it is.
local Guard = {}

function Guard.__gc(guard)
  if guard.renewal.guard == guard then guard.renewal:stop() end
end

local renewal = {}

---@param client bitrix24.Client
---@param options table of connect
---@return bitrix24.Renewal
function renewal.new(client, options)
  client:hide(options.client_secret)
  return setmetatable({
    client = client, store = options.tokens, client_id = options.client_id,
    client_secret = options.client_secret, server = options.oauth_url,
  }, Renewal)
end

local function usable(t) return type(t) == "table" and type(t.access_token) == "string" end

--- From now on calls are sent with these tokens, to where the portal is.
local function use(self, t)
  local handle = self.client.core
  local function must(done, _, message)
    if done then return end
    self.client:check_open()
    errors.raise { kind = "auth", message = "the stored tokens: " .. message, sent = false }
  end
  if type(t.refresh_token) == "string" then self.client:hide(t.refresh_token, true) end
  local at = t.client_endpoint
  if type(at) == "string" and at ~= "" then must(handle:move(at)) end
  must(handle:set_token(t.access_token))
  self.client.at = handle:origin()
  self.current, self.refused, self.wanted = t, nil, nil
end

--- What the store holds.
local function load(self)
  local ok, t = pcall(self.store.load, self.store)
  if not ok then error(tokens.fault("the tokens could not be loaded", t), 0) end
  return usable(t) and t or nil
end

local function save(self, t)
  local copy = {}
  for name, value in pairs(t) do copy[name] = value end
  local ok, fault = pcall(tokens.put, self.store, copy)
  if not ok then error(tokens.fault("the tokens could not be saved", fault), 0) end
end

--- Save the new pair, and use it. Where an earlier attempt could not, somebody
-- else may have saved a later one: that one is used.
local function save_late(self, again)
  local t = self.unsaved
  local ok, kept
  if again then ok, kept = pcall(load, self) end
  if ok and kept and kept.access_token ~= self.current.access_token then
    t = kept
  else
    save(self, t)
  end
  self.unsaved = nil
  use(self, t)
end

--- Before a call is made: there are tokens, and they are on the disk.
-- Raises an `auth` error when there are none.
function Renewal:prepare()
  if self.unsaved then
    tokens.locked(self.store, function() save_late(self, true) end)
  elseif not self.current then
    local t = load(self)
    if not t then
      errors.raise {
        kind = "auth", message = "the store holds no tokens yet", sent = false,
        hint = "authorize the application first: oauth.authorize_url, then oauth.exchange{ tokens = … }",
      }
    end
    use(self, t)
  end
end

-- ---- in the coroutine --------------------------------------------------------------

--- Wait a little; where it cannot yield (a store's lock in C), sleep.
local function pause(self, seconds)
  tokens.help(self)
  if isyieldable() then return yield(seconds) end
  self.client:step(0)
  core.sleep(seconds)
end

--- Renew, under the store's lock.
local function renew(self)
  if self.unsaved then return save_late(self, true) end
  local spent = self.current
  local kept = load(self) or spent
  if kept.access_token ~= spent.access_token then return use(self, kept) end -- somebody else was quicker
  if type(kept.refresh_token) ~= "string" then
    errors.raise {
      kind = "auth", message = "the store holds no refresh token", sent = false,
      hint = "authorize again: oauth.authorize_url, then oauth.exchange",
    }
  end
  local refused = self.refused
  if refused and refused.token == kept.refresh_token and time() < refused.until_time then
    error(refused.fault, 0)
  end
  -- the refresh token works once: better no room on the disk now than afterwards
  if self.store.reserve then self.store:reserve(kept) end
  local ok, t = pcall(grant.ask, self.client, self.server, {
    grant_type = "refresh_token", client_id = self.client_id, client_secret = self.client_secret,
    refresh_token = kept.refresh_token,
  }, function(pending)
    self.asked, self.guard = pending, setmetatable({ renewal = self }, Guard)
    while not pending.done and isyieldable() do yield() end
    self.asked = nil
  end, kept)
  if not ok then
    if self.store.unreserve then self.store:unreserve() end
    local seconds = errors.is_error(t) and FINAL[t.code]
    if seconds then
      self.refused = { token = kept.refresh_token, fault = t, until_time = time() + seconds }
    end
    error(t, 0)
  end
  self.unsaved = t
  save_late(self)
end

--- The portal moved: the store learns where it is.
local function keep_address(self)
  local at = self.moved
  self.moved = nil
  local t = self.unsaved or load(self)
  if not t then return end
  t.client_endpoint, t.domain = at .. "/rest/", at:match("^%a+://(.*)$")
  if self.unsaved then return end -- it is saved with the pair
  save(self, t)
  use(self, t)
end

--- What there is to do, one thing after the other.
local function work(self)
  local function wait(seconds) pause(self, seconds) end
  while self.wanted or self.moved do
    if self.wanted then
      tokens.locked(self.store, function() renew(self) end, wait)
      self.client:tell { event = "renewed" }
    else
      local ok, fault = pcall(tokens.locked, self.store, function() keep_address(self) end, wait)
      if not ok then self.client:tell { event = "store", error = fault } end
    end
  end
end

-- ---- outside of it -----------------------------------------------------------------

--- The calls that wait for a token get what went wrong.
local function fail(self, fault)
  local client = self.client
  local waiting = {}
  for _, pending in pairs(client.pending) do
    if pending.parked then waiting[#waiting + 1] = pending end
  end
  for _, pending in pairs(waiting) do
    local e = fault
    if errors.is_error(fault) then
      e = errors.for_method(fault, pending.method)
      e.message = "the access token expired and was not renewed: " .. fault.message
      e.sent = pending.parked.sent
      if e.kind ~= "cancelled" then e.kind = "auth" end
    end
    client:conclude(pending, e)
  end
end

local function ended(self, ok, fault)
  self.thread, self.asked, self.guard = nil, nil, nil
  tokens.under_way(self, false)
  self.wanted = nil
  if ok then return end
  -- first, for the rest may lack memory: whom it does not tell asks again
  self.client.core:release()
  fail(self, tokens.fault("the store of tokens", fault))
end

--- Move a renewal on, as far as it goes without waiting.
---@param seconds number how long the client is about to wait
---@return number seconds how long it may
function Renewal:advance(seconds)
  local thread = self.thread
  if not thread or status(thread) ~= "suspended" then return seconds end
  if self.asked and not self.asked.done then return seconds end
  local ok, pause_seconds = loop.resume(thread, self)
  if status(thread) ~= "dead" then
    -- a store may have yielded, too
    return math_type(pause_seconds) and min(seconds, pause_seconds) or 0
  end
  -- a coroutine that failed holds its lock until it is closed
  if not ok then close(thread) end
  ended(self, ok, pause_seconds)
  return 0
end

local function begin(self)
  if self.thread then return end
  local thread = create(work)
  tokens.under_way(self, true)
  self.thread = thread
  self:advance(0)
end

--- A call was refused because the token expired.
function Renewal:expired()
  if self.client.core:is_closed() then return end
  self.wanted = true
  begin(self)
end

--- The portal answers from another address now.
---@param at string "https://host"
function Renewal:follow(at)
  self.moved = at
  begin(self)
end

--- The portal is closed. Tokens that are on their way are waited for: nobody
-- else will get them.
function Renewal:stop()
  local until_time = time() + CLOSE_SECONDS
  while self.thread and self.asked and time() < until_time do
    if not pcall(self.client.step, self.client, 0.25) then break end
  end
  local thread = self.thread
  self.thread, self.guard = nil, nil
  tokens.under_way(self, false)
  if thread and status(thread) == "suspended" then close(thread) end
  if not self.unsaved then return end
  -- the last chance of a pair that could not be saved
  local function wait(seconds)
    if time() >= until_time then error("the store is locked", 0) end
    tokens.help(self)
    core.sleep(seconds)
  end
  local saved, fault = pcall(tokens.locked, self.store, function() save_late(self, true) end, wait)
  if not saved then
    self.client:tell { event = "store", error = tokens.fault("the tokens could not be saved", fault) }
  end
end

return renewal
