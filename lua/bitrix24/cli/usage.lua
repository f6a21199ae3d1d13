--- The commands, their options, and the pages that explain them. The one place
-- where a command's words are decided: parser, help and the tests of the man
-- page and of the completions read it.

local argparse = require "argparse"

local concat = table.concat
local ipairs, pairs, tonumber = ipairs, pairs, tonumber

local _ENV = nil -- luacheck: ignore

local usage = {}

--- option → names, what its value is called, what may be given.
local OPTIONS = {
  profile = { "-p --profile", "NAME" },
  quiet = { "-q --quiet" },
  verbose = { "-v --verbose" },
  timeout = { "--timeout", "SECONDS", convert = "number" },
  limits = { "--limits", "TARIFF", choices = { "standard", "enterprise" } },
  ca_file = { "--ca-file", "FILE" },
  rest = { "--rest", "2|3", choices = { "2", "3" } },
  format = { "-f --format", "FORMAT", choices = { "json", "jsonl", "csv", "table" } },
  columns = { "-c --columns", "A,B,C" },
  limit = { "-n --limit", "N", convert = "integer" },
  output = { "-o --output", "FILE" },
  checkpoint = { "--checkpoint", "FILE" },
  names = { "--names" },
  plan = { "--plan" },
  port = { "--port", "N", convert = "integer" },
  tls = { "--tls" },
  webhook = { "--webhook" },
  oauth = { "--oauth" },
  domain = { "--domain", "HOST" },
  client_id = { "--client-id", "ID" },
  oauth_url = { "--oauth-url", "ADDRESS" },
  listen = { "--listen", "PORT", convert = "integer" },
  no_check = { "--no-check" },
}

local PORTAL = { "profile", "timeout", "limits", "ca_file", "quiet", "verbose" }

