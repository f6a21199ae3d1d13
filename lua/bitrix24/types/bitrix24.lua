---@meta bitrix24
-- The module as an editor completes it; the REST methods are in rest/.

---The Bitrix24 REST API. `bitrix24.crm`, `bitrix24.im`, … speak to the default portal.
---@class bitrix24: bitrix24.Domains
---@field _VERSION string
---@field null userdata JSON null, to send one
---@field v2 bitrix24.Portal2 the default portal through REST 2
---@field v3 bitrix24.Portal3 the default portal through REST 3.0
---@field oauth bitrix24.OAuth authorizing an application
local bitrix24 = {}

---Connect to a portal. No network traffic happens here.
---@param given? string|bitrix24.Options webhook address, options, or nothing: BITRIX24_WEBHOOK
---@return bitrix24.Portal portal
function bitrix24.connect(given) end

---Make a portal the one that `bitrix24.crm` and the others speak to.
---@param given bitrix24.Portal
---@return bitrix24.Portal given
function bitrix24.use(given) end

---Force a table to be a JSON array: `bitrix24.array{}` is `[]`.
---@generic T
---@param items T[]
---@return T[]
function bitrix24.array(items) end

---An object whose keys keep their order: `ordered{ {"LAST_NAME", "ASC"}, {"ID", "DESC"} }`.
---@param pairs_list { [1]: string, [2]: any }[]
---@return table
function bitrix24.ordered(pairs_list) end

---File content for a parameter.
---@param source string|{ name: string, content: string } a path, or the file itself
---@return any
function bitrix24.file(source) end

---Is this value a structured error of this module?
---@param value any
---@return boolean
function bitrix24.is_error(value) end

---A store of an application's tokens in a file.
---@param path string
---@return bitrix24.TokenStore
function bitrix24.token_file(path) end

---A budget of requests that several processes share through a file.
---@param path string
---@return bitrix24.Limiter
function bitrix24.limiter_file(path) end

---What became of a command of a batch.
---@param handle bitrix24.Reference
---@return "ok"|"failed"|"skipped"|"unknown"|"pending"
function bitrix24.state(handle) end

---Options of `connect`.
---@class bitrix24.Options
---@field webhook? string address of an inbound webhook, https://HOST/rest/USER/CODE/
---@field domain? string host of the portal, for an application
---@field access_token? string a short-lived token, instead of `tokens`
---@field client_id? string of the application
---@field client_secret? string of the application
---@field tokens? bitrix24.TokenStore where the application's tokens are kept
---@field oauth_url? string authorization server
---@field limits? "standard"|"enterprise"|false|{ rate: number, burst: number } requests a second, and at once
---@field limiter? bitrix24.Limiter a budget shared between processes
---@field max_connections? integer parallel HTTP requests (6)
---@field timeout? number seconds for one HTTP request (70)
---@field connect_timeout? number seconds for connecting (10)
---@field retries? integer further attempts after the first (5)
---@field wait_max? number longest wait before one attempt, seconds (660)
---@field batch? boolean may calls made side by side travel in one request (true)
---@field nulls? "drop"|"keep" a JSON null field of an object is absent, or bitrix24.null
---@field strict? boolean check methods and parameters against the catalogue before sending
---@field ca_file? string TLS roots
---@field proxy? string
---@field user_agent? string product token put before the library's own
---@field insecure? boolean permit plain http and unverified certificates
---@field loop? table an adapter of the host's event loop
---@field log? fun(event: bitrix24.LogEvent) told of every request, without secrets; it has no say
---@field record? string a file that every exchange is written to, without secrets
---@field replay? string|{ path: string, strict: boolean? } a file of exchanges to answer from
---@field profile? string what `bitrix24 login` stored under this name

