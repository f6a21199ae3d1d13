-- luacheck lua tests examples csrc/catalogue/generate.lua csrc/embed
std = "lua54"
max_line_length = 110
cache = false

-- `local _ENV = nil` after the imports closes a file against globals.
files["lua"] = { ignore = { "211/_ENV" } }
files["tests/spec"] = { std = "lua54+busted" }
-- Generated annotations hold comments and empty tables alone.
exclude_files = { "lua/bitrix24/types" }
