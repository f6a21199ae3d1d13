-- Runs busted with whichever Lua runs this file: the installed command asks
-- for `lua`, which may be another version or, on some systems, no Lua at all.
require "busted.runner" { standalone = false }
