-- The libraries as the loader sees them: what they show, what they ask for,
-- what of them can change.

local tree = require "support.tree"

local function lines(command)
  local out = {}
  for line in tree.must(command):gmatch "[^\n]+" do out[#out + 1] = line end
  return out
end

--- Dynamic symbols of a library: name to the letter of nm.
local function symbols(library, which)
  local out = {}
  for _, line in ipairs(lines(("nm -D --%s %s"):format(which, tree.quote(library)))) do
    local letter, name = line:match "(%a) ([^%s@]+)[^%s]*$"
    out[name] = letter
  end
  return out
end

--- What the public headers declare.
local function declared()
  local out = {}
  for _, header in ipairs { "bitrix24.h", "bitrix24_lua.h" } do
    local file <close> = assert(io.open("csrc/include/" .. header))
    local text = file:read "a":gsub("/%*.-%*/", "")
    text = text:gsub("#define[^\n]*", "")
    for name in text:gmatch "B24_API[^;(]-([%w_]+)%s*%(" do out[name] = "T" end
  end
  return out
end

local MODULE = tree.build .. "/bitrix24/core.so"
local LIBRARY = tree.build .. "/libbitrix24.so"

-- A sanitizer brings functions and variables of its own.
if (os.getenv "CFLAGS" or ""):find "%-fsanitize" then
  print "built with a sanitizer: the libraries' symbols are not looked at"
  return
end

describe("libbitrix24.so", function()
  it("exports what the headers declare, and nothing else", function()
    local expected = declared()
    assert.equal("T", expected.luaopen_bitrix24)
    assert.equal("T", expected.b24_client_new)
    assert.equal("T", expected.b24_limiter_open)
    assert.same(expected, symbols(LIBRARY, "defined-only"))
  end)

  it("has a soname with the ABI's number", function()
    assert.truthy(tree.must("readelf -d " .. LIBRARY):find("Library soname: [libbitrix24.so.0]", 1, true))
  end)
end)

describe("libbitrix24.a", function()
  it("has no global name but those of the project", function()
    local found = 0
    for _, line in ipairs(lines("nm -g --defined-only " .. tree.build .. "/libbitrix24.a")) do
      local name = line:match "^%x+ %a (%S+)$"
      if name then
        found = found + 1
        assert.truthy(name:find "^b24_" or name:find "^lb24_" or name:find "^luaopen_bitrix24", name)
      end
    end
    assert.is_true(found > 100)
  end)
end)

describe("core.so", function()
  it("exports its opener, and of the C API nothing that is not public", function()
    local found, public = symbols(MODULE, "defined-only"), declared()
    assert.equal("T", found.luaopen_bitrix24_core)
    for name, letter in pairs(found) do
      assert.equal("T", letter, name)
      assert.equal("T", public[name], name)
    end
  end)
end)

for name, library in pairs { ["libbitrix24.so"] = LIBRARY, ["core.so"] = MODULE } do
  describe(name, function()
    it("asks for nothing that prints, exits or changes the process", function()
      local asked = symbols(library, "undefined-only")
      assert.equal("U", asked.curl_multi_init)
      local banned = [[printf vprintf puts putchar putc fputs fputc dprintf perror stdout stderr stdin psignal
        fprintf vfprintf __printf_chk __fprintf_chk __vprintf_chk __vfprintf_chk __dprintf_chk syslog
        exit _exit _Exit quick_exit abort atexit at_quick_exit on_exit __cxa_atexit __assert_fail
        signal sigaction sigset bsd_signal sysv_signal raise kill alarm setitimer
        setlocale newlocale uselocale chdir fchdir chroot umask setenv putenv unsetenv clearenv
        fork vfork system popen execve pthread_create pthread_atfork dlopen dlclose
        srand rand random strtok gethostbyname curl_global_cleanup]]
      for word in banned:gmatch "%S+" do assert.is_nil(asked[word], word) end
    end)

    it("uses its own functions, whatever another copy of them is there", function()
      for _, line in ipairs(lines("objdump -R " .. library)) do
        assert.falsy(line:find "%sb24_" or line:find "%sluaopen_bitrix24", line)
      end
    end)

    it("can change nothing but the guard of libcurl's set-up and the budgets of the process", function()
      local changing = {}
      for _, line in ipairs(lines("objdump -t " .. library)) do
        local section, symbol = line:match "%sO%s+(%S+)%s+%x+%s+(%S+)$"
        if section == ".data" or section == ".bss" or section == ".tbss" or section == ".tdata" then
          changing[#changing + 1] = symbol:gsub("%.%d+$", "")
        end
      end
      table.sort(changing)
      local compiler = { __TMC_END__ = true, __dso_handle = true, completed = true }
      local ours = {}
      for _, symbol in ipairs(changing) do
        if not compiler[symbol] then ours[#ours + 1] = symbol end
      end
      assert.same({ "entries", "init_once", "lock" }, ours)
    end)
  end)
end
