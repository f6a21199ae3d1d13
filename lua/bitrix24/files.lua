--- Files that are read as a whole.

local open = io.open

local _ENV = nil -- luacheck: ignore

local files = {
  --- The errno of a file that is not there.
  ENOENT = 2,
}

--- The content of a file. A folder opens, but does not read.
---@param path string
---@return string? text
---@return string? why "PATH: what the system says"
---@return integer? code errno
function files.read(path)
  local file <close>, why, code = open(path, "rb")
  if not file then return nil, why, code end
  local text
  text, why, code = file:read("a")
  if not text then return nil, ("%s: %s"):format(path, why), code end
  return text
end

return files