---What the option `log` of `connect` is told. "send": a call goes out; "answer": an attempt ended;
---"retry": it is made again in `wait` seconds; "error": what the call raises; "moved": the portal has
---another address; "renewed": there are new tokens; "store": an address, or at the close a pair of
---tokens, that could not be saved.
---@class bitrix24.LogEvent
---@field event "send"|"answer"|"retry"|"error"|"moved"|"renewed"|"store"
---@field method? string of send, answer, retry and error; "batch" for calls that travel together
---@field version? integer 2 or 3
---@field attempt? integer from 1
---@field outcome? string of answer: "answer", else what broke
---@field status? integer of answer: HTTP status, 0 without one
---@field seconds? number of answer: what the attempt took
---@field bytes? integer of answer: length of the body
---@field commands? integer of answer: calls in the batch
---@field wait? number of retry: seconds
---@field reason? string of retry
---@field error? bitrix24.Error of error and store
---@field origin? string of moved

---Options of one call.
---@class bitrix24.CallOptions
---@field timeout? number seconds for everything: waits, attempts, transfer
---@field idempotent? boolean repeating the call is harmless
---@field idempotency_key? string REST 3.0

---What came with a result.
---@class bitrix24.Response
---@field total? integer
---@field next? integer
---@field time? table
---@field status integer HTTP status
---@field method string
---@field attempts integer

---Options of a list.
---@class bitrix24.ListOptions
---@field strategy? "auto"|"sequential"|"batch"|"keyset"
---@field limit? integer stop after so many records
---@field ahead? integer requests fetched ahead of the loop (1)
---@field progress? fun(done: integer, total: integer?) called once a page
---@field checkpoint? string a file: a walk by id goes on where a crash ended it

---@class bitrix24.MapOptions
---@field concurrency? integer how many functions are alive (500)
---@field batch? boolean may their calls travel together
---@field on_error? "raise"|"collect"

---A call of a batch given as a table: { "method", params }.
---@class bitrix24.BatchCommand
---@field [1] bitrix24.MethodName
---@field [2]? table

---@class bitrix24.BatchOptions
---@field halt? boolean stop at the first command that fails

---A place that methods stand below: `portal.crm`.
---@class bitrix24.Node

---A method; where its answer is a list, it can be walked.
---@class bitrix24.Method: bitrix24.Node

---What a portal can do by itself.
---@class bitrix24.PortalMethods
local PortalMethods = {}

---Iterate over the records of a list.
---@param method bitrix24.MethodName
---@param params? table
---@param opts? bitrix24.ListOptions
---@return fun(): any
function PortalMethods:each(method, params, opts) end

---Iterate over the pages of a list.
---@param method bitrix24.MethodName
---@param params? table
---@param opts? bitrix24.ListOptions
---@return fun(): any[]
function PortalMethods:pages(method, params, opts) end

---Every record of a list in one sequence.
---@param method bitrix24.MethodName
---@param params? table
---@param opts? bitrix24.ListOptions
---@return any[]
function PortalMethods:all(method, params, opts) end

---The first record, or nil.
---@param method bitrix24.MethodName
---@param params? table
---@return any
function PortalMethods:first(method, params) end

---How many records match.
---@param method bitrix24.MethodName
---@param params? table
---@return integer
function PortalMethods:count(method, params) end

---Call `f(item, index)` for every item side by side.
---@param items any[]
---@param f fun(item: any, index: integer): any
---@param opts? bitrix24.MapOptions
---@return any[] results in the order of `items`, with `n`
---@return table<integer, bitrix24.Error>? errors with on_error = "collect"
function PortalMethods:map(items, f, opts) end

---Call functions side by side.
---@param ... fun(): any
---@return any ... their first results
function PortalMethods:gather(...) end

---Fetch a signed link into a file.
---@param url string
---@param path string
---@param opts? { timeout: number? }
---@return string path
---@return integer bytes
function PortalMethods:download(url, path, opts) end

---Run a script for its plan: reads are answered, writes are recorded and not sent.
---@param f fun(portal: bitrix24.Portal): any
---@return bitrix24.Plan
function PortalMethods:plan(f) end

---Close the portal: requests in flight end as `cancelled`.
function PortalMethods:close() end

---What a script would do; `tostring` is a report.
---@class bitrix24.Plan
---@field requests integer that the script would make, batches included
---@field batches integer
---@field reads integer calls that were answered
---@field writes bitrix24.PlannedCall[] in order
---@field unasked bitrix24.PlannedCall[] reads that need the result of a write
---@field scopes string[] that the methods need
---@field unknown string[] methods that are not in the catalogue
---@field seconds integer the least that the requests take at the standard limits

