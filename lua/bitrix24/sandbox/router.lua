--- From a request to an answer: addresses, parameters, authorization, limits,
-- faults, envelopes (settings/how-to-call-rest-api/general-principles).

local find, gmatch, match = string.find, string.gmatch, string.match
local next, pairs, tostring, type = next, pairs, tostring, type
local breaks = require "bitrix24.sandbox.breaks"
local failure = require "bitrix24.sandbox.failure"
local form = require "bitrix24.sandbox.form"
local idempotency = require "bitrix24.sandbox.idempotency"
local json = require "bitrix24.json"
local keyorder = require "bitrix24.sandbox.keyorder"

local _ENV = nil -- luacheck: ignore

local router = {}

local function json_answer(portal, status, value)
  local body, where, why = json.encode(value)
  if not body then
    portal:report("answer", ("%s: %s"):format(tostring(where), tostring(why)))
    status, body = 500, '{"error":"INTERNAL_SERVER_ERROR","error_description":"Internal server error"}'
  end
  return { status = status, headers = { ["Content-Type"] = "application/json; charset=utf-8" }, body = body }
end

--- Put a failure into an answer of a version.
local function word(portal, version)
  return function(failed) return json_answer(portal, failed.status, failure.body(failed, version)) end
end

--- Read /rest/[hop-N/][api/][USER/CODE/]METHOD[.json]; the hops are those of
-- the fault "redirect_new".
local function read_path(path)
  local target = { version = 2 }
  local segments = {}
  for segment in gmatch(match(path, "^/rest/(.*)$"), "[^/]+") do
    segments[#segments + 1] = form.unescape(segment)
  end
  local first = 1
  if match(segments[1] or "", "^hop%-%d+$") then first = 2 end
  if segments[first] == "api" then target.version, first = 3, first + 1 end
  if segments[first] and segments[first + 1] and match(segments[first], "^%d+$") then
    target.user, target.code = segments[first], segments[first + 1]
    first = first + 2
  end
  target.method = (segments[first] or ""):gsub("%.json$", "")
  return target
end

local function is_typed(request, kind)
  return find((request.headers["content-type"] or ""):lower(), kind, 1, true) ~= nil
end

local function is_json(request) return is_typed(request, "json") end

local function decode_json(text)
  if find(text, "^%s*$") then return {} end
  local value = json.decode(text, { nulls = "keep" }) -- null clears a field
  if type(value) ~= "table" then return nil end
  keyorder.learn(text, value)
  return value
end

--- Parameters of REST 2: query string and body together.
local function read_params2(request, query)
  local params = form.decode(query)
  local body
  if request.body == "" then return params end
  if is_json(request) then
    body = decode_json(request.body)
    if not body then return params, failure.new("INVALID_REQUEST", "The request body is not valid JSON") end
  elseif is_typed(request, "multipart/form-data") then
    body = form.multipart(request.body, request.headers["content-type"])
  else
    body = form.decode(request.body)
  end
  if next(params) == nil then return body end
  if body[1] ~= nil then -- positional parameters; of the query only the token counts
    return body, nil, params.auth
  end
  for key, value in pairs(params) do
    if body[key] == nil then body[key] = value end
  end
  return body
end

--- Parameters of REST 3.0: a JSON body and nothing else.
local function read_params3(request)
  if request.http_method ~= "POST" or request.body == "" then
    if request.body == "" and is_typed(request, "form") then
      return {}, failure.new3("INVALIDJSONEXCEPTION", "The request body is not valid JSON")
    end
    return {}
  end
  local params = is_json(request) and decode_json(request.body)
  if params then return params end
  return {}, failure.new3("INVALIDJSONEXCEPTION", "The request body is not valid JSON")
end

--- Who calls. → visitor or nil, failure
local function authorize(portal, target, token)
  if target.code then
    if target.code ~= portal.code or target.user ~= "1" then return nil, failure.new("NO_AUTH_FOUND") end
    return { auth = "webhook", user_id = 1, client = "webhook:" .. target.code }
  end
  if token == nil then return nil, failure.new("NO_AUTH_FOUND") end
  local user_id, refused = portal.tokens:check(token)
  if not user_id then return nil, refused end
  return { auth = "app", user_id = user_id, client = "app:" .. portal.tokens.client_id }
end

local function envelope(portal, version, method, outcome)
  if outcome.failure then return word(portal, version)(outcome.failure) end
  local result = outcome.result
  if result == nil then result = json.null end
  if method.envelope == false then return json_answer(portal, 200, result) end
  local body = { result = result, time = outcome.time }
  if version == 2 then body.total, body.next = outcome.total, outcome.next end
  return json_answer(portal, 200, body)
end

--- The answer as it would be without a fault; `job.visitor` tells of a fault
-- that struck a command of a batch.
local function natural(portal, request, job)
  local refuse = word(portal, job.version)
  if portal.bucket and not portal.bucket:admit(portal:now()) then
    return refuse(failure.new("QUERY_LIMIT_EXCEEDED"))
  end
  local visitor, refused = authorize(portal, job.target, job.token)
  if not visitor then return refuse(refused) end
  if job.problem then return refuse(job.problem) end
  local method, missing = portal:find(job.version, job.target.method)
  if not method then return refuse(missing) end
  visitor.entry = job.entry
  job.visitor = visitor
  local function run()
    return envelope(portal, job.version, method, portal:run(visitor, method, job.params))
  end
  local key = job.version == 3 and request.headers["idempotency-key"]
  if not key or not idempotency.is_write(method) then return run() end
  local answer, rejected
  answer, rejected, job.forget = idempotency.around(portal, visitor, method, job.params, key, run)
  if answer then return answer end
  answer = refuse(rejected)
  answer.headers["Idempotency-Key"] = key
  return answer
end

--- Answer, broken by what was ordered for the method.
local function answer_with_faults(portal, name, entry, request, run, refuse)
  local fault = portal.faults:take(name, false)
  local answer, job
  if not fault or breaks.runs_first(fault) then answer, job = run() end
  fault = fault or (job and job.visitor and job.visitor.broken)
  if not fault then return answer end
  entry.fault = type(fault.action) == "string" and fault.action or "table"
  -- the answer is an error after all: no key brings it back (api-reference/rest-v3)
  if job and job.forget and not breaks.is_transport(fault.action) then job.forget() end
  return breaks.apply(fault.action, answer, refuse, request)
end

local function rest(portal, request, path, query, entry)
  local target = read_path(path)
  local job = { target = target, version = target.version, entry = entry }
  local token
  if job.version == 3 then
    job.params, job.problem = read_params3(request)
  else
    job.params, job.problem, token = read_params2(request, query)
  end
  job.token = token or job.params.auth
    or match(request.headers["authorization"] or "", "^[Bb]earer%s+(%S+)")
  job.params.auth = nil
  portal.journal:describe(entry, target.method, job.version, job.params)
  local elsewhere = portal.moves and portal.moves:answer(request)
  if elsewhere then return elsewhere end
  return answer_with_faults(portal, target.method, entry, request, function()
    return natural(portal, request, job), job
  end, word(portal, job.version))
end

local function token_endpoint(portal, request, _, query, entry)
  local params = form.decode(query)
  for key, value in pairs(form.decode(request.body)) do params[key] = value end
  portal.journal:describe(entry, "oauth.token", 2, params)
  local refuse = word(portal, 2)
  return answer_with_faults(portal, "oauth.token", entry, request, function()
    local granted, refused = portal.tokens:exchange(params)
    if refused then return refuse(refused) end
    return json_answer(portal, 200, granted)
  end, refuse)
end

--- The consent page agrees at once and sends the browser back with a code.
local function consent_page(portal, _, _, query, entry)
  local params = form.decode(query)
  portal.journal:describe(entry, "oauth.authorize", 2, params)
  if params.client_id ~= portal.tokens.client_id then
    return word(portal, 2)(failure.new("invalid_client"))
  end
  local back = type(params.redirect_uri) == "string" and params.redirect_uri or "http://localhost/"
  local state = type(params.state) == "string" and match(params.state, "^[%w_.~-]+$") or ""
  local location = ("%s%scode=%s&state=%s&domain=%s&member_id=%s&scope=app&server_domain=oauth.bitrix.info")
    :format(back, find(back, "?", 1, true) and "&" or "?", portal.tokens:code(1, 30), state,
      portal.domain or "localhost", portal.tokens.member_id)
  return { status = 302, headers = { Location = location }, body = "" }
end

local function not_found()
  return { status = 404, headers = { ["Content-Type"] = "text/html" }, body = "<html>404 Not Found</html>" }
end

--- Addresses of a domain's own (signed links): portal.routes, prefix →
-- function(request) → status, headers, body. Faults named "download" strike them.
local function own_route(portal, path)
  for prefix, serve in pairs(portal.routes or {}) do
    if path:sub(1, #prefix) == prefix then
      return function(_, request, _, _, entry)
        portal.journal:describe(entry, "download", 2, {})
        return answer_with_faults(portal, "download", entry, request, function()
          local status, headers, body = serve(request)
          return { status = status, headers = headers, body = body }
        end, word(portal, 2))
      end
    end
  end
end

local function route(portal, path)
  if find(path, "^/rest/") then return rest end
  if find(path, "^/oauth/token/?$") then return token_endpoint end
  if find(path, "^/oauth/authorize/?$") then return consent_page end
  return own_route(portal, path) or not_found
end

--- Answer one request.
---@param portal table
---@param request table { http_method=, uri=, headers=, body= }
---@return table answer see breaks.lua
function router.handle(portal, request)
  local path, query = match(request.uri, "^([^?#]*)%??([^#]*)")
  local entry = portal.journal:add(request, portal:now())
  local answer = route(portal, path)(portal, request, path, query, entry)
  local latency = portal.options.latency or 0
  if answer.delay ~= -1 then answer.delay = latency + (answer.delay or 0) end
  if answer.transfer ~= "reset" then entry.status = answer.status end
  return answer
end

--- Headers as a flat list: name, value, name, value.
---@param headers table
---@return string[]
function router.flat_headers(headers)
  local list = {}
  for name, value in pairs(headers) do
    list[#list + 1] = name
    list[#list + 1] = tostring(value)
  end
  return list
end

return router
