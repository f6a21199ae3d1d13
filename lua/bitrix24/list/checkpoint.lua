--- How far an export by id has come, in a file that survives a crash: written
-- beside, on the disk before it is renamed, so that it is the old one or the
-- new one and never half of either. It holds no parameters, only their digest.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local files = require "bitrix24.files"
local json = require "bitrix24.json"

local remove, type = os.remove, type
local math_type, setmetatable, tointeger, tonumber = math.type, setmetatable, math.tointeger, tonumber

local _ENV = nil -- luacheck: ignore

local FORMAT = 1

---@class bitrix24.list.Checkpoint
---@field last integer? id of the last record that was finished
local Checkpoint = {}
Checkpoint.__index = Checkpoint

local checkpoint = {}

--- 64-bit FNV-1a of the portal and the parameters as they are sent; keys go
-- out sorted.
local function digest(caller, params)
  local text, path, message = json.encode(params, caller.row and caller.row.shape(), "params")
  if not text then errors.config(("%s %s"):format(path, message), nil, caller.method) end
  text = (caller.origin or "") .. text
  local hash = -0x340d631b7bdddcdb -- 0xcbf29ce484222325
  for i = 1, #text do hash = (hash ~ text:byte(i)) * 0x100000001b3 end
  return ("%016x"):format(hash)
end

local function damaged(path, method)
  errors.config(("opts.checkpoint: %s is not a checkpoint, or it is damaged"):format(path),
    "delete it to begin the list anew", method)
end

--- What the file says; nil when there is none.
local function read(path, method)
  local text, why, code = files.read(path)
  if not text then
    if code == files.ENOENT then return nil end
    errors.config(("opts.checkpoint: cannot read %s"):format(why), nil, method)
  end
  local saved = json.decode(text)
  if type(saved) ~= "table" or saved.format ~= FORMAT or type(saved.method) ~= "string"
    or type(saved.params) ~= "string" or math_type(saved.last) ~= "integer" then
    damaged(path, method)
  end
  return saved
end

--- Open the checkpoint of a list: `last` is where to go on.
---@param path string
---@param caller table
---@param params table the caller's parameters
---@return bitrix24.list.Checkpoint
function checkpoint.open(path, caller, params)
  local method = caller.method
  local self = setmetatable({ path = path, method = method, digest = digest(caller, params) }, Checkpoint)
  local saved = read(path, method)
  if not saved then return self end
  local other = saved.method ~= method and ("of %s"):format(saved.method)
    or saved.params ~= self.digest and "of another portal, or of the same method with other parameters"
  if other then
    errors.config(("opts.checkpoint: %s is the checkpoint %s"):format(path, other),
      "delete it to begin this list anew, or name another file", method)
  end
  self.last = saved.last
  return self
end

--- Everything up to this id is finished.
---@param last integer|string
function Checkpoint:save(last)
  local id = tointeger(tonumber(last))
  local text = json.encode { format = FORMAT, method = self.method, params = self.digest, last = id }
  local saved, why = core.save(self.path, text .. "\n")
  if not saved then
    errors.config(("opts.checkpoint: cannot write %s"):format(why), nil, self.method)
  end
  self.last = id
end

--- The list is complete: the next run starts anew.
function Checkpoint:finish()
  local removed, why, code = remove(self.path)
  if not removed and code ~= files.ENOENT then
    errors.config(("opts.checkpoint: cannot remove %s"):format(why), nil, self.method)
  end
end

return checkpoint
