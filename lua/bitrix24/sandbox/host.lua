--- The portal's side of the server: runs in the server's own Lua state, gets
-- requests from the connections' threads and orders from the script that
-- started the sandbox. Never in the script's state.

local assert, error, ipairs, pairs, require, tostring, xpcall =
  assert, error, ipairs, pairs, require, tostring, xpcall
local concat, sort = table.concat, table.sort
local traceback = debug.traceback
local json = require "bitrix24.json"
local batch = require "bitrix24.sandbox.batch"
local batch3 = require "bitrix24.sandbox.batch3"
local moves = require "bitrix24.sandbox.moves"
local portals = require "bitrix24.sandbox.portal"
local router = require "bitrix24.sandbox.router"
local stores = require "bitrix24.sandbox.store"
local system = require "bitrix24.sandbox.system"

local _ENV = nil -- luacheck: ignore

--- Parameters may nest as deep as an answer that is read; they are listed as they came.
local DEPTH_MAX = 1000

local controls = {}

function controls.requests(portal) return json.array(portal.journal.list) end

function controls.errors(portal) return json.array(portal.errors) end

-- A control answers with a value, or nil and what the caller did wrong: text and,
-- of a kind that does not exist, the kind and those that do.

local function no_such_kind(store, where, kind)
  local names = json.array {}
  for name in pairs(store.kinds) do names[#names + 1] = name end
  sort(names)
  local text = ("%sthere are no records of kind '%s'; the kinds are %s")
    :format(where, tostring(kind), concat(names, ", "))
  return { text = text, kind = kind, kinds = names }
end

--- The server is up: its address is known.
function controls.begin(portal, order)
  for kind in pairs(portal.options.fixture or {}) do
    if not portal.store:has(kind) then return nil, no_such_kind(portal.store, "fixture: ", kind) end
  end
  local tokens = portal.tokens
  portal.url, portal.domain = order.url, order.domain
  portal.moves = moves.new(portal)
  return {
    code = portal.code,
    oauth = {
      client_id = tokens.client_id,
      client_secret = tokens.client_secret,
      access_token = tokens.first.access_token,
      refresh_token = tokens.first.refresh_token,
      expires = tokens.first.expires,
      expired_token = tokens.first_expired,
      code = tokens.first_code,
      member_id = tokens.member_id,
    },
  }
end

-- Kinds that are one in the store: a department is a node of the structure.
local NODES = { departments = "DEPARTMENT", teams = "TEAM" }

local function nodes_of(store, node_type)
  local list = {}
  for _, node in ipairs(store:records("nodes")) do
    if node.type == node_type then list[#list + 1] = node end
  end
  return list
end

function controls.records(portal, order)
  local store, kind = portal.store, order.kind
  if NODES[kind] then return json.array(nodes_of(store, NODES[kind])) end
  if store:has(kind) then return json.array(store:records(kind)) end
  return nil, no_such_kind(store, "", kind)
end

function controls.set(portal, order)
  local store, fields = portal.store, order.fields
  if not store:has(order.kind) then return nil, no_such_kind(store, "set: ", order.kind) end
  store:set(order.kind, order.id, fields)
  return true
end

function controls.fault(portal, order)
  portal.faults:add(order.fault)
  return true
end

function controls.move(portal, order)
  if not order.status then return portal.moves:undo() end
  return portal.moves:go(order.status, order.to)
end

function controls.reset(portal)
  portal.moves:undo()
  portal.store:reset()
  portal:restart()
  return true
end

function controls.time(portal, order)
  portal.shift = portal.shift + order.seconds
  return true
end

local function load_domains(portal)
  system(portal)
  batch(portal)
  batch3(portal)
  for _, domain in ipairs(require "bitrix24.sandbox.domains") do
    require(domain)(portal)
  end
end

local function bare_answer(portal, problem)
  portal.errors[#portal.errors + 1] = problem
  return {
    status = 500,
    headers = { ["Content-Type"] = "application/json; charset=utf-8" },
    body = '{"error":"INTERNAL_SERVER_ERROR","error_description":"Internal server error"}',
  }
end

--- Make a portal.
---@param text string options as JSON
---@param helpers table { now= }
---@return function handle (http_method, uri, headers, body) → status, headers, body, directives
---@return function control (text) → text
return function(text, helpers)
  local options = assert(json.decode(text))
  for key, value in pairs(options) do
    if value == json.null then options[key] = nil end
  end
  local store = stores.new { seed = options.seed, sizes = options.sizes, fixture = options.fixture }
  local portal = portals.new(options, store, helpers.now)
  load_domains(portal)

  local function handle(http_method, uri, headers, body)
    local request = { http_method = http_method, uri = uri, headers = headers, body = body }
    local done, answer = xpcall(router.handle, traceback, portal, request)
    if not done then answer = bare_answer(portal, tostring(answer)) end
    return answer.status or 500, router.flat_headers(answer.headers or {}), answer.body or "", {
      delay = answer.delay, transfer = answer.transfer, every = answer.every, forget = answer.forget,
    }
  end

  local function control(order_text)
    local order = assert(json.decode(order_text, { nulls = "keep" }))
    local run = controls[order.op]
    local value, refused = run(portal, order)
    local answer, where, why = json.encode({ answer = value, refused = refused }, nil, nil, DEPTH_MAX)
    if not answer then error(("%s: %s"):format(tostring(where), tostring(why)), 0) end
    return answer
  end

  return handle, control
end
