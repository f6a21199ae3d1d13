-- The drives of the sandbox: api-reference/disk/storage.

describe("the sandbox's drives", function()
  local bitrix24 = require "bitrix24"
  local here = require "support.portal" (_ENV, { users = 3, files = 60, contacts = 1 })

  local function upload(name, content, more)
    local file = bitrix24.file { name = name, content = content }
    local params = { id = 3, data = { NAME = name }, fileContent = file }
    for key, value in pairs(more or {}) do params[key] = value end
    return here.portal.disk.storage.uploadFile(params)
  end

  it("lists drives by their type", function()
    assert.equal(3, here.portal.disk.storage.getList:count())
    local drive = here.portal.disk.storage.getList { filter = { ENTITY_TYPE = "user" } }
    assert.same({ "1", "My Drive", "user", "4" },
      { drive[1].ID, drive[1].NAME, drive[1].ENTITY_TYPE, drive[1].ROOT_OBJECT_ID })
    assert.equal(1, #drive)
  end)

  it("pages through the root of a drive", function()
    local files = here.portal.disk.storage.getChildren:all { id = 3 }
    assert.equal(60, #files)
    assert.equal(0, here.portal.disk.storage.getChildren:count { id = 1 })
    assert.equal(2, #here.portal.disk.storage.getChildren { id = 3, filter = { ["<ID"] = 3 } })
  end)

  it("keeps what is uploaded, byte for byte", function()
    for _, content in ipairs { "", "a", "ab", "abc", "\0\1\2\255\254", ("x"):rep(70000) } do
      local file = upload("part.bin", content, { generateUniqueName = true })
      local path = os.tmpname()
      here.portal:download(here.portal.disk.file.get { id = file.ID }.DOWNLOAD_URL, path)
      local copy <close> = assert(io.open(path, "rb"))
      os.remove(path)
      assert.equal(content, copy:read "a")
      assert.equal(tostring(#content), file.SIZE)
      assert.equal("8", file.PARENT_ID)
    end
    local last = here.sb:records "files"
    assert.equal("part (5).bin", last[#last].NAME)
  end)

  it("refuses a name that is taken, no name, no content and unknown drives", function()
    upload("one.txt", "1")
    for _, case in ipairs {
      { "DISK_OBJ_22000", { } },
      { "DISK_BASE_SERVICE_22001", { data = { CODE = "x" } } },
      { "ERROR_COULD_NOT_SAVE_FILE", { fileContent = { "one.txt", "not base64!" } } },
      { "ERROR_NOT_FOUND", { id = 77 } },
      { "ERROR_ARGUMENT", { id = "first" } },
    } do
      assert.equal(case[1], here.raises("api", upload, "one.txt", "2", case[2]).code)
    end
  end)

  it("takes no file in a batch", function()
    local answer = here.portal:call("batch", { cmd = { f = "disk.storage.uploadfile?id=3" } })
    assert.equal("ERROR_BATCH_METHOD_NOT_ALLOWED", answer.result_error.f.error)
  end)
end)
