-- humanresources.hcmlink.company.list: paged by `limit` and `offset` in lower
-- case, 100 and at most 1000, no total; only for applications
-- (sign/hcm-link/humanresources-hcmlink-company-list).

local json = require "bitrix24.json"
local world = require "bitrix24.sandbox.users.world"

local NAMES = { "Muller GmbH", "Nordwind AG", "Alpenblick KG", "Hansa Handel", "Rheintal Bau", "Donau Druck" }

local function maker(portal)
  return function(seed, id)
    return {
      id = id,
      company = ("hr-company-%03d"):format(id),
      crmCompanyId = 1 + world.roll(seed, "hcm", id) % 500,
      title = ("%s %d"):format(NAMES[1 + id % #NAMES], id),
      taxId = tostring(1000000000 + world.roll(seed, "tax", id) % 900000000),
      createdAt = portal:date(world.EPOCH - id * 3600),
    }
  end
end

local function shown(company)
  return {
    id = company.id, company = company.company, crmCompanyId = company.crmCompanyId, title = company.title,
    data = { taxId = company.taxId }, createdAt = company.createdAt,
    fields = json.array {
      { field = "personal_number", title = "Personnel Number", type = "STRING", ttl = 86400 },
    },
  }
end

local function list(call)
  if call.auth ~= "app" then
    call:fail("WRONG_AUTH_TYPE", "Application context required", 403)
  end
  local limit = world.limit(call.params.limit, 100, 1000)
  local offset = math.max(world.int(call.params.offset, 0), 0)
  local all, page = call.store:records("hcm_companies"), json.array {}
  for i = offset + 1, math.min(offset + limit, #all) do
    page[#page + 1] = shown(all[i])
  end
  return page
end

return function(portal)
  world.define(portal, "hcm_companies", "id", maker(portal))
  portal:method("humanresources.hcmlink.company.list",
    { version = 2, scope = "humanresources.hcmlink" }, list)
end
