-- Measures the library against a floor program (floor.c) and the official
-- JavaScript SDK (sdk.mjs), on sandbox portals in processes of their own:
--   make bench [FAST=1]
-- Every ratio is of one run, sides in turn, medians of three. Prints a table
-- and writes BUILD/bench.json. FAST=1: a tenth of the sizes, to develop.

local json = require "bitrix24.json"

local BUILD = os.getenv "BUILD" or "build"
local LUA = os.getenv "LUA" or "lua5.4"
local FAST = (os.getenv "FAST" or "") ~= ""
local HERE = "tests/bench"
local DIR = BUILD .. "/bench"
local ROUNDS = 3
local RECORDS = FAST and 10000 or 100000
local CHATS = FAST and 100 or 1000
local READS = FAST and 100 or 1000
local MAP_ROUNDS = FAST and 100 or 20
local LATENCY = 0.08

local began = os.time()
local problems = {}

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function say(form, ...)
  io.stderr:write(form:format(...), "\n")
end

-- ---- processes ---------------------------------------------------------------

--- Run a command measured: { cpu=, user=, wall=, peak_mb=, said= }, or nil.
local function measured(command, env)
  local pipe = assert(io.popen(("%s %s/measure %s"):format(env or "", DIR, command)))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  local cost = json.decode(table.remove(lines) or "")
  if not cost or cost.status ~= 0 then
    problems[#problems + 1] = "failed: " .. command:gsub("/rest/1/%w+", "/rest/1/…")
    return nil
  end
  cost.cpu, cost.said = cost.user + cost.sys, table.concat(lines, "\n")
  return cost
end

local function ours(server, job, size, limits, env)
  return measured(("%s %s/jobs.lua %s %s %d %s"):format(LUA, HERE, job,
    quote(server.webhook), size, limits or ""), env)
end

local function floor(server, bodies, save)
  return measured(("%s/floor %s %s %s"):format(DIR, server.url, bodies, save or ""))
end

local function sdk(server, job, size, limits)
  return measured(("node %s/sdk/sdk.mjs %s %s %d %s"):format(DIR, job,
    quote(server.webhook), size, limits or ""), "NO_PROXY=127.0.0.1 no_proxy=127.0.0.1")
end

local servers = 0

--- Start a sandbox; ask(order) sends it an order of serve.lua.
local function serve(options)
  servers = servers + 1
  local answers = ("%s/serve.%d"):format(DIR, servers)
  os.remove(answers)
  assert(os.execute("mkfifo " .. answers))
  local input = assert(io.popen(("%s %s/serve.lua %s > %s"):format(LUA, HERE,
    quote(json.encode(options)), answers), "w"))
  local output = assert(io.open(answers, "rb"))
  local function hear() return assert(json.decode(output:read "l" or ""), "the sandbox did not answer") end
  local server = hear()
  function server.ask(order)
    input:write(order, "\n")
    input:flush()
    return hear()
  end
  --- Requests since the last reset, and those refused.
  function server.count()
    local seen = server.ask "count"
    if seen.errors > 0 then problems[#problems + 1] = ("%d errors in the sandbox"):format(seen.errors) end
    return seen
  end
  return setmetatable(server, { __close = function()
    input:close()
    output:close()
    os.remove(answers)
  end })
end

-- ---- the SDK -----------------------------------------------------------------

local SDK = "@bitrix24/b24jssdk@2.2.0"

--- Install the SDK beside the build; its version, or nil and why not.
local function install_sdk()
  if not os.execute "command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1" then
    return nil, "no node and npm"
  end
  local dir = DIR .. "/sdk"
  local package = dir .. "/node_modules/@bitrix24/b24jssdk/package.json"
  local file = io.open(package)
  if not file then
    os.execute("mkdir -p " .. dir .. " && echo '{\"private\":true}' > " .. dir .. "/package.json")
    os.execute(("npm install --no-audit --no-fund --silent --prefix %s %s >%s/npm.log 2>&1"):format(
      dir, SDK, DIR))
    file = io.open(package)
  end
  if not file then return nil, "npm could not install " .. SDK end
  local version = json.decode(file:read "a").version
  file:close()
  assert(os.execute(("cp %s/sdk.mjs %s/"):format(HERE, dir)))
  return version
end

-- ---- numbers -----------------------------------------------------------------

local function median(list, name)
  local values = {}
  for _, cost in ipairs(list) do values[#values + 1] = cost[name] end
  table.sort(values)
  return values[(#values + 1) // 2]
end

--- Both sides in turn; a list of costs each.
local function in_turn(a, b)
  local left, right = {}, {}
  for _ = 1, ROUNDS do
    left[#left + 1] = a()
    right[#right + 1] = b()
  end
  return left, right
end

local rows = {}

--- A row of the table; `bar` is the most that `value` may be. What is not a
-- cell of the table is for bench.json.
local function row(measure, unit, cells, value, bar)
  cells.measure, cells.unit, cells.value, cells.bar = measure, unit, value, bar
  if bar then cells.ok = value ~= nil and value <= bar end
  rows[#rows + 1] = cells
end

--- Rows for what could not be measured: a bar that nobody looked at is not met.
local function missing(measures)
  for measure, bar in pairs(measures) do row(measure, "", {}, nil, bar) end
end

local function ratio(a, b) return a and b and b > 0 and a / b or nil end

-- ---- what is measured --------------------------------------------------------

local has_sdk, no_sdk = install_sdk()
if not has_sdk then say("bench: the SDK's column is skipped, %s", no_sdk) end

local function same(a, b, what)
  if a and b and a.said ~= b.said then
    problems[#problems + 1] = ("%s: %s here, %s there"):format(what, a.said, b.said)
  end
end

local bodies = DIR .. "/export.bodies"
local export_requests, peak

local function measure_export()
  say("bench: export of %d records", RECORDS)
  local server <close> = serve { contacts = RECORDS, limits = false }
  local first = ours(server, "export", RECORDS)
  if not first then
    return missing {
      ["export: HTTP requests"] = 45, ["export: CPU"] = 1.25, ["export: peak memory"] = 40,
    }
  end
  export_requests = server.count().requests
  server.ask("bodies " .. bodies)
  local a, b = in_turn(function() return ours(server, "export", RECORDS) end,
    function() return floor(server, bodies) end)
  local other, other_requests
  if has_sdk then
    server.ask "reset"
    other = sdk(server, "export", RECORDS)
    other_requests = server.count().requests
    same(first, other, "export")
  end
  other = other or {}
  peak = median(a, "peak_mb")
  row("export: HTTP requests", "", { ours = export_requests, sdk = other_requests },
    export_requests, FAST and 6 or 45)
  local cpu, least = median(a, "cpu"), median(b, "cpu")
  row("export: CPU", "s", { ours = cpu, floor = least, sdk = other.cpu, ratio = ratio(cpu, least) },
    ratio(cpu, least), 1.25)
  local wall, least_wall = median(a, "wall"), median(b, "wall")
  row("export: clock, no latency", "s",
    { ours = wall, floor = least_wall, sdk = other.wall, ratio = ratio(wall, least_wall) })
  row("export: peak memory", "MB",
    { ours = peak, floor = median(b, "peak_mb"), sdk = other.peak_mb }, peak, 40)
end

local refused = 0

local function measure_latency()
  if not export_requests or export_requests > 150 then
    problems[#problems + 1] = "export with limits: skipped, too many requests"
    return missing { ["export: clock, 80 ms, standard limits"] = 0.8 }
  end
  say("bench: the same with %g s latency and standard limits", LATENCY)
  local server <close> = serve { contacts = RECORDS, latency = LATENCY }
  local a, b = in_turn(function()
    local cost = ours(server, "export", RECORDS, "standard")
    refused = refused + server.count().refused
    server.ask("bodies " .. bodies)
    server.ask "reset"
    return cost
  end, function()
    local cost = floor(server, bodies)
    server.ask "reset"
    return cost
  end)
  local wall, least = median(a, "wall"), median(b, "wall")
  row("export: clock, 80 ms, standard limits", "s",
    { ours = wall, floor = least, ratio = ratio(wall, least) }, ratio(wall, least), 0.8)
end

local function measure_memory()
  if not peak then return missing { ["export: peak memory, ten times the records"] = 1.1 } end
  say("bench: export of %d records", RECORDS * 10)
  local server <close> = serve { contacts = RECORDS * 10, limits = false }
  local large = ours(server, "export", RECORDS * 10)
  if not large then return missing { ["export: peak memory, ten times the records"] = 1.1 } end
  row("export: peak memory, ten times the records", "MB",
    { ours = large.peak_mb, ratio = large.peak_mb / peak }, large.peak_mb / peak, 1.1)
end

local function measure_reads()
  say("bench: %d reads side by side", READS)
  local server <close> = serve { contacts = RECORDS, limits = false }
  local first = ours(server, "reads", READS)
  if not first then return missing { ["map: user CPU of a call beyond JSON"] = 30 } end
  local requests = server.count().requests
  local path, answers = DIR .. "/reads.bodies", DIR .. "/reads.answers"
  server.ask("bodies " .. path)
  floor(server, path, answers)
  local a, b = in_turn(function() return ours(server, "reads", READS) end,
    function() return floor(server, path) end)
  local other, other_requests
  if has_sdk then
    server.ask "reset"
    other = sdk(server, "reads", READS)
    other_requests = server.count().requests
    same(first, other, "reads")
  end
  other = other or {}
  local cpu, least = median(a, "cpu"), median(b, "cpu")
  row("reads: HTTP requests", "", { ours = requests, sdk = other_requests })
  row("reads: CPU", "s", { ours = cpu, floor = least, sdk = other.cpu, ratio = ratio(cpu, least) })
  row("reads: clock", "s", { ours = median(a, "wall"), floor = median(b, "wall"), sdk = other.wall,
    ratio = ratio(median(a, "wall"), median(b, "wall")) })

  say("bench: cost of a call in map")
  local env = ("BENCH_ROUNDS=%d BENCH_ANSWERS=%s"):format(MAP_ROUNDS, answers)
  local whole, plain = in_turn(function() return ours(server, "rounds", READS, nil, env) end,
    function() return ours(server, "json", READS, nil, env) end)
  if #whole == 0 or #plain == 0 then return missing { ["map: user CPU of a call beyond JSON"] = 30 } end
  local calls = MAP_ROUNDS * READS
  local total, spent = median(whole, "user") / calls * 1e6, median(plain, "user") / calls * 1e6
  row("map: user CPU of a call beyond JSON", "us",
    { ours = total - spent, with_json = total, json = spent }, total - spent, 30)
end

local function measure_recipe()
  say("bench: the recipe with %d chats", CHATS)
  local server <close> = serve {
    contacts = 1000, users = 500, project_chats = CHATS, chat_members = 20, latency = LATENCY,
  }
  local mine = ours(server, "recipe", CHATS, "standard")
  if not mine then
    return missing { ["recipe: HTTP requests"] = 60, ["requests refused for their rate"] = 0 }
  end
  local seen = server.count()
  refused = refused + seen.refused
  local other, theirs
  if has_sdk then
    server.ask "reset"
    other = sdk(server, "recipe", CHATS, "standard")
    theirs = server.count()
    same(mine, other, "recipe")
  end
  other, theirs = other or {}, theirs or {}
  row("recipe: HTTP requests", "", { ours = seen.requests, sdk = theirs.requests }, seen.requests, 60)
  row("recipe: clock, 80 ms, standard limits", "s", { ours = mine.wall, sdk = other.wall,
    ratio = ratio(mine.wall, other.wall) })
  row("recipe: CPU", "s", { ours = mine.cpu, sdk = other.cpu, ratio = ratio(mine.cpu, other.cpu) })
  row("requests refused for their rate", "", { ours = refused, sdk = theirs.refused }, refused, 0)
end

-- ---- the table ---------------------------------------------------------------

local function cell(value)
  if value == nil then return "-" end
  if math.type(value) == "integer" then return tostring(value) end
  return (value >= 100 and "%.0f" or value >= 10 and "%.1f" or "%.3f"):format(value)
end

local function print_table()
  local form = "%-50s %9s %9s %9s %7s %7s  %s"
  print(form:format("measure", "ours", "floor", "SDK", "ratio", "bar", ""))
  local met, bars = 0, 0
  for _, item in ipairs(rows) do
    local verdict = ""
    if item.bar then
      bars, met = bars + 1, met + (item.ok and 1 or 0)
      verdict = item.ok and "ok" or "NOT"
    end
    local name = item.unit ~= "" and ("%s, %s"):format(item.measure, item.unit) or item.measure
    print(form:format(name, cell(item.ours), cell(item.floor), cell(item.sdk), cell(item.ratio),
      item.bar and cell(item.bar) or "", verdict))
  end
  for _, problem in ipairs(problems) do print("! " .. problem) end
  if not has_sdk then print(("! no SDK column: %s"):format(no_sdk)) end
  print(("%d of %d bars met, %d s%s"):format(met, bars, os.time() - began, FAST and ", FAST" or ""))
  return met, bars
end

measure_export()
measure_latency()
measure_memory()
measure_reads()
measure_recipe()

local met, bars = print_table()
local file = assert(io.open(BUILD .. "/bench.json", "wb"))
file:write(json.encode {
  rows = json.array(rows), problems = json.array(problems), met = met, bars = bars,
  sdk = has_sdk or json.null, fast = FAST, seconds = os.time() - began,
}, "\n")
file:close()
