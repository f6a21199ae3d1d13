--- Checks the links of pages of Markdown: files and headings that they lead to
-- must be there. Addresses elsewhere are looked at, not fetched.
--
--     lua5.4 csrc/docs/links.lua PAGE.md ...

local headings, texts = {}, {}

local function read(path)
  if texts[path] == nil then
    local file = io.open(path, "rb")
    local text = file and file:read "a" -- a folder opens, but does not read
    if file then file:close() end
    texts[path] = text or file ~= nil
  end
  return texts[path]
end

--- The anchors of a page, as they are made of its headings.
local function anchors(path)
  if headings[path] then return headings[path] end
  local found, code = {}, false
  for line in (read(path) .. "\n"):gmatch "(.-)\n" do
    if line:find "^```" then code = not code end
    local title = not code and line:match "^#+%s+(.-)%s*$"
    if title then
      title = title:gsub("%[(.-)%]%b()", "%1"):lower():gsub("[^%w%s_\128-\255-]", ""):gsub("%s", "-")
      local plain, n = title, 0
      while found[title] do
        n = n + 1
        title = plain .. "-" .. n
      end
      found[title] = true
    end
  end
  headings[path] = found
  return found
end

local function join(folder, path)
  local full = folder .. path
  repeat
    local count
    full, count = full:gsub("[^/]+/%.%./", "", 1)
  until count == 0
  return (full:gsub("/%./", "/"))
end

local broken, count = 0, 0

local function check(page, number, target)
  count = count + 1
  local why
  if target:find "^https?://" then
    if not target:find "^https://[%w.-]+%.%a+[%w%p]*$" or target:find "[%s<>]" then why = "no address" end
  else
    local path, anchor = target:match "^([^#]*)#?(.*)$"
    local full = path == "" and page or join(page:match "^.*/" or "", path)
    if not read(full) then
      why = "there is no " .. full
    elseif anchor ~= "" and not (type(read(full)) == "string" and anchors(full)[anchor]) then
      why = ("%s has no heading #%s"):format(full, anchor)
    end
  end
  if why then
    broken = broken + 1
    io.stderr:write(("%s:%d: %s: %s\n"):format(page, number, target, why))
  end
end

for _, page in ipairs(arg) do
  if type(read(page)) ~= "string" then
    io.stderr:write(page, ": cannot be read\n")
    os.exit(1)
  end
  local number, code = 0, false
  for line in (read(page) .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    if line:find "^%s*```" then code = not code end
    if not code and not line:find "^    " then
      for target in line:gsub("`[^`]*`", ""):gmatch "%]%(([^)%s]+)%)" do check(page, number, target) end
    end
  end
end
if broken > 0 then os.exit(1) end
print(("%d links of %d pages lead somewhere"):format(count, #arg))