--- The commands in the order of `bitrix24 help`. `values`: name and how many.
usage.commands = {
  {
    name = "call", summary = "call a method and print its result",
    values = { { "METHOD", 1 }, { "PARAMETER", "*" } }, options = { "format", "columns", "rest" },
    help = [[
usage: bitrix24 call METHOD [PARAMETER…] [options]

Calls a method and prints its result: pretty JSON on a terminal, one line of
JSON in a pipe.

  PARAMETER     key=text, key[sub]=text, key[]=text, key:=JSON, key@file to send
                a file, @file.json or {…} for all of them, - for JSON from
                standard input. Text becomes a number or a boolean where the
                documentation says that the parameter is one. What stands beside
                JSON is merged into it, field by field; what comes later counts.

  -f, --format FORMAT     json, jsonl, csv or table
  -c, --columns A,B,C     the fields to show; a.b is field b of field a
      --rest 2|3          the version of the API; otherwise as documented
      --timeout SECONDS   for the whole call
  and the common ones: bitrix24 help options

examples:
  bitrix24 call crm.item.list entityTypeId=3 'filter[>id]=100' 'order[id]=DESC'
  bitrix24 call crm.item.add entityTypeId=2 'fields:={"title":"New deal"}'
  echo '{"FILTER": {"ACTIVE": true}}' | bitrix24 call user.get -
]],
  },
  {
    name = "list", summary = "fetch every record of a list",
    values = { { "METHOD", 1 }, { "PARAMETER", "*" } },
    options = { "format", "columns", "limit", "output", "checkpoint", "rest" },
    help = [[
usage: bitrix24 list METHOD [PARAMETER…] [options]

Fetches every record of a list, however many, in constant memory.
PARAMETER is as in bitrix24 help call.

  -f, --format FORMAT     json, jsonl, csv or table; --output x.csv means csv
  -c, --columns A,B,C     the fields to show; a.b is field b of field a
  -n, --limit N           stop after N records
  -o, --output FILE       write to FILE, which appears once it is complete
      --checkpoint FILE   remember how far the export is: after a crash or
                          Ctrl-C the same command goes on
      --rest 2|3          the version of the API; otherwise as documented
  and the common ones: bitrix24 help options

examples:
  bitrix24 list crm.item.list entityTypeId=3 -f table -c id,name,lastName
  bitrix24 list crm.item.list entityTypeId=2 'filter[stageId]=NEW' -o new.csv
  bitrix24 list crm.item.list entityTypeId=3 -o all.csv --checkpoint all.state
]],
  },
  {
    name = "methods", summary = "find methods by words",
    values = { { "WORD", "*" } }, options = { "names" },
    help = [[
usage: bitrix24 methods [WORD…] [options]

Shows the documented methods whose names contain all the words. Works without
a portal.

      --names   only the names, one per line, that begin with WORD

examples:
  bitrix24 methods deal list
  bitrix24 methods --names crm.calllist.
]],
  },
  {
    name = "describe", summary = "show what a method takes and returns",
    values = { { "METHOD", 1 } }, options = { "rest" },
    help = [[
usage: bitrix24 describe METHOD [options]

Shows a method's parameters (* marks required ones), what it returns, the scope
it needs and where it is documented. Works without a portal.

      --rest 2|3   the version, for a method that is in both (2)

examples:
  bitrix24 describe crm.calllist.add
  bitrix24 describe tasks.task.get --rest 3
]],
  },
  {
    name = "run", summary = "run a Lua script on a portal",
    values = { { "SCRIPT", 1 }, { "ARGUMENT", "*" } }, options = { "plan" },
    help = [[
usage: bitrix24 run [options] SCRIPT [ARGUMENT…]

Runs a Lua script. In it, require "bitrix24" and its connect() use the chosen
profile; `arg` holds the arguments. Options go before SCRIPT, what follows is
the script's. SCRIPT may be - for standard input.

      --plan   send no writes: print what would be sent, and what it would cost
  and the common ones: bitrix24 help options

examples:
  bitrix24 run examples/call_list.lua Project
  bitrix24 run --plan examples/call_list.lua Project
]],
  },
  {
    name = "check", summary = "find mistakes in scripts without running them",
    values = { { "SCRIPT", "+" } }, options = { "quiet" },
    help = [[
usage: bitrix24 check SCRIPT… [options]

Compares the calls in Lua scripts with the documentation of the methods: names,
parameters, values, deprecated methods, and the scopes that are needed. Sends
nothing. Exits with 1 when there is an error.

  -q, --quiet   only the findings, not the scopes

examples:
  bitrix24 check sync.lua
  bitrix24 check scripts/*.lua
]],
  },
  {
    name = "sandbox", summary = "start a portal on this machine, to try things out",
    values = { { "OPTION", "*" } }, options = { "port", "tls", "quiet" },
    help = [[
usage: bitrix24 sandbox [key=value…] [options] [-- COMMAND…]

Starts a portal on 127.0.0.1 with people, chats and contacts, prints its address
and stays until Ctrl-C. With COMMAND, runs it with the address in
BITRIX24_WEBHOOK and exits with its status.

  key=value    contacts=1000, chats=200, seed=7, latency=0.08, limits:=false, …
      --port N   the port to listen on
      --tls      HTTPS, with a certificate made for this run
  -q, --quiet    print only the address

examples:
  bitrix24 sandbox contacts=5000
  bitrix24 sandbox contacts=500 -- bitrix24 list crm.item.list entityTypeId=3
]],
  },
  {
    name = "login", summary = "store the address or authorization of a portal",
    values = {},
    options = {
      "profile", "webhook", "oauth", "domain", "client_id", "listen", "oauth_url", "limits", "ca_file",
      "no_check", "names", "quiet", "verbose",
    },
    help = [[
usage: bitrix24 login [--webhook | --oauth] [options]

Asks for the address of an inbound webhook, or authorizes an application, tries
it, and stores it below $XDG_CONFIG_HOME/bitrix24 for you alone (mode 0600).
Secrets are asked for, or read line by line from standard input: never options.

  -p, --profile NAME       the name to store it under; otherwise that in
                           BITRIX24_PROFILE, or default
      --domain HOST        the portal, for an application
      --client-id ID       the application's client_id
      --listen PORT        wait for the browser at http://127.0.0.1:PORT/ (with
                           LuaSocket) instead of asking for the code
      --oauth-url ADDRESS  another authorization server
      --limits TARIFF      standard or enterprise, stored with the profile
      --ca-file FILE       the authority that signed the portal's certificate
      --no-check           store it without trying it
      --names              print the names of the stored profiles and exit
  -q, --quiet and -v, --verbose: bitrix24 help options

examples:
  bitrix24 login
  bitrix24 login --oauth --profile sales --domain example.bitrix24.com
]],
  },
  {
    name = "doctor", summary = "check the connection and say what to do",
    values = {}, options = {},
    help = [[
usage: bitrix24 doctor [options]

Checks where the portal's address comes from, whether it answers, its
certificate, this machine's clock, what it gives access to, the limits, and how
much working time was used. Exits with 1 when something needs fixing.

Its options are the common ones: bitrix24 help options

examples:
  bitrix24 doctor
  bitrix24 doctor --profile sales
]],
  },
  { name = "version", summary = "print the version", values = {}, options = {}, local_only = true,
    help = "usage: bitrix24 version\n\nPrints the version of bitrix24, of Lua and of the catalogue.\n\n"
      .. "example:\n  bitrix24 version\n" },
  { name = "help", summary = "explain a command", values = { { "COMMAND", "?" } }, options = {},
    local_only = true,
    help = "usage: bitrix24 help [COMMAND]\n\nExplains a command or, as `options`, the common options."
      .. "\n\nexample:\n  bitrix24 help list\n" },
}

local OPTIONS_HELP = [[
Common options, of the commands that speak to a portal:

  -p, --profile NAME      a profile of bitrix24 login
      --timeout SECONDS   for a request; with call, for the whole call
      --limits TARIFF     of the portal's plan: standard or enterprise
      --ca-file FILE      the authority that signed the portal's certificate
  -q, --quiet             no progress, no notes, only errors
  -v, --verbose           log every request, without secrets
  -h, --help              explain the command

The portal is the first of: --profile, BITRIX24_WEBHOOK, BITRIX24_PROFILE, the
profile "default". NO_COLOR switches colors off.

Exit status: 0 done, 1 it failed or was interrupted, 2 wrong usage.
]]

--- Commands that speak to a portal take PORTAL too.
local SPEAKS = { call = true, list = true, run = true, doctor = true }

local by_name = {}
for _, command in ipairs(usage.commands) do
  by_name[command.name] = command
  local list = command.options
  if SPEAKS[command.name] then
    for _, name in ipairs(PORTAL) do list[#list + 1] = name end
  end
end

---@param name string
---@return table? command
function usage.command(name) return by_name[name] end

--- The names of a command's options as they are typed: "-f --format".
---@param command table
---@return string[]
function usage.flags(command)
  local out = {}
  for _, name in ipairs(command.options) do out[#out + 1] = OPTIONS[name][1] end
  out[#out + 1] = "-h --help"
  return out
end

--- Names of a command's options, and whether they take a value.
---@param name string
---@return { names: string, value: boolean }[]
function usage.parser_options(name)
  local out = {}
  for i, option in ipairs(by_name[name].options) do
    out[i] = { names = OPTIONS[option][1], value = OPTIONS[option][2] ~= nil }
  end
  return out
end

--- The page of a command, of `options`, or of all.
---@param name string?
---@return string? text nil when there is no such page
function usage.page(name)
  if name == "options" then return OPTIONS_HELP end
  if name then return by_name[name] and by_name[name].help end
  local out = { "usage: bitrix24 COMMAND [options]", "", "The Bitrix24 REST API on the command line.", "" }
  for _, command in ipairs(usage.commands) do
    out[#out + 1] = ("  %-10s %s"):format(command.name, command.summary)
  end
  out[#out + 1] = [[

bitrix24 help COMMAND explains one, with examples; bitrix24 help options, the
common options. Begin with

  bitrix24 login
  bitrix24 methods contact list
  bitrix24 list crm.item.list entityTypeId=3 -f table -c id,name,lastName
]]
  return concat(out, "\n")
end

local CONVERT = {
  number = function(text)
    local value = tonumber(text)
    if value and value > 0 then return value end
    return nil, ("'%s' is not a positive number"):format(text)
  end,
  integer = function(text)
    local value = text:match("^%d+$") and tonumber(text)
    if value then return value end
    return nil, ("'%s' is not a whole number"):format(text)
  end,
}

local function add_option(parser, name)
  local about = OPTIONS[name]
  if not about[2] then
    parser:flag(about[1]):target(name)
    return
  end
  local option = parser:option(about[1]):target(name):argname(about[2])
  if about.choices then option:choices(about.choices) end
  if about.convert then option:convert(CONVERT[about.convert]) end
end

--- A parser of all commands. What it finds: command, the options, values.
---@return table parser of argparse
function usage.parser()
  local parser = argparse("bitrix24"):add_help(false):require_command(true):command_target("command")
  for _, about in pairs(usage.commands) do
    local command = parser:command(about.name):add_help(false)
    for _, value in ipairs(about.values) do command:argument(value[1]):args(value[2]) end
    for _, name in ipairs(about.options) do add_option(command, name) end
  end
  return parser
end

return usage
