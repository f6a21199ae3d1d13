--- A list into a file, whatever happens: the records go to FILE.part, which gets
-- the name FILE when they are complete. With a checkpoint, FILE.part.pages says
-- how long FILE.part was after each page, by the id that the checkpoint keeps:
-- what was written behind it is cut off when the export goes on, so that no
-- record is missing and none is there twice.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local json = require "bitrix24.json"

local console = core.console
local pcall, setmetatable, type = pcall, setmetatable, type
local open, remove, rename = io.open, os.remove, os.rename

local _ENV = nil -- luacheck: ignore

local export = {}

---@class bitrix24.cli.Export
---@field resumed integer? records that an earlier run wrote
---@field columns string[]? that the earlier run chose
---@field records integer
local Export = {}
Export.__index = Export

local function fail(message, hint) errors.config(message, hint) end

--- The first of the results, or an error. What went wrong names the path or not.
local function check(done, why, path)
  if not done then fail("cannot write " .. (path and ("%s: %s"):format(path, why) or why)) end
  return done
end

local function read_json(path)
  local file = open(path, "rb")
  local body = file and file:read("a")
  if file then file:close() end
  return body and json.decode(body)
end

--- The notes of an earlier run: how it was asked for, its columns, and its
-- line of a page.
local function read_pages(path, last)
  local file <close> = open(path, "rb")
  if not file then return nil end
  local meta, found, columns = json.decode(file:read("l") or ""), nil, nil
  for line in file:lines() do
    local page = json.decode(line)
    if type(page) == "table" then
      columns = page.columns or columns
      if page.last == last then found = page end
    end
  end
  return type(meta) == "table" and meta or nil, found, columns
end

local function size_of(path)
  local file <close> = open(path, "rb")
  return file and file:seek("end")
end

--- Does the list's checkpoint belong to what is in FILE.part? The page to go on from.
local function find_page(self, state)
  local meta, page, columns = read_pages(self.pages_path, state.last)
  local hint = ("delete %s to begin anew"):format(self.checkpoint)
  if not meta or not page then
    fail(("%s and %s do not belong together"):format(self.checkpoint, self.part_path), hint)
  end
  if self.asked.format ~= meta.format or self.asked.columns ~= meta.asked then
    fail(("%s was begun with another --format or --columns"):format(self.part_path), hint)
  end
  if (size_of(self.part_path) or -1) < page.length then
    fail(("%s is shorter than it was: it cannot be gone on with"):format(self.part_path), hint)
  end
  return page, columns
end

--- Go on behind the page that the checkpoint names, if there is one.
local function resume(self)
  local state = self.checkpoint and read_json(self.checkpoint)
  if type(state) ~= "table" then return false end
  local page, columns = find_page(self, state)
  check(console.truncate(self.part_path, page.length))
  self.resumed, self.records, self.length, self.columns = page.records, page.records, page.length, columns
  return true
end

---@param path string the final name
---@param checkpoint string? of the list
---@param asked { format: string, columns: string? }
---@return bitrix24.cli.Export
function export.open(path, checkpoint, asked)
  local self = setmetatable({
    path = path, part_path = path .. ".part", pages_path = path .. ".part.pages",
    checkpoint = checkpoint, asked = asked, records = 0, length = 0,
  }, Export)
  local file = check(open(self.part_path, "ab"), "no such folder, or no right to write there", path)
  -- two exports must not write the same file: it is its own lock
  local lock, why = core.lock(self.part_path)
  if lock == false then fail(("another export is writing %s"):format(path)) end
  self.lock = check(lock, why, path)
  local ok, resumed = pcall(resume, self)
  if not ok then
    file:close()
    self.lock:release()
    errors.throw(resumed)
  end
  if not resumed then check(console.truncate(self.part_path, 0)) end
  self.file = file
  file:setvbuf("full", 65536)
  if checkpoint then
    self.pages = check(open(self.pages_path, resumed and "ab" or "wb"))
    if not resumed then
      check(self.pages:write(json.encode { format = asked.format, asked = asked.columns }, "\n"))
    end
  end
  return self
end

--- One page more. When this returns, the file holds it.
---@param body string
---@param count integer records in it
---@param last any the id of its last record, for the checkpoint
---@param columns string[]? that the writer chose
function Export:write(body, count, last, columns)
  local written, problem = self.file:write(body)
  check(written, problem, self.part_path)
  self.length, self.records = self.length + #body, self.records + count
  if not self.pages then return end
  written, problem = self.file:flush()
  check(written, problem, self.part_path)
  local line = json.encode {
    last = last, length = self.length, records = self.records,
    columns = self.records == count and columns or nil,
  }
  written, problem = self.pages:write(line, "\n")
  if written then written, problem = self.pages:flush() end
  check(written, problem, self.pages_path)
end

--- The records are complete: the file gets its name.
---@param body string what stands behind the last page
function Export:commit(body)
  local done, why = self.file:write(body)
  if done then done, why = console.sync(self.file, self.part_path) end
  check(done, why, self.path)
  self.file:close()
  check(rename(self.part_path, self.path))
  if self.pages then
    self.pages:close()
    remove(self.pages_path)
  end
  self.lock:release()
  self.file = nil
end

--- It failed or was interrupted. What can be gone on with stays.
---@return boolean kept
function Export:abandon()
  if not self.file then return false end
  pcall(self.file.close, self.file)
  self.file = nil
  local kept = self.checkpoint ~= nil and read_json(self.checkpoint) ~= nil
  if self.pages then pcall(self.pages.close, self.pages) end
  if not kept then
    remove(self.part_path)
    remove(self.pages_path)
  end
  self.lock:release()
  return kept
end

return export
