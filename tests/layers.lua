-- layers.lua - the rules between the layers, as searches of the sources and of
-- what the build exports: lua5.4 tests/layers.lua [BUILD]
--
-- Comments do not count, strings do. Every rule is one item of the summary;
-- each place that breaks it is printed.

local build = arg[1] or "build"

local passed, failed = 0, 0

local function lines_of(command)
  local pipe <close> = assert(io.popen(command))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  return list
end

local function read(name)
  local file <close> = assert(io.open(name, "rb"))
  return file:read "a"
end

local function files(folder, pattern)
  return lines_of(("find %s -name '%s' 2>/dev/null | LC_ALL=C sort"):format(folder, pattern))
end

-- Comments become blank, so that line numbers stay.
local function blank(text)
  return (text:gsub("[^\n]", " "))
end

local function strip_c(text)
  local out, at = {}, 1
  while true do
    local from, _, what = text:find("([\"'/])", at)
    if not from then break end
    local stop
    if what == "/" then
      if text:sub(from, from + 1) == "/*" then
        stop = select(2, text:find("*/", from + 2, true)) or #text
      elseif text:sub(from, from + 1) == "//" then
        stop = (text:find("\n", from, true) or #text + 1) - 1
      end
      out[#out + 1] = text:sub(at, from - 1)
      out[#out + 1] = stop and blank(text:sub(from, stop)) or "/"
      at = (stop or from) + 1
    else
      stop = from + 1
      while stop <= #text and text:sub(stop, stop) ~= what do
        stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
      end
      out[#out + 1] = text:sub(at, stop)
      at = stop + 1
    end
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

local function strip_lua(text)
  text = text:gsub("%-%-%[(=*)%[.-%]%1%]", blank)
  return (text:gsub("%-%-[^\n]*", blank))
end

local function whole(text)
  return text
end

local function rule(name, complaints)
  if #complaints == 0 then
    passed = passed + 1
    return
  end
  failed = failed + 1
  print("not ok: " .. name)
  for i = 1, math.min(#complaints, 20) do print("  " .. complaints[i]) end
  if #complaints > 20 then print(("  and %d more"):format(#complaints - 20)) end
end

-- Places where `test(line)` finds something in the files that are not `allowed`.
local function search(list, strip, allowed, test)
  local complaints = {}
  for _, name in ipairs(list) do
    if not allowed[name] then
      local number = 0
      for line in (strip(read(name)) .. "\n"):gmatch "(.-)\n" do
        number = number + 1
        local found = test(line)
        if found then complaints[#complaints + 1] = ("%s:%d: %s"):format(name, number, found) end
      end
    end
  end
  return complaints
end

-- A call of one of the functions: `free(`, but neither `b24_free(` nor the
-- member `alloc->free(`.
local function calls(names)
  local set = {}
  for name in names:gmatch "%S+" do set[name] = true end
  return function(line)
    for at, name in line:gmatch "()%f[%w_]([%a_][%w_]*)%s*%(" do
      if set[name] and not line:sub(1, at - 1):find "[.>]%s*$" then return name end
    end
  end
end

local function matches(pattern)
  return function(line) return line:match(pattern) end
end

local function set(...)
  local result = {}
  for _, name in ipairs { ... } do result[name] = true end
  return result
end

local function join(...)
  local result = {}
  for _, list in ipairs { ... } do table.move(list, 1, #list, #result + 1, result) end
  return result
end

local core = join(files("csrc/core", "*.[ch]"), files("csrc/include", "*.h"))
local binding = files("csrc/lua", "*.[ch]")
local client = join(core, binding)
local module = files("lua", "*.lua")

-- ---- sources ---------------------------------------------------------------

rule("the core knows no Lua", search(core, strip_c, set "csrc/include/bitrix24_lua.h",
  matches '#%s*include%s*[<"]l[ua][ua]%w*%.hp?p?[">]'))
rule("libcurl is in transport_curl*.c alone", search(client, strip_c,
  set("csrc/core/transport_curl.c", "csrc/core/transport_curl.h", "csrc/core/transport_curl_easy.c"),
  function(line) return line:match "#%s*include%s*[<\"]curl/" or line:match "%f[%w_]curl_%a[%w_]*%s*%(" end))
rule("memory comes from alloc.c alone", search(client, strip_c, set "csrc/core/alloc.c",
  calls "malloc calloc realloc free strdup strndup asprintf vasprintf posix_memalign"))
rule("clocks are read in clock.c alone", search(core, strip_c, set "csrc/core/clock.c",
  calls "time clock clock_gettime gettimeofday localtime gmtime"))
rule("no banned function in the library", search(client, strip_c, {},
  calls [[strcpy strcat sprintf vsprintf strtok atoi atol atof gets alloca exit _exit abort printf vprintf
    fprintf vfprintf dprintf fputs fputc putc
    puts putchar perror setlocale signal sigaction chdir setenv putenv system rand srand]]))
rule("the core includes nothing of the binding or the sandbox", search(core, strip_c, {}, function(line)
  local other = line:match '#%s*include%s*"([^"]*/[^"]*)"'
  return other and not other:find "^%.%./catalogue/[%w_]+%.def$" and other
end))
local in_sandbox = files("lua/bitrix24/sandbox", "*.lua")
in_sandbox[#in_sandbox + 1] = "lua/bitrix24/sandbox.lua"
local of_sandbox, of_command, of_client = set(table.unpack(in_sandbox)), {}, {}
for _, name in ipairs(module) do
  local is_command = name == "lua/bitrix24/cli.lua" or name:find("^lua/bitrix24/cli/")
  if is_command then of_command[name] = true end
  if not of_sandbox[name] then of_client[#of_client + 1] = name end
end
rule("the client knows no sandbox, but for the command that starts one",
  search(of_client, strip_lua, set "lua/bitrix24/cli/sandbox.lua",
    matches "require.-[\"'](bitrix24%.sandbox[^\"']*)"))
rule("the sandbox shares json.lua and errors.lua with the client, and connects one when asked",
  search(in_sandbox, strip_lua, {}, function(line)
    local other = line:match "require.-[\"'](bitrix24[^\"']*)[\"']"
    if not other or other:find "^bitrix24%.sandbox" then return nil end
    return not set("bitrix24.json", "bitrix24.errors", "bitrix24")[other] and other
  end))
rule("the module knows no command line", search(module, strip_lua, of_command,
  matches "require.-[\"'](bitrix24%.cli%f[%W][^\"']*)"))
rule("the module opens no socket, but for the login that a browser comes to",
  search(of_client, strip_lua, set "lua/bitrix24/cli/login.lua", function(line)
    local name = line:match "require.-[\"']([^\"']+)[\"']"
    local root = name and name:match "^[^.]+"
    return set("socket", "ssl", "http", "cURL", "lcurl", "posix")[root] and name
  end))
rule("lua-cjson is in json.lua alone", search(module, strip_lua, set "lua/bitrix24/json.lua",
  matches "require%s*%(?%s*[\"']cjson[^\"']*"))
rule("the client never prints", search(module, strip_lua,
  set("lua/bitrix24/cli.lua", "lua/bitrix24/progress.lua"), function(line)
    return line:match "%f[%w_.:]print%s*[%(\"'{]" or line:match "io%.write" or line:match "io%.std%a+"
  end))
local server = files("csrc/sandbox", "*.[ch]")
rule("no note left for later", search(join(client, server, module), whole, {}, function(line)
  return line:match "%f[%w]TODO%f[%W]" or line:match "%f[%w]FIXME%f[%W]"
end))
rule("C lines fit 80 columns", search(join(client, server, files("tests/c", "*.[ch]")), whole, {},
  function(line)
    local length = utf8.len(line) or #line
    return length > 80 and length .. " columns"
  end))

-- ---- what the build exports ------------------------------------------------

local function symbols(library, allowed)
  local complaints = {}
  for _, line in ipairs(lines_of(("nm -D --defined-only %s 2>&1"):format(library))) do
    local name = line:match "^%x+ %a (.*)$"
    if not name or not allowed(name) then complaints[#complaints + 1] = library .. ": " .. (name or line) end
  end
  return complaints
end

rule("core.so exports luaopen_* and b24_* alone", symbols(build .. "/bitrix24/core.so", function(name)
  return name:find "^luaopen_" or name:find "^b24_%a"
end))
local sandbox = io.open(build .. "/bitrix24/sandbox/server.so")
if sandbox then
  sandbox:close()
  rule("the sandbox exports luaopen_* alone", symbols(build .. "/bitrix24/sandbox/server.so", function(name)
    return name:find "^luaopen_"
  end))
end

-- Data that can change, but for constants that the loader relocates and the
-- pthread_once_t around curl_global_init, which is there to be global.
local globals = {}
for _, object in ipairs(join(files(build .. "/obj/core", "*.o"), files(build .. "/obj/lua", "*.o"))) do
  for _, line in ipairs(lines_of("objdump -t " .. object)) do
    local section, name = line:match "%sO%s+(%S+)%s+%x+%s+(%S+)$"
    local constant = section and (section:find "rodata" or section:find "rel%.ro")
    local once = name == "init_once" and object:find "/transport_curl%.o$"
    -- the process's limiters: the platform counts by address
    local shared = (name == "entries" or name == "lock") and object:find "/registry%.o$"
    if section and not constant and not once and not shared then
      globals[#globals + 1] = ("%s: %s (%s)"):format(object, name, section)
    end
  end
end
rule("core and binding have no mutable globals", globals)

-- ---- one version -----------------------------------------------------------

local version = read "csrc/include/bitrix24.h":match '#define B24_VERSION "([^"]+)"'
local wrong = {}
local function check(what, got)
  if got ~= version then
    wrong[#wrong + 1] = ("bitrix24.h says %s, %s says %s"):format(version, what, got or "nothing")
  end
end

local loaded, bitrix24 = pcall(require, "bitrix24")
check('require "bitrix24"._VERSION',
  loaded and bitrix24._VERSION:match "^bitrix24 (%S+)$" or not loaded and bitrix24)

-- Before its first release the log has nothing but what is unreleased; from
-- then on the newest release has a rockspec.
local exists, log = pcall(read, "CHANGELOG.md")
local released
for heading in ("\n" .. (exists and log or "")):gmatch "\n## %[?v?([^%]\n ]+)" do
  if not released and heading:find "^%d" then released = heading end
end
if not exists then wrong[#wrong + 1] = "CHANGELOG.md is not there" end
if released then
  check("CHANGELOG.md", released)
  local name = ("rockspec/bitrix24-%s-1.rockspec"):format(version)
  if not pcall(read, name) then wrong[#wrong + 1] = name .. " is not there" end
end
for _, name in ipairs(files("rockspec", "*.rockspec")) do
  local env = {}
  assert(loadfile(name, "t", env))()
  if name ~= ("rockspec/%s-%s.rockspec"):format(env.package, env.version) then
    wrong[#wrong + 1] = ("%s holds %s %s"):format(name, env.package, env.version)
  end
end
rule("one version", wrong)

print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
