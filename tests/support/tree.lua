--- The build as it is installed, and programs that use it from outside of the
-- sources:
--
--     local tree = require "support.tree"
--     local installed <close> = tree.install()
--     installed:compile("host", "tests/support/host.c", "$(pkg-config --libs bitrix24)")

local tree = {}

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end
tree.quote = quote

tree.build = os.getenv "BUILD" or "build"
-- Sanitizers have to be in the whole program.
local sanitize = (os.getenv "CFLAGS" or ""):match "%-fsanitize=%S+" or ""
tree.compiler = (os.getenv "CC" or "cc") .. " -D_POSIX_C_SOURCE=200809L -g " .. sanitize

--- Run a shell command: what it prints, errors included, and its status.
---@param command string
---@return string output
---@return integer status
function tree.shell(command)
  local pipe <close> = assert(io.popen(("{ %s\n} 2>&1; echo \" $?\""):format(command)))
  local output, status = pipe:read "a":match "^(.*) (%d+)\n$"
  return output, math.tointeger(tonumber(status))
end

--- The same for a command that must succeed.
function tree.must(command)
  local output, status = tree.shell(command)
  if status ~= 0 then error(("%s: status %d\n%s"):format(command, status, output), 2) end
  return output
end

--- Run make as the build was made, with further variables.
---@param words string
function tree.make(words)
  return tree.must(("%s -s --no-print-directory BUILD=%s %s"):format(os.getenv "MAKE" or "make",
    quote(tree.build), words))
end

--- What is below a folder, files and links, sorted.
---@param folder string
---@return string[]
function tree.list(folder)
  local out = {}
  for name in tree.must(("cd %s && find . ! -type d"):format(quote(folder))):gmatch "%./([^\n]+)" do
    out[#out + 1] = name
  end
  table.sort(out)
  return out
end

--- An empty folder, removed at the end of a `<close>` variable or by `remove`.
function tree.folder()
  return setmetatable({ folder = tree.must "mktemp -d":match "[^\n]+" }, tree)
end

function tree:remove()
  tree.must("rm -rf " .. quote(self.folder))
end
tree.__close, tree.__index = tree.remove, tree

--- Install below an empty folder: `prefix` in it.
function tree.install()
  local self = tree.folder()
  self.prefix = self.folder .. "/prefix"
  tree.make("install PREFIX=" .. quote(self.prefix))
  return self
end

--- Compile a program into the folder, far from the sources: `words` may ask
-- pkg-config for the installed library. Returns its path.
function tree:compile(name, source, words, compiler)
  local out = self.folder .. "/" .. name
  local file = source:find "\n" and out .. ".c" or tree.must("realpath " .. quote(source)):match "[^\n]+"
  if source:find "\n" then
    local f <close> = assert(io.open(file, "w"))
    f:write(source)
  end
  tree.must(("cd / && export PKG_CONFIG_PATH=%s/lib/pkgconfig:$PKG_CONFIG_PATH && %s -o %s %s %s"):format(
    quote(self.prefix), compiler or tree.compiler .. " -std=c11", quote(out), quote(file), words))
  return out
end

return tree
