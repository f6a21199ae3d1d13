-- Recordings that are no good: what is wrong is said at once, with the line.

local bitrix24 = require "bitrix24"

local HEAD = '{"recording":"bitrix24","version":1,"origin":"https://example.bitrix24.com"}\n'
local PROFILE = '{"method":"profile","version":2,"request":{},"answer":{"result":{"ID":"5"},"time":{}}}\n'

describe("a replay", function()
  local path

  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  local function replay(text)
    do
      local file <close> = assert(io.open(path, "wb"))
      assert(file:write(text))
    end
    local portal <close> = bitrix24.connect { replay = path }
    return portal.profile().ID
  end

  local function refused(words, f, ...)
    local ok, e = pcall(f, ...)
    assert.is_false(ok)
    assert.is_true(bitrix24.is_error(e), tostring(e))
    assert.equal("config", e.kind)
    assert.truthy(e.message:find(words, 1, true), e.message)
    return e
  end

  it("names the line that is no exchange, whatever is in it", function()
    for _, line in ipairs {
      "{broken", "[1,2]", "5", "", "\0\0", '{"method":5}', '{"answer":{"result":1}}',
      '{"method":"profile","verdict":5}', '{"method":"profile","verdict":{}}',
      '{"method":"profile","text":7}', '{"method":"profile","base64":7}', '{"method":"profile","status":"x"}',
      '{"method":"profile","url":5}', '{"method":"profile","message":{}}', '{"method":"profile","outcome":7}',
    } do
      refused("line 3 is no exchange", replay, HEAD .. PROFILE .. line .. "\n" .. PROFILE)
    end
  end)

  it("takes no harm from a batch that a script wrote by hand", function()
    assert.equal("5", replay(HEAD .. '{"method":"batch","request":5,"answer":[1]}\n'
      .. '{"method":"batch","request":{"cmd":{"a":5,"b":{}}},"answer":{"result":{"result":{"a":1}}}}\n'
      .. '{"method":"batch","version":3,"request":[1,"x",{}],"answer":{"result":5}}\n' .. PROFILE))
    local portal <close> = bitrix24.connect { replay = path }
    refused("not in the recording", portal.call, portal, "batch", { cmd = { a = 7 } })
    refused("not in the recording", portal.v3.call, portal.v3, "batch", bitrix24.array { 7 })
  end)

  it("reads files from Windows, and any origin", function()
    assert.equal("5", replay((HEAD .. PROFILE):gsub("\n", "\r\n")))
    assert.equal("5", replay(HEAD:gsub("https://[^\"]*", "ftp://x/y z") .. PROFILE))
  end)

  it("tells what is no file, once", function()
    local e = refused("Is a directory", bitrix24.connect, { replay = "/tmp" })
    assert.equal("connect: option 'replay': /tmp: Is a directory", e.message)
    e = refused("No such file", bitrix24.connect, { replay = "/no/such/recording" })
    assert.equal("connect: option 'replay': /no/such/recording: No such file or directory", e.message)
  end)

  it("is not recorded over while another portal is recorded there, however the path is spelled", function()
    os.remove(path)
    local webhook = "https://example.bitrix24.com/rest/1/abcdefgh/"
    local first <close> = bitrix24.connect { webhook = webhook, record = path }
    local spelled = path:gsub("([^/]*)$", "./%1")
    local e = refused("another portal is recorded there", bitrix24.connect,
      { webhook = webhook, record = spelled })
    assert.truthy(e.message:find(spelled, 1, true))
    first:close()
    local second <close> = bitrix24.connect { webhook = webhook, record = spelled }
    assert.is_truthy(second)
  end)
end)
