-- A program that shares a limiter file with others: makes calls side by side,
-- and says a line for each answer. Its first line is its process id; it begins
-- when there is a writer for GATE, a named pipe.
--
--     lua5.4 limiter_worker.lua FILE WEBHOOK RATE BURST CALLS GATE

local bitrix24 = require "bitrix24"

local path, webhook, rate, burst, calls, gate = table.unpack(arg)

local stat <close> = assert(io.open("/proc/self/stat"))
print((stat:read("n")))
io.stdout:flush()

local portal <close> = bitrix24.connect {
  webhook = webhook, batch = false, retries = 0, max_connections = 4,
  limits = { rate = tonumber(rate), burst = tonumber(burst) },
  limiter = bitrix24.limiter_file(path),
}
local list = {}
for i = 1, tonumber(calls) do list[i] = i end

local open_gate <close> = assert(io.open(gate)) -- luacheck: ignore
portal:map(list, function(id)
  portal.crm.contact.get { ID = id }
  print("answer")
  io.stdout:flush()
end)
