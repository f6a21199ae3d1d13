--- bitrix24 doctor: what stands between this machine and the portal, checked in
-- the order in which one thing needs the other; each with what to do.

local bitrix24 = require "bitrix24"
local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local portals = require "bitrix24.cli.portal"
local profiles = require "bitrix24.profiles"
local words = require "bitrix24.cli.words"

local concat = table.concat
local floor, max = math.floor, math.max
local ipairs, pcall, tonumber, tostring, type = ipairs, pcall, tonumber, tostring, type
local time = os.time

local _ENV = nil -- luacheck: ignore

--- Tokens live an hour and windows of limits ten minutes.
local CLOCK_SECONDS = 60

local WORDS = { ok = "ok  ", note = "note", fail = "FAIL" }
local COLORS = { ok = "\27[32m", note = "\27[33m", fail = "\27[31m" }

local function tell(self, state, what, message, advice)
  local word = WORDS[state]
  if self.here.color then word = COLORS[state] .. word .. "\27[0m" end
  self.here:write(("%s %-9s %s\n"):format(word, what, message))
  if advice then self.here:write((" "):rep(15) .. advice .. "\n") end
  if state == "fail" then self.failed = true end
end

--- Call a method and keep what the answer says of working time.
local function ask(self, method, params)
  local began = core.now()
  local ok, result, response = pcall(self.portal.call, self.portal, method, params)
  if not ok then
    if not errors.is_error(result) then errors.throw(result) end
    result = words.of_command(result, "doctor")
  end
  if ok and type(response.time) == "table" then
    local used = tonumber(response.time.operating)
    if used and used >= (self.used or 0) then
      self.used, self.used_by, self.reset_at = used, method, tonumber(response.time.operating_reset_at)
    end
  end
  return ok, result, core.now() - began
end

--- Words of an error without those of the library around them.
local function words_of(e)
  local code = e.code and e.code ~= "" and (" (%s)"):format(e.code) or ""
  return e.message .. code
end

