--- Reads the documentation out of Lua sources: what stands in comments right
-- before functions and classes. Knows our way of writing: `---` begins a
-- comment that documents, `---@param name type text` and its like describe.

local source = {}

--- The parts of an annotation's rest: a type, which may hold blanks inside of
-- brackets or around a bar, and the text behind it.
local function split_type(rest)
  local depth, at = 0, 1
  while at <= #rest do
    local c = rest:sub(at, at)
    if c:find "[%(%[{<]" then depth = depth + 1 end
    if c:find "[%)%]}>]" then depth = depth - 1 end
    if c:find "%s" and depth == 0 then
      local glued = rest:sub(1, at - 1):find "[,:|]$" or rest:find("^%s*|", at)
      if not glued then break end
      at = rest:find("%S", at) - 1
    end
    at = at + 1
  end
  return rest:sub(1, at - 1), (rest:sub(at):gsub("^%s+", ""))
end

local function described(rest)
  local kind, text = split_type(rest)
  return { type = kind, text = text, rest = rest }
end

local function named(rest)
  local name, more = rest:match "^(%S+)%s*(.*)$"
  local item = described(more or "")
  item.name = name
  return item
end

--- A block of comment lines: its text and its annotations.
local function read_block(lines)
  local block, last = { text = {}, params = {}, returns = {}, fields = {} }, nil
  for _, line in ipairs(lines) do
    local tag, rest = line:match "^%-%-%-@(%w+)%s*(.*)$"
    local more = line:match "^%-%-%-?%s?(.*)$"
    if not tag then
      -- what follows an annotation goes on with it, be it in the midst of its type
      if last then
        last.rest = (last.rest .. " " .. more):gsub("%s+", " ")
        last.type, last.text = split_type(last.rest)
      else
        table.insert(block.text, more)
      end
    elseif tag == "param" or tag == "field" then
      last = named(rest)
      table.insert(tag == "param" and block.params or block.fields, last)
    elseif tag == "return" then
      last = described(rest)
      table.insert(block.returns, last)
    elseif tag == "class" then
      block.class, rest = rest:match "^([%w_.]+)%s*(.*)$"
      block.parents = rest:match "^:%s*(.*)$"
      if not block.parents and rest ~= "" then table.insert(block.text, rest) end
      last = nil
    elseif tag == "meta" then
      block.meta = true
    end
  end
  while block.text[#block.text] == "" do table.remove(block.text) end
  return block
end

--- What a file documents, in its order.
---@param path string
---@return table[] functions { name, args, text, params, returns, line }
---@return table<string, table> classes by name { text, fields, parents }
---@return string[] head the comment at the beginning
function source.read(path)
  local functions, classes, head = {}, {}, nil
  local block, number = {}, 0
  for line in io.lines(path) do
    number = number + 1
    if line:find "^%-%-" then
      table.insert(block, line)
    else
      local read = read_block(block)
      if not head and (#block > 0 or line ~= "") then head = read.text end
      if read.class then classes[read.class] = read end
      local name, args = line:match "^function%s+([%w_.:]+)%s*(%b())"
      if not name then
        args = line:match "^return%s+function%s*(%b())"
        name = args and "return"
      end
      if name then
        read.name, read.args, read.line = name, args, number
        read.silent = #block == 0 or not block[1]:find "^%-%-%-"
        table.insert(functions, read)
      end
      block = {}
    end
  end
  return functions, classes, head or {}
end

return source
