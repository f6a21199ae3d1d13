--- A list into a file, whatever happens: the records go to FILE.part, which gets
-- the name FILE when they are complete. With a checkpoint, FILE.part.pages says
-- how long FILE.part was after each page, by the id that the checkpoint keeps:
-- what was written behind it is cut off when the export goes on, so that no
-- record is missing and none is there twice. A pipe or a device is written as
-- it is, without a part.
-- Invariant: nothing is cut off or removed that could be gone on with, or that
-- is complete.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local files = require "bitrix24.files"
local json = require "bitrix24.json"

local console = core.console
local error, ipairs, pcall, setmetatable, type = error, ipairs, pcall, setmetatable, type
local find, match = string.find, string.match
local open, remove, rename = io.open, os.remove, os.rename

local _ENV = nil -- luacheck: ignore

local export = {}

local ENOSPC, EPIPE = 28, 32 -- everywhere

---@class bitrix24.cli.Export
---@field resumed integer? records that an earlier run wrote
---@field columns string[]? that the earlier run chose
---@field left string[] fields that the earlier run had no column for
---@field records integer
---@field whole boolean? every record is in FILE.part
local Export = {}
Export.__index = Export

-- ---- what may go wrong -----------------------------------------------------

--- Something to ask for in another way.
local function refuse(message, hint) errors.config(message, hint) end

--- The machine's fault, not that of whoever typed the command: `broken`.
local function fail(message, hint)
  error(errors.new { kind = "config", broken = true, message = message, hint = hint }, 0)
end

--- What could not be opened, before anything was fetched.
local function opened(file, why, code)
  if file then return file end
  why = "cannot write " .. why
  if code == ENOSPC then fail(why, "make room, or name a file on another disk") end
  return refuse(why, "name a file in a folder that you may write to")
end

--- Part of the file could not be written.
local function stopped(self, why, code)
  local hint = "make room, or name a file on another disk"
  if self.checkpoint then hint = "make room; the same command goes on then" end
  if code == EPIPE then hint = "what reads it has ended" end
  fail(("cannot write %s: %s"):format(self.part_path or self.path, why), hint)
end

-- ---- the notes of an earlier run -------------------------------------------

local function read_json(path)
  local body = files.read(path)
  return body and json.decode(body)
end

---@class bitrix24.cli.Notes
---@field meta table how it was asked for
---@field found table? the line of the page
---@field records integer in all pages
---@field columns string[]?
---@field left string[]

