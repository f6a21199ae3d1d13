--- Methods every portal has: server.time, methods, method.get, scope, app.info,
-- profile, feature.get, and of REST 3.0 rest.scope.list and its documentation
-- (api-reference/common/system, api-reference/rest-v3).

local ipairs, pairs, tostring = ipairs, pairs, tostring
local sort = table.sort
local json = require "bitrix24.json"

local _ENV = nil -- luacheck: ignore

local FEATURES = { rest_offline_extended = true, rest_auth_connector = true }

local function scopes(portal, everything)
  local seen, list = {}, {}
  for version = 2, 3 do
    for _, method in pairs(portal.methods[version]) do
      local scope = method.scope
      if scope and scope ~= "basic" and not seen[scope] and (everything or portal:permits(scope)) then
        seen[scope] = true
        list[#list + 1] = scope
      end
    end
  end
  sort(list)
  return json.array(list)
end

local function methods(call)
  local names = {}
  local scope, full = call:param("scope"), call:param("full")
  local everything = full == true or full == "true" or full == 1 or full == "1" or full == "Y"
  for _, name in ipairs(call.portal:method_names(2, scope)) do
    local method = call.portal:find(2, name)
    if everything or scope or call.portal:permits(method.scope) then names[#names + 1] = name end
  end
  return json.array(names)
end

local function method_get(call)
  local method = call.portal:find(2, tostring(call:param("name") or ""))
  return { isExisting = method ~= nil, isAvailable = method ~= nil and call.portal:permits(method.scope) }
end

local function app_info(call)
  return {
    ID = 1,
    CODE = call.portal.tokens.client_id,
    VERSION = 1,
    STATUS = "L",
    INSTALLED = true,
    PAYMENT_EXPIRED = "N",
    DAYS = json.null,
    LANGUAGE_ID = "en",
    LICENSE = "en_ent250",
    LICENSE_TYPE = "ent250",
    LICENSE_FAMILY = "ent",
  }
end

local function profile(call)
  local user = call.store:get("users", call.user_id) or {}
  return {
    ID = tostring(call.user_id),
    ADMIN = call.user_id == 1,
    NAME = user.NAME or "",
    LAST_NAME = user.LAST_NAME or "",
    PERSONAL_GENDER = user.PERSONAL_GENDER or "",
    TIME_ZONE = user.TIME_ZONE or "",
  }
end

local function feature_get(call)
  local code = call:param("CODE")
  if code == nil or code == "" then call:fail("CODE_EMPTY", "CODE can't be empty") end
  return { value = FEATURES[code] and "Y" or "N" }
end

local function scope_list(call)
  local map = {}
  for _, method in pairs(call.portal.methods[3]) do map[method.name] = method.scope or "" end
  return json.object(map)
end

local function openapi(call)
  local paths, tags, seen = {}, {}, {}
  for _, name in ipairs(call.portal:method_names(3)) do
    local scope = call.portal:find(3, name).scope
    paths["/" .. name] = json.object { post = json.object { tags = json.array { scope } } }
    if scope and not seen[scope] then
      seen[scope] = true
      tags[#tags + 1] = { name = scope, description = scope .. " module methods" }
    end
  end
  return {
    openapi = "3.0.0",
    info = { title = "Bitrix24 REST V3 API", version = "1.0.0" },
    tags = json.array(tags),
    paths = json.object(paths),
    components = { schemas = json.object {} },
  }
end

return function(portal)
  local basic = { version = 2, scope = "basic" }
  portal:method("server.time", basic, function(call) return call.portal:date() end)
  portal:method("methods", basic, methods)
  portal:method("method.get", basic, method_get)
  portal:method("scope", basic, function(call)
    return scopes(call.portal, call:param("full") ~= nil)
  end)
  portal:method("app.info", { version = 2, scope = "basic", app = true }, app_info)
  portal:method("profile", basic, profile)
  portal:method("feature.get", basic, feature_get)
  portal:method("rest.scope.list", { version = 3, write = false }, scope_list)
  local bare = { version = 3, write = false, envelope = false }
  portal:method("rest.documentation.openapi", bare, openapi)
  portal:method("documentation", bare, openapi)
end
