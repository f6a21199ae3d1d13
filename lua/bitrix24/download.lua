--- Signed links fetched into files: what is asked, what the answer means, and
-- the name that a complete file gets.

local errors = require "bitrix24.errors"
local given = require "bitrix24.given"
local rules = require "bitrix24.rules"

local tostring, type = tostring, type

local _ENV = nil -- luacheck: ignore

local OPTIONS = { timeout = given.TIMEOUT }

local download = {}

--- Begin; written beside the path, by the core.
---@param client bitrix24.Client
---@param url string as the portal gave it; "/..." is relative to the portal
---@param path string
---@param opts { timeout: number? }?
---@return bitrix24.Pending
function download.send(client, url, path, opts)
  if client.plan then url = client.plan:shown(url) end
  if type(url) ~= "string" or type(path) ~= "string" or path == "" then
    errors.config("download(url, path): both must be strings", nil, "download")
  end
  rules.check(opts, OPTIONS, "download", "download")
  client:check_open("download")
  if url:sub(1, 1) == "/" and url:sub(2, 2) ~= "/" then
    if client.renewal then client.renewal:prepare() end -- the store knows where the portal is
    url = client.core:origin() .. url
  end
  return client:submit(
    { method = "download", url = url, path = path, timeout = opts and opts.timeout },
    { method = "download", version = 2, params = {}, path = path, done = false })
end

--- What an answer means: any 2xx is the file.
---@param status integer
---@return bitrix24.Answer
function download.read(status)
  if status >= 200 and status < 300 then return { decoded = true } end
  if status >= 500 then return { decoded = false, message = ("HTTP %d"):format(status) } end
  return { decoded = true, code = tostring(status), description = "the link cannot be fetched" }
end

--- Give a complete download its name; the error when that fails. `bytes` of the
-- pending call is its size then.
---@param pending bitrix24.Pending
---@return bitrix24.Error?
function download.commit(pending)
  local bytes, why = pending.request:commit(pending.path)
  pending.bytes = bytes
  return not bytes and errors.new {
    kind = "config", method = pending.method, message = ("cannot write %s: %s"):format(pending.path, why),
  } or nil
end

return download
