--- What a portal of the sandbox is filled with when nothing else is asked for.

local seed = {}

--- How many records of each kind there are.
seed.sizes = {
  users = 60,
  departments = 8,
  chats = 40,
  chat_users = 0, -- members of each chat; 0 = some have few, some many
  workgroups = 60,
  tasks = 30,
  teams = 5,
  events = 260, -- of the event log
  notes = 120,
  sources = 70, -- of biconnector
  hcm_companies = 130,
  files = 25,
  contacts = 300,
  companies = 40,
  deals = 120,
  leads = 30,
  activities = 90,
  types = 6,
  items = 25, -- of each smart process
  automatedsolutions = 3,
  calllists = 4, -- their activities are the first ones
  webforms = 10, -- CRM forms a call list can show
}

return seed
