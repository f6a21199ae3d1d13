--- The chapters of the reference, and which part of the sources each shows.
--
-- An entry of `shows` is a source and a table: name in the source → name as a
-- script writes it. A pattern ending in "*" takes every documented function.
-- `classes` are the tables that go in and out; `head` shows the comment at the
-- beginning of a file. A name in `elsewhere` belongs to another chapter.

local PORTAL = "lua/bitrix24/portal.lua"
local MODULE = "lua/bitrix24/init.lua"

return {
  {
    page = "connecting", title = "Connecting",
    about = "A portal is opened once and used for as long as the script runs. Nothing is sent before the "
      .. "first call.",
    shows = {
      { MODULE, { ["bitrix24.connect"] = "bitrix24.connect", ["bitrix24.use"] = "bitrix24.use",
        ["bitrix24.limiter_file"] = "bitrix24.limiter_file" } },
      { PORTAL, { ["methods.close"] = "portal:close" } },
    },
    classes = { "bitrix24.Options", "bitrix24.LogEvent", "bitrix24.Limiter" },
  },
  {
    page = "calling", title = "Calling methods",
    about = "Every REST method is reached through tables named as the method is spelled: "
      .. "`portal.crm.item.get{ entityTypeId = 2, id = 7 }`. Options of a call stand behind its parameters, "
      .. "`portal.crm.item.get({ entityTypeId = 2, id = 7 }, { timeout = 30 })`; they and the results are "
      .. "those of `portal:call`. Which methods there are: [methods](methods.md).",
    shows = {
      { PORTAL, { ["methods.call"] = "portal:call", ["methods.download"] = "portal:download" } },
      { "lua/bitrix24/json.lua", { ["json.array"] = "bitrix24.array", ["json.ordered"] = "bitrix24.ordered",
        ["json.file"] = "bitrix24.file" } },
    },
    classes = { "bitrix24", "bitrix24.Portal", "bitrix24.CallOptions", "bitrix24.Response" },
  },
  {
    page = "lists", title = "Lists",
    about = "On any list method, `portal.crm.item.list:each{ … }`, and by name, "
      .. "`portal:each(\"crm.item.list\", { … })`. A list yields every record or raises.",
    shows = {
      { PORTAL, { ["methods.each"] = "portal:each", ["methods.pages"] = "portal:pages",
        ["methods.all"] = "portal:all", ["methods.first"] = "portal:first",
        ["methods.count"] = "portal:count" } },
    },
    classes = { "bitrix24.ListOptions", "bitrix24.Node" },
  },
  {
    page = "side-by-side", title = "Side by side",
    about = "Functions run as coroutines of the calling thread; calls that wait at the same time travel "
      .. "together.",
    shows = { { PORTAL, { ["methods.map"] = "portal:map", ["methods.gather"] = "portal:gather" } } },
    classes = { "bitrix24.MapOptions" },
  },
  {
    page = "batch", title = "Batches", head = "lua/bitrix24/batch.lua",
    shows = {
      { PORTAL, { ["methods.batch"] = "portal:batch" } },
      { "lua/bitrix24/batch.lua", { ["methods.call"] = "b:call", ["methods.run"] = "b:run",
        ["batch.state"] = "bitrix24.state" } },
    },
    classes = { "bitrix24.BatchOptions", "bitrix24.BatchCommand", "bitrix24.Reference" },
  },
  {
    page = "errors", title = "Errors",
    about = "Every failure raises a table whose `tostring` is one line that says what to do. Its `kind`:\n\n"
      .. "- `config`: the caller's mistake, found before anything was sent\n"
      .. "- `network`: no connection, TLS, a time-out, a connection that broke, a name that is not found\n"
      .. "- `protocol`: an answer that is not what the platform promises\n"
      .. "- `auth`: the portal does not accept the credentials, or not for this method\n"
      .. "- `limit`: too many requests or too much working time, still after the retries\n"
      .. "- `api`: the method itself refused; `code` says why\n"
      .. "- `cancelled`: the portal was closed, or another function of a `map` or `gather` failed\n\n"
      .. "Any call can raise any of them; what takes options raises `config` for one that it does not know.",
    shows = { { "lua/bitrix24/errors.lua", { ["errors.is_error"] = "bitrix24.is_error" } } },
    classes = { "bitrix24.Error" },
  },
  {
    page = "applications", title = "Applications",
    about = "OAuth: consent, the first pair of tokens, and where it is kept.",
    shows = {
      { "lua/bitrix24/oauth.lua", { ["oauth.*"] = "bitrix24.oauth." } },
      { "lua/bitrix24/tokens.lua", { ["tokens.file"] = "bitrix24.token_file", ["TokenFile:*"] = "store:" } },
    },
    classes = { "bitrix24.Tokens", "bitrix24.TokenStore" },
  },
  {
    page = "events", title = "Events", head = "lua/bitrix24/events.lua",
    shows = {
      { "lua/bitrix24/events.lua", { ["events.*"] = "events." } },
      { "lua/bitrix24/events/offline.lua", { ["return"] = "events.offline" } },
    },
    classes = { "bitrix24.Event", "bitrix24.OfflineOptions", "bitrix24.OfflineEvent" },
  },
  {
    page = "planning", title = "Looking before leaping", head = "lua/bitrix24/plan.lua",
    shows = { { PORTAL, { ["methods.plan"] = "portal:plan" } } },
    classes = { "bitrix24.Plan", "bitrix24.PlannedCall" },
  },
  {
    page = "recording", title = "Recording and replaying", head = "lua/bitrix24/record.lua", shows = {},
    about = "`bitrix24.connect{ webhook = …, record = path }` writes what is asked and answered to a file; "
      .. "`bitrix24.connect{ replay = path }` answers from it, without a portal, a network or credentials. "
      .. "What is not recorded is a `config` error that names the nearest request that is; with "
      .. "`replay = { path = path, strict = false }` the nearest of the same method answers.\n",
  },
  {
    page = "loops", title = "Inside of an event loop", head = "lua/bitrix24/loop.lua",
    shows = {
      { "lua/bitrix24/loop/luv.lua", { ["return"] = "bitrix24.loop.luv" } },
      { "lua/bitrix24/loop/cqueues.lua", { ["return"] = "bitrix24.loop.cqueues" } },
    },
  },
  {
    page = "progress", title = "Progress", head = "lua/bitrix24/progress.lua",
    shows = { { "lua/bitrix24/progress.lua", { ["return"] = "progress" } } },
  },
  {
    page = "catalogue", title = "The catalogue",
    about = "`local catalogue = require \"bitrix24.catalogue\"`: the documented methods, as data. "
      .. "They are listed in [methods](methods.md).",
    shows = { { "lua/bitrix24/catalogue.lua", { ["catalogue.*"] = "catalogue." } } },
    classes = { "bitrix24.Row", "bitrix24.Param" },
  },
  {
    page = "checking", title = "Checking scripts", head = "lua/bitrix24/check.lua",
    shows = { { "lua/bitrix24/check.lua", { ["check.*"] = "check." } } },
    classes = { "bitrix24.Finding", "bitrix24.Findings" },
  },
  {
    page = "sandbox", title = "The sandbox portal", head = "lua/bitrix24/sandbox.lua",
    shows = { { "lua/bitrix24/sandbox.lua", { ["sandbox.*"] = "sandbox.", ["Sandbox:*"] = "sb:" } } },
    classes = { "bitrix24.SandboxOptions", "bitrix24.Sandbox", "bitrix24.SandboxPort" },
  },
}
