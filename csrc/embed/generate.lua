-- Writes the module's Lua sources as C, for csrc/lua/embed.c:
--   lua5.4 csrc/embed/generate.lua OUT.c lua/bitrix24/init.lua …
--
-- Source text, not bytecode: any Lua 5.4 of the host can load it. Names and
-- lines stay what they are in the files, so that messages say the same.

local target = assert(arg[1], "which file is to be written?")

local function read(name)
  local file <close> = assert(io.open(name, "rb"))
  return (file:read "a"):gsub("\r\n", "\n")
end

local arrays, rows = {}, {}
for i = 2, #arg do
  local path = arg[i]:gsub("^lua/", "")
  local name = path:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
  local text = read(arg[i])
  assert(load(text, "@" .. path, "t"))
  local lines = {}
  for at = 1, #text, 24 do
    lines[#lines + 1] = "  " .. table.concat({ text:byte(at, at + 23) }, ",")
  end
  if #lines == 0 then lines[1] = "  10" end
  local bytes = table.concat(lines, ",\n")
  arrays[#arrays + 1] = ("static const unsigned char part%d[] = {\n%s};\n"):format(i - 1, bytes)
  rows[#rows + 1] = ('  {"%s", "@%s", part%d, sizeof part%d},\n'):format(name, path, i - 1, i - 1)
end
assert(#rows > 0, "which files?")

local file <close> = assert(io.open(target, "wb"))
assert(file:write("/* Made by csrc/embed/generate.lua. */\n#include \"embed.h\"\n\n",
  table.concat(arrays, "\n"), "\nconst lb24_source lb24_sources[] = {\n", table.concat(rows), "};\n",
  "const size_t lb24_source_count =\n    sizeof lb24_sources / sizeof lb24_sources[0];\n"))
