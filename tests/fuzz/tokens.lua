--- A fuzz target: a file of tokens, whatever is in it. What it holds is never
-- shown, and what is loaded is saved as it is.

local check = require "fuzz.check"
local tokens = require "bitrix24.tokens"

local open, remove, tmpname = io.open, os.remove, os.tmpname
local error, pcall, tostring, type = error, pcall, tostring, type

local _ENV = nil -- luacheck: ignore

local that = check.that

local function write(path, text)
  local file = that(open(path, "wb"))
  file:write(text)
  file:close()
end

local function check_file(path)
  local store = tokens.file(path)
  local t = check.returns("auth", store.load, store)
  that(not tostring(store):find(check.secret, 1, true), "a store that shows a secret")
  if t == nil then return end
  that(type(t) == "table" and type(t.access_token) == "string", "tokens without a token")
  local _, fault = check.returns("config", store.save, store, t)
  if fault then return end
  that(check.same(store:load(), t), "saved something else")
end

return function(data)
  local path = tmpname()
  write(path, data)
  local ok, fault = pcall(check_file, path)
  remove(path)
  remove(path .. ".lock")
  remove(path .. ".new")
  if not ok then error(fault, 0) end
end