--- How it was asked for, its columns, and its line of the page that ends with a record.
---@return bitrix24.cli.Notes?
local function read_notes(path, last)
  local file <close> = open(path, "rb")
  if not file then return nil end
  local notes = { meta = json.decode(file:read("l") or ""), records = 0, left = {} }
  if type(notes.meta) ~= "table" then return nil end
  for line in file:lines() do
    local page = json.decode(line)
    if type(page) == "table" then
      notes.columns, notes.records = page.columns or notes.columns, page.records
      for _, name in ipairs(page.left or {}) do notes.left[#notes.left + 1] = name end
      if page.last == last then notes.found = page end
    end
  end
  return notes
end

local function size_of(path)
  local file <close> = open(path, "rb")
  return file and file:seek("end")
end

--- Does the list's checkpoint belong to what is in FILE.part? What to go on from.
local function find_page(self, state)
  local notes = read_notes(self.pages_path, state.last)
  local hint = ("delete %s to begin anew"):format(self.checkpoint)
  if not notes or not notes.found then
    refuse(("%s and %s do not belong together"):format(self.checkpoint, self.part_path), hint)
  end
  if self.asked.format ~= notes.meta.format or self.asked.columns ~= notes.meta.asked then
    refuse(("%s was begun with another --format or --columns"):format(self.part_path), hint)
  end
  if (size_of(self.part_path) or -1) < notes.found.length then
    refuse(("%s is shorter than it was: it cannot be gone on with"):format(self.part_path), hint)
  end
  return notes
end

--- What is there may not be overwritten, unless whoever gave the checkpoint that
-- it was made with has deleted that to begin anew, as the hints say.
local function spare(self)
  local notes = read_notes(self.pages_path)
  if not notes then return end
  local part, anew = self.part_path, ("delete %s to begin anew"):format(self.part_path)
  if notes.meta.whole then
    refuse(("%s holds all %d records of an export that could not get its name"):format(
      part, notes.meta.whole), ("move it to %s, or %s"):format(self.path, anew))
  end
  local made_with = notes.meta.checkpoint
  if notes.records == 0 or made_with and made_with == self.checkpoint then return end
  refuse(("%s holds %d records of an export that was interrupted"):format(part, notes.records),
    made_with and ("go on with --checkpoint %s, or %s"):format(made_with, anew) or anew)
end

--- Go on behind the page that the checkpoint names, if there is one.
local function resume(self)
  local state = self.checkpoint and read_json(self.checkpoint)
  if type(state) ~= "table" then
    if not self.fresh then spare(self) end
    return false
  end
  local notes = find_page(self, state)
  local page = notes.found
  local cut, why = console.truncate(self.part_path, page.length)
  if not cut then fail("cannot write " .. why) end
  self.resumed, self.records, self.length = page.records, page.records, page.length
  self.columns, self.left = notes.columns, notes.left
  return true
end

-- ---- where it is written ---------------------------------------------------

--- Is it a name of standard output?
---@param path string?
---@return boolean
function export.is_output(path)
  for _, name in ipairs { "-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1" } do
    if path == name then return true end
  end
  return false
end

--- Where the path leads, and whether that is written as it is: what is no
-- file, and what a shell has opened already.
local function lead(path)
  if path == "" then refuse("--output names no file", "--output list.csv") end
  if find(path, "^/dev/fd/%d+$") or find(path, "^/proc/[^/]+/fd/%d+$") or path == "/dev/stderr" then
    return path, true
  end
  local real = core.real_path(path)
  local kind = console.kind(real)
  if kind == "folder" then
    refuse(("%s is a folder"):format(path),
      ("name a file in it, e.g. %s/list.csv"):format(match(path, "^(.-)/*$")))
  elseif kind == "link" then
    refuse(("%s is a link to nothing"):format(path), "remove it, or name the file that it should lead to")
  elseif kind == "file" then
    -- that it may be replaced is not to be found out behind the last record
    opened(open(real, "ab")):close()
  end
  return real, kind == "other", kind == "file"
end

--- The checkpoint: a file of its own that can be written.
local function check_checkpoint(self, path)
  local real = core.real_path(path)
  for _, other in ipairs { self.path, self.part_path, self.pages_path } do
    if real == core.real_path(other) or path == other then
      refuse("--checkpoint and --output need a file each", ("--checkpoint %s.state"):format(self.path))
    end
  end
  local folder = match(path, "^(.*)/[^/]*$")
  folder = folder == "" and "/" or folder or "."
  if path == "" or console.kind(real) == "folder" or console.kind(folder) ~= "folder" then
    refuse(("cannot write the checkpoint '%s'"):format(path), "name a file in a folder that there is")
  end
end

--- Whoever holds the lock on FILE.part writes it; two exports must not.
local function lock(self)
  opened(open(self.part_path, "ab")):close() -- with the rights of any new file
  local held, why = core.lock(self.part_path)
  if held == false then
    refuse(("another export is writing %s"):format(self.path), "wait for it, or name another file")
  end
  if not held then fail("cannot write " .. why) end
  self.lock = held
end

--- Open what the records go to.
local function begin(self, replaces)
  local resumed = resume(self)
  if not resumed then
    local cut, why = console.truncate(self.part_path, 0)
    if not cut then fail("cannot write " .. why) end
    remove(self.pages_path)
  end
  if replaces then
    local like, why = console.like(self.part_path, self.path)
    if not like then fail("cannot write " .. why) end
  end
  self.file = opened(open(self.part_path, "ab"))
  self.file:setvbuf("full", 65536)
  if not self.checkpoint then return end
  self.pages = opened(open(self.pages_path, "ab"))
  if not resumed then
    local meta = { format = self.asked.format, asked = self.asked.columns, checkpoint = self.checkpoint }
    self.pages:write(json.encode(meta), "\n")
  end
end

---@param path string the final name
---@param checkpoint string? of the list
---@param asked { format: string, columns: string? }
---@return bitrix24.cli.Export
function export.open(path, checkpoint, asked)
  local real, direct, replaces = lead(path)
  local self = setmetatable({
    path = real, checkpoint = checkpoint, asked = asked, records = 0, length = 0, left = {},
  }, Export)
  if direct then
    if checkpoint then
      refuse(("%s is no file that could be gone on with"):format(path), "leave out --checkpoint")
    end
    self.file = opened(open(real, "ab"))
    return self
  end
  self.part_path, self.pages_path = real .. ".part", real .. ".part.pages"
  if checkpoint then check_checkpoint(self, checkpoint) end
  self.fresh = console.kind(self.part_path) == nil
  lock(self)
  local ok, e = pcall(begin, self, replaces)
  if not ok then
    if self.file then self.file:close() end
    if self.fresh then remove(self.part_path) end
    self.lock:release()
    errors.throw(e)
  end
  return self
end

-- ---- writing ---------------------------------------------------------------

--- One page more. When this returns, the file holds it.
---@param body string
---@param count integer records in it
---@param last any the id of its last record, for the checkpoint
---@param columns string[]? that the writer chose
---@param left string[]? fields of it that are in no column, if there are new ones
function Export:write(body, count, last, columns, left)
  local written, why, code = self.file:write(body)
  if written and (self.pages or not self.part_path) then written, why, code = self.file:flush() end
  if not written then stopped(self, why, code) end
  self.length, self.records = self.length + #body, self.records + count
  if not self.pages then return end
  local line = json.encode {
    last = last, length = self.length, records = self.records,
    columns = self.records == count and columns or nil, left = left,
  }
  written, why, code = self.pages:write(line, "\n")
  if written then written, why, code = self.pages:flush() end
  if not written then stopped(self, why, code) end
end

--- Every record is here, and the file cannot get its name: that is noted, so
-- that no other run begins anew over it.
local function keep(self, why)
  if self.pages then pcall(self.pages.close, self.pages) end
  local notes = open(self.pages_path, "wb")
  if notes then
    notes:write(json.encode { whole = self.records }, "\n")
    notes:close()
  end
  fail(("cannot write %s: %s; all %d records are in %s"):format(
    self.path, why, self.records, self.part_path), "move that to where it should be")
end

--- The records are complete: the file gets its name.
---@param body string what stands behind the last page
function Export:commit(body)
  local done, why, code = self.file:flush()
  if not done then stopped(self, why, code) end
  if not self.part_path then
    done, why, code = self.file:write(body)
    if done then done, why, code = self.file:flush() end
    if not done then stopped(self, why, code) end
    self.file:close()
    self.file = nil
    return
  end
  self.whole = true
  done, why = self.file:write(body)
  if done then done, why = console.sync(self.file) end
  if done then done, why = rename(self.part_path, self.path) end
  if not done then keep(self, why) end
  self.file:close()
  self.file = nil
  if self.pages then self.pages:close() end
  remove(self.pages_path)
  if self.checkpoint then
    -- what runs left that were killed while they saved it
    local n = 0
    while remove(("%s.part%d"):format(self.checkpoint, n)) do n = n + 1 end
  end
  self.lock:release()
end

--- It failed or was interrupted. What can be gone on with stays.
---@return boolean kept
function Export:abandon()
  if not self.file then return false end
  pcall(self.file.close, self.file)
  self.file = nil
  if not self.part_path then return false end
  local kept = self.checkpoint ~= nil and read_json(self.checkpoint) ~= nil
  if self.pages then pcall(self.pages.close, self.pages) end
  if not kept and not self.whole then
    remove(self.part_path)
    remove(self.pages_path)
  end
  self.lock:release()
  return kept
end

return export
