--- One scenario of tests/torture under whatever Lua runs this, with nothing
-- failing: NAME, and the sandbox as Lua text. What is not of the scenario is
-- loaded before the collector begins.

local name, about = ...

collectgarbage("stop")
require "bitrix24"
require "cjson"
local chunk = assert(loadfile(("tests/torture/%s.lua"):format(name)))
local given = assert(load("return " .. about))()
given.folder = os.getenv "FOLDER"
local run, again, prepare = chunk(given)
if prepare then prepare() end
collectgarbage("restart")
run()
again()