local function check_source(self, source, name)
  if not name then
    tell(self, "ok", "portal", "from " .. source)
    return
  end
  local open = {}
  for _, path in ipairs { profiles.path(), ("%s/%s.tokens.json"):format(profiles.folder(), name) } do
    local mode = core.console.mode(path)
    if mode and mode & 0x3F ~= 0 then open[#open + 1] = path end
  end
  if #open > 0 then
    tell(self, "fail", "portal", ("%s, in a file that others can read"):format(source),
      "chmod 600 " .. concat(open, " "))
  else
    tell(self, "ok", "portal", ("%s in %s"):format(source, profiles.path()))
  end
end

local ADVICE = {
  network = "check the address and the network; behind a proxy, set https_proxy",
  protocol = "something else than a portal answers at this address",
  auth = "log in again: bitrix24 login",
}

--- Does the portal answer, over a connection that can be trusted, and to whom?
local function check_answer(self, origin)
  local ok, user, seconds = ask(self, "profile")
  local e = not ok and user or nil
  local certificate = e and e.message:lower():find("certificate", 1, true)
  if certificate then
    tell(self, "fail", "certificate", words_of(e),
      "check this machine's clock and CA certificates; a portal of your own: --ca-file FILE")
    return false
  elseif e and (e.kind ~= "api" or e.code == "NO_AUTH_FOUND" or e.code == "INVALID_CREDENTIALS") then
    local ill = (e.status or 0) >= 500
    local advice = ill and "the portal, or a proxy before it, is out of order: try later"
    tell(self, "fail", "address", words_of(e), e.hint or advice or ADVICE[e.kind])
    return false
  end
  tell(self, "ok", "address", ("%s answers in %.2f s"):format(origin, seconds))
  if origin:find("^https:") then
    tell(self, "ok", "certificate", "verified")
  else
    tell(self, "note", "certificate", "none: plain HTTP, on this machine only")
  end
  if ok and type(user) == "table" then
    tell(self, "ok", "user", ("%s %s (%s)%s"):format(user.NAME or "", user.LAST_NAME or "", tostring(user.ID),
      user.ADMIN == true and ", administrator" or ""))
  end
  return true
end

--- Days since 1970-01-01.
local function days(year, month, day)
  local y = month <= 2 and year - 1 or year
  local era_year = y % 400
  local year_day = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return y // 400 * 146097 + era_year * 365 + era_year // 4 - era_year // 100 + year_day - 719468
end

--- Unix time of "2026-11-21T15:27:18+03:00"; nil when it is not one.
local function unix(text)
  local y, m, d, hour, minute, second, rest = tostring(text):match(
    "^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)(.*)$")
  if not y then return nil end
  local sign, zone_hour, zone_minute = rest:match("([+-])(%d%d):?(%d%d)$")
  local zone = sign and (tonumber(zone_hour) * 60 + tonumber(zone_minute)) * (sign == "-" and -60 or 60) or 0
  return days(tonumber(y), tonumber(m), tonumber(d)) * 86400 + tonumber(hour) * 3600 + tonumber(minute) * 60
    + tonumber(second) - zone
end

local function check_clock(self)
  local ok, result, seconds = ask(self, "server.time")
  local there = ok and unix(result)
  if not there then
    tell(self, "note", "clock", "the portal does not tell its time")
    return
  end
  local off = time() - there
  local apart = off < 0 and -off or off
  if apart > CLOCK_SECONDS + seconds then
    tell(self, "fail", "clock", ("this machine is %d s %s"):format(apart, off > 0 and "ahead" or "behind"),
      "set it: the expiry of tokens and the ends of limits are reckoned by it (timedatectl set-ntp true)")
  else
    tell(self, "ok", "clock", "agrees with the portal's")
  end
end

local function check_scopes(self)
  local ok, result = ask(self, "scope")
  if not ok then
    tell(self, "note", "scopes", words_of(result), result.hint)
  elseif type(result) ~= "table" or #result == 0 then
    tell(self, "fail", "scopes", "none: no method of any module may be called",
      "give the webhook or application what it needs; bitrix24 describe METHOD names the scope")
  else
    tell(self, "ok", "scopes", concat(result, ", "))
  end
end

--- The tariff decides the limits; only applications may ask for it (app.info).
local function check_limits(self, options)
  local set = options.limits or "standard"
  local enterprise
  if options.client_id then
    local ok, info = ask(self, "app.info")
    enterprise = ok and type(info) == "table" and tostring(info.LICENSE_FAMILY):lower() == "ent"
  end
  local tariff = set == "enterprise" and "enterprise: 5 requests a second after 250"
    or "standard: 2 requests a second after 50"
  if enterprise and set ~= "enterprise" then
    tell(self, "note", "limits", tariff .. "; the portal's plan is Enterprise",
      "log in again with --limits enterprise")
  elseif enterprise == false and set == "enterprise" then
    tell(self, "fail", "limits", tariff .. "; the portal's plan is not Enterprise",
      "log in again without --limits enterprise: requests will be refused")
  elseif enterprise == nil and set ~= "enterprise" then
    tell(self, "ok", "limits", tariff, "with an Enterprise plan: --limits enterprise")
  else
    tell(self, "ok", "limits", tariff)
  end
end

--- A method may work 480 s in ten minutes (limits).
local function check_working_time(self)
  if not self.used then
    tell(self, "note", "time", "the portal does not tell how much working time was used")
    return
  end
  local left = self.reset_at and max(0, floor(self.reset_at - time()))
  local told = ("%.1f of 480 s of working time used by %s in ten minutes"):format(self.used, self.used_by)
  if self.used > 400 then
    tell(self, "note", "time", told,
      ("wait%s, or ask for less at once"):format(left and (" %d s"):format(left) or ""))
  else
    tell(self, "ok", "time", told .. "; each method has its own")
  end
end

---@param here bitrix24.cli.Console
---@param options table
return function(here, options)
  local self = { here = here, failed = false }
  local _, source, name = portals.choose(options.profile)
  check_source(self, source, name)
  -- a doctor does not wait for what may pass
  local asked = portals.options(options, here, { retries = 1 })
  local ok, portal = pcall(bitrix24.connect, asked)
  if not ok then
    if not errors.is_error(portal) then errors.throw(portal) end
    portal = words.of_command(portal, "doctor")
    tell(self, "fail", "address", portal.message, portal.hint)
    return 1
  end
  local opened <close> = portal
  self.portal = opened
  local origin = tostring(opened):match("^bitrix24 portal (%S+)") or "?"
  if not check_answer(self, origin) then return 1 end
  for _, check in ipairs { check_clock, check_scopes } do check(self) end
  check_limits(self, asked)
  check_working_time(self)
  return self.failed and 1 or 0
end
