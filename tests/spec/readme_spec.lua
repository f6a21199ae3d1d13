-- What README.md shows is run as it stands, against a sandbox.

local bitrix24 = require "bitrix24"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local README = read("README.md")

--- The blocks of a language, each with the number of its first line.
local function blocks(language)
  local out, number, current = {}, 0, nil
  for line in README:gmatch("([^\n]*)\n") do
    number = number + 1
    if current and line == "```" then
      current.text = table.concat(current, "\n")
      out[#out + 1], current = current, nil
    elseif current then
      current[#current + 1] = line
    elseif line == "```" .. language then
      current = { line = number + 1 }
    end
  end
  return out
end

--- Rows of the table under a heading: name, code.
local function rows(heading)
  local out = {}
  local section = README:match("\n## " .. heading .. "\n(.-)\n## ")
  for name, code in section:gmatch("\n| ([^|\n]-) | `([^`\n]+)`") do
    if name ~= "page" then out[#out + 1] = { name = name, code = code } end
  end
  return out
end

describe("README.md", function()
  local here = require "support.portal" (_ENV, { tasks = 60, contacts = 300, chats = 40 })
  local printed, environment

  local store

  --- Options of the document, at the sandbox.
  local function at_sandbox(given)
    local out = {}
    for name, value in pairs(given) do out[name] = value end
    if out.domain then out.domain, out.oauth_url = here.sb.url, out.tokens and here.sb.url end
    return out
  end

  before_each(function()
    printed, store = {}, os.tmpname()
    os.remove(store)
    local module = setmetatable({
      connect = function(given) return here:connect(type(given) == "table" and at_sandbox(given) or nil) end,
      token_file = function() return bitrix24.token_file(store) end,
      oauth = {
        authorize_url = bitrix24.oauth.authorize_url,
        exchange = function(given)
          given.oauth_url = here.sb.url
          return bitrix24.oauth.exchange(given)
        end,
      },
    }, { __index = bitrix24 })
    local known = {
      BITRIX24_WEBHOOK = here.sb.webhook, CLIENT_ID = here.sb.oauth.client_id,
      CLIENT_SECRET = here.sb.oauth.client_secret,
    }
    environment = setmetatable({
      portal = here.portal, bitrix24 = module,
      app = here:connect { domain = here.sb.url, access_token = here.sb.oauth.access_token },
      os = setmetatable({ getenv = function(name) return assert(known[name], name) end }, { __index = os }),
      io = setmetatable({ read = function() return here.sb.oauth.code end }, { __index = io }),
      print = function(...)
        local words = table.pack(...)
        for i = 1, words.n do words[i] = tostring(words[i]) end
        printed[#printed + 1] = table.concat(words, " ")
      end,
      require = function(name)
        return name == "bitrix24" and module or require(name)
      end,
    }, { __index = _G })
  end)

  after_each(function()
    for _, suffix in ipairs { "", ".lock", ".new" } do os.remove(store .. suffix) end
  end)

  --- Run a piece of the document; → what it returns.
  local function run(text, name)
    local chunk = load("return " .. text, "@" .. name, "t", environment)
      or assert(load(text, "@" .. name, "t", environment))
    return chunk()
  end

  local found = blocks "lua"

  it("has its blocks", function() assert.truthy(#found >= 5) end)

  for _, block in ipairs(found) do
    it("runs the block of line " .. block.line, function()
      -- documented, not in the sandbox: answered as the documentation says
      here.sb:fault { method = "task.commentitem.add", action = { body = '{"result":3157,"time":{}}' } }
      run(block.text, "README.md:" .. block.line)
      for _, line in ipairs(printed) do
        assert.falsy(line:find("^nil") or line:find("table: 0x", 1, true), line)
      end
      for _, request in ipairs(here:sent()) do
        assert.truthy(request.fault or request.status == 200 or request.method == "crm.calllist.get",
          ("%s gave HTTP %s"):format(request.method, request.status))
      end
    end)
  end

  it("shows in the first block a call list that is then there", function()
    local before = #here.sb:records("calllists")
    run(found[1].text, "README.md")
    local id = tonumber(printed[#printed]:match("^call list (%d+)$"))
    assert.truthy(#printed > 10)
    local lists = here.sb:records("calllists")
    assert.equal(before + 1, #lists)
    assert.equal(id, lists[#lists].ID)
  end)

  describe("has one line for each page of documentation:", function()
    local lines = rows "The documents this began with"

    it("twenty and more", function() assert.truthy(#lines >= 20, #lines) end)

    for _, row in ipairs(lines) do
      it(row.name, function()
        environment.id = here.portal.crm.calllist.add { ENTITY_TYPE = "CONTACT", ENTITIES = { 1, 2, 3 } }
        environment.sid = here.portal.crm.automatedsolution.list:first().id
        if row.name:find("delete (application)", 1, true) or row.name:find("run (application)", 1, true) then
          environment.app.crm.automation.trigger.add { CODE = "c5u4m", NAME = "Paid" }
        end
        if row.name == "workplace: delete" then -- one with smart processes cannot be deleted
          here.portal.crm.automatedsolution.update { id = environment.sid, fields = { typeIds = {} } }
        end
        -- whichever chat the webhook's user may see
        local chat = here.portal.im.search.chat.list { FIND = "Project" }[1].id
        run((row.code:gsub("chat42", "chat" .. chat)), row.name)
        for _, request in ipairs(here:sent()) do assert.equal(200, request.status, request.method) end
      end)
    end
  end)

  it("tells the number of methods as the catalogue has it", function()
    local shown = README:match("([%d,]+) documented"):gsub(",", "")
    assert.equal(require "bitrix24.catalogue".count(), tonumber(shown))
  end)

  it("names every option that connect takes, and none that it does not", function()
    local options = require "bitrix24.options"
    local text = README:match("`connect` takes.-\n\n")
    for _, name in ipairs { "webhook", "domain", "access_token", "timeout", "connect_timeout", "retries",
      "wait_max", "max_connections", "tokens", "nulls", "strict", "ca_file", "proxy", "user_agent",
      "insecure", "log" } do
      assert.truthy(text:find("`" .. name .. "`", 1, true), name)
      local ok, e = pcall(options.read, { [name] = {} })
      assert.is_false(ok)
      assert.falsy(tostring(e):find("unknown option", 1, true), name)
    end
    for name in text:gmatch("`([%l_]+)`") do
      local _, e = pcall(options.read, { [name] = {} })
      local known = not tostring(e):find("unknown option", 1, true) or name == "connect"
      assert.truthy(known, name)
    end
  end)
end)
