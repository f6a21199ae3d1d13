--- Recording: every exchange of a portal is written to a file, one line of JSON
-- each, without secrets. `connect{ replay = path }` answers from it
-- (record/replay.lua).
--
--     {"recording":"bitrix24","version":1,"origin":"https://example.bitrix24.com"}
--     {"method":"crm.deal.get","version":2,"request":{"id":5},"answer":{"result":{…},"time":{…}}}
--
-- The first line is written when the portal is opened: an earlier recording is
-- replaced, any other file is not. A line is written when an exchange has ended,
-- so that a script which fails leaves all that came before. What was sent again
-- is one exchange, with `attempts`. Renewing tokens is not recorded.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local exchange = require "bitrix24.record.exchange"
local files = require "bitrix24.files"
local json = require "bitrix24.json"

local concat = table.concat
local find, gsub, match = string.find, string.gsub, string.match
local ipairs, open, setmetatable, warn = ipairs, io.open, setmetatable, warn

local _ENV = nil -- luacheck: ignore

--- Of a longer download only the size is kept.
local DOWNLOAD_MAX = 1024 * 1024

---@class bitrix24.Recorder
local Recorder = {}
Recorder.__index = Recorder

local record = {}

--- The recorders that are open, by the path that a file has in the end.
local recording = setmetatable({}, { __mode = "v" })

local function refuse(path, why)
  errors.config(("connect: option 'record': %s: %s"):format(path, (gsub(why, "^.*: ", ""))))
end

local BEGINNING = '{"recording":"bitrix24"'

--- What is there already must be a recording.
local function check_place(path)
  local file <close> = open(path, "rb")
  if not file then return end
  local beginning, why = file:read(#BEGINNING)
  if why then refuse(path, why) end
  if beginning and beginning ~= BEGINNING then
    refuse(path, "there is a file that is no recording; give another name, or remove it")
  end
end

--- Begin a recording.
---@param client bitrix24.Client
---@param path string
---@return bitrix24.Recorder
function record.new(client, path)
  local here = recording[core.real_path(path)]
  if here and here.file then refuse(path, "another portal is recorded there") end
  check_place(path)
  local head = ('{"recording":"bitrix24","version":1,"origin":%s}\n'):format(
    json.encode(client:clean(client.at)))
  -- the owner's alone: answers hold a company's data
  local saved, why = core.save_private(path, head)
  if not saved then refuse(path, why) end
  local file
  file, why = open(path, "ab")
  if not file then refuse(path, why) end
  local self = setmetatable({ client = client, file = file }, Recorder)
  recording[core.real_path(path)] = self
  return self
end

--- One answer: as JSON where it is, else as text, else as base64.
local function put_body(out, body, clean)
  local answer, text = exchange.clean(body, clean)
  local written = answer ~= nil and json.encode(answer)
  if written then
    out[#out + 1] = '"answer":' .. written
    return
  end
  written = json.encode(text)
  out[#out + 1] = written and '"text":' .. written or ('"base64":"%s"'):format(json.base64(text))
end

--- The file that a download has made; its size where it is long or gone.
local function put_download(out, client, pending)
  local content = pending.bytes <= DOWNLOAD_MAX and files.read(pending.path)
  out[#out + 1] = content and ('"base64":"%s"'):format(json.base64(client:clean(content)))
    or ('"bytes":%d'):format(pending.bytes)
end

--- Keep an exchange that has ended.
---@param pending table with `call`
---@param seen table what the transport saw, with `body` and `content_type`
---@param verdict table? of the core, when it failed
function Recorder:keep(pending, seen, verdict)
  local client, call = self.client, pending.call
  local function clean(text) return client:clean(text) end
  -- tokens are nobody's business; what a plan held back was not sent
  local request = pending.request
  if not self.file or pending.read or client.plan and (request.decode or request.silent) then return end
  local out = {}
  local function put(name, value)
    out[#out + 1] = ('"%s":%s'):format(name, json.encode(value))
  end
  put("method", call.method)
  put("version", call.version or 2)
  if call.url then
    put("url", client:clean(call.url))
  else
    put("request", (exchange.clean(call.body, clean)))
  end
  if seen.outcome ~= "answer" then put("outcome", seen.outcome) end
  if seen.status ~= 200 then put("status", seen.status) end
  if seen.attempts ~= 1 then put("attempts", seen.attempts) end
  if not find(seen.content_type, "^application/json") and not call.url then
    put("type", client:clean(seen.content_type))
  end
  for _, name in ipairs { "message", "location" } do
    if seen[name] ~= "" then put(name, client:clean(seen[name])) end
  end
  if verdict then
    put("verdict", {
      kind = verdict.kind, sent = verdict.sent, retryable = verdict.retryable,
      reason = clean(verdict.reason),
    })
  end
  if not call.url then
    put_body(out, seen.body, clean)
  elseif not verdict and pending.bytes then
    put_download(out, client, pending)
  end
  local file = self.file
  local written, why = file:write("{", concat(out, ","), "}\n")
  if written then written, why = file:flush() end
  if not written then
    -- an answer must not be lost for it
    warn("bitrix24: the recording ends here, it cannot be written: ", match(why or "", "[^:]*$"))
    self:close()
  end
end

function Recorder:close()
  if self.file then self.file:close() end
  self.file = nil
end

return record
