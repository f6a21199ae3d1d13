--- A file to the disk: whole or not at all.

local sandbox = ...
local get, again = require "torture.common".plain(sandbox)
local path = sandbox.folder .. "/a.bin"

local function read()
  local file <close> = io.open(path, "rb")
  return file and file:read("a")
end

local size

return function()
  local file = get().disk.file.get { id = 3 }
  size = math.tointeger(tonumber(file.SIZE))
  local _, bytes = get():download(file.DOWNLOAD_URL, path)
  assert(bytes == size)
end, function()
  local content = read()
  assert(not content or #content == size)
  again()
end
