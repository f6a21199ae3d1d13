--- busted's helper of `make gcstress`: the collector works every GCSTRESS
-- instructions of a test, in the mode GCMODE.

local busted = require "busted"
local gcstress = require "gcstress"

local count = tonumber(os.getenv "GCSTRESS")
collectgarbage(os.getenv "GCMODE")

busted.subscribe({ "test", "start" }, function() gcstress.start(count) end)
busted.subscribe({ "test", "end" }, function() gcstress.stop() end)
busted.subscribe({ "suite", "end" }, function()
  io.write(("%d collections\n"):format(gcstress.beats()))
end)
