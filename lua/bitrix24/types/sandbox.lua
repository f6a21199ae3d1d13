---@meta bitrix24.sandbox

---A Bitrix24 portal on this machine, for trying and testing scripts.
---@class bitrix24.SandboxModule
local sandbox = {}

---@class bitrix24.SandboxOptions
---@field seed? integer the same seed gives the same records
---@field users? integer how many records of a kind there are
---@field teams? integer
---@field events? integer of the event log
---@field notes? integer
---@field sources? integer of biconnector
---@field files? integer
---@field hcm_companies? integer
---@field types? integer smart processes
---@field webforms? integer
---@field departments? integer
---@field chats? integer
---@field chat_users? integer members of each chat
---@field workgroups? integer
---@field tasks? integer
---@field contacts? integer
---@field companies? integer
---@field deals? integer
---@field leads? integer
---@field activities? integer
---@field items? integer of each smart process
---@field calllists? integer
---@field automatedsolutions? integer
---@field fixture? table<string, table[]>|string lists of records by kind instead of made ones, or a JSON file
---@field edition? "seeds"|"2026"
---@field scope? string[] what the webhook may use
---@field limits? "standard"|"enterprise"|false|table the portal's own
---@field operating? table|false working time
---@field latency? number seconds before each answer
---@field token_ttl? number seconds
---@field tls? boolean
---@field port? integer

---@class bitrix24.Sandbox
---@field url string origin
---@field webhook string address of an inbound webhook
---@field ca_file? string the authority that signed the certificate, with tls
---@field oauth table domain, client_id, client_secret, oauth_url, access_token, refresh_token, code, …
local Sandbox = {}

---Start a portal on loopback.
---@param options? bitrix24.SandboxOptions
---@return bitrix24.Sandbox
function sandbox.start(options) end

---@class bitrix24.SandboxPort
---@field port integer
---@field url string
---@field webhook string
local Port = {}

---Give the port back.
function Port:close() end

---A port of 127.0.0.1 that refuses connections.
---@return bitrix24.SandboxPort
function sandbox.closed_port() end

---A port of 127.0.0.1 where connecting gets no answer at all.
---@return bitrix24.SandboxPort
function sandbox.blackhole() end

---A portal of this library connected to the sandbox.
---@param options? bitrix24.Options
---@return bitrix24.Portal
function Sandbox:connect(options) end

---What arrived since the start or the last reset.
---@return table[]
function Sandbox:requests() end

---The records of a kind.
---@param kind string e.g. "contacts"
---@return table[]
function Sandbox:records(kind) end

---Put a record in place of what is there or, with nil, remove it.
---@param kind string
---@param id integer
---@param fields? table
function Sandbox:set(kind, id, fields) end

---Let a request fail.
---@param spec { method: string?, nth: integer?, action: any, after: boolean?, count: integer? }
function Sandbox:fault(spec) end

---Give the portal another address.
---@param spec? { status: integer?, to: string? }|false
---@return string url
function Sandbox:move(spec) end

---Begin anew.
function Sandbox:reset() end

---Let the portal's clock run ahead: limits fall, tokens expire.
---@param seconds number
function Sandbox:time(seconds) end

---How many bytes of broken answers went out so far.
---@return integer
function Sandbox:sent() end

---Errors of the sandbox itself; empty when all is well.
---@return string[]
function Sandbox:errors() end

---Stop the portal.
function Sandbox:stop() end

return sandbox