---A call that a plan has held back.
---@class bitrix24.PlannedCall
---@field method string
---@field version integer 2 or 3
---@field params table as they would be sent; placeholders and references are their texts
---@field number integer its place among the writes, or among the unasked reads
---@field known boolean is the method in the catalogue

---A portal. `portal:call(name, params)` and `portal:batch()` are also the
---platform's domain `call` and method `batch`.
---@class bitrix24.Portal: bitrix24.PortalMethods, bitrix24.Domains
---@field v2 bitrix24.Portal2 its methods of REST 2
---@field v3 bitrix24.Portal3 its methods of REST 3.0

---@class bitrix24.Portal2: bitrix24.PortalMethods, bitrix24.Domains2
---@field v2 bitrix24.Portal2
---@field v3 bitrix24.Portal3
local Portal2 = {}

---Call a method by name.
---@param method bitrix24.MethodName
---@param params? table
---@param opts? bitrix24.CallOptions
---@return any result
---@return bitrix24.Response response
function Portal2:call(method, params, opts) end

---@class bitrix24.Portal3: bitrix24.PortalMethods, bitrix24.Domains3
---@field v2 bitrix24.Portal2
---@field v3 bitrix24.Portal3

---Recorded calls: `b.user.current()` records one, `b:run()` sends them.
---@class bitrix24.Batch: bitrix24.Domains
local Batch = {}

---Send what was recorded, up to 50 commands to a request.
---@param opts? bitrix24.BatchOptions
---@return integer failed how many commands failed or were skipped
function Batch:run(opts) end

---A recorded command: called it gives the result, indexed a reference to a place in it.
---@class bitrix24.Reference
---@overload fun(): any, bitrix24.Response?
---@field [any] bitrix24.Reference

---What every failure raises; `tostring` is one line that says what to do.
---@class bitrix24.Error
---@field kind "config"|"network"|"protocol"|"auth"|"limit"|"api"|"cancelled"
---@field code? string as the portal spells it
---@field message string
---@field method? string
---@field status? integer HTTP status
---@field attempts? integer
---@field retryable boolean may the same call succeed later without a change
---@field sent? boolean false: it surely did not run; true: the portal answered; nil: unknown
---@field validation? { field: string, message: string }[] REST 3.0
---@field hint? string
---@field where? string the script's line that asked
---@field cause? any

---A budget of requests, made by `bitrix24.limiter_file`.
---@class bitrix24.Limiter

---@class bitrix24.Tokens
---@field access_token string
---@field refresh_token string
---@field expires integer unix time
---@field domain? string
---@field client_endpoint? string
---@field member_id? string

---Where an application's tokens are kept.
---@class bitrix24.TokenStore
---@field load fun(self: bitrix24.TokenStore): bitrix24.Tokens?
---@field save fun(self: bitrix24.TokenStore, t: bitrix24.Tokens)
---@field lock? fun(self: bitrix24.TokenStore, f: function): any

---@class bitrix24.OAuth
local oauth = {}

---Options of `oauth.authorize_url`.
---@class bitrix24.AuthorizeOptions
---@field domain? string host of the portal; without it the server asks which one
---@field client_id string of the application
---@field state? string comes back with the code
---@field redirect_uri? string address of the application
---@field oauth_url? string authorization server
---@field insecure? boolean permit plain http

---The address where a user of the portal agrees; the browser comes back with a code.
---@param given bitrix24.AuthorizeOptions
---@return string address
function oauth.authorize_url(given) end

---Options of `oauth.exchange`.
---@class bitrix24.ExchangeOptions
---@field client_id string of the application
---@field client_secret string of the application
---@field code string that the browser brought; it lives 30 seconds
---@field tokens? bitrix24.TokenStore where the pair is kept
---@field oauth_url? string authorization server
---@field ca_file? string TLS roots
---@field proxy? string
---@field timeout? number seconds for one HTTP request (70)
---@field insecure? boolean permit plain http and unverified certificates

---Exchange the code for the first pair of tokens, and put it into the store.
---@param given bitrix24.ExchangeOptions
---@return bitrix24.Tokens
function oauth.exchange(given) end

return bitrix24
