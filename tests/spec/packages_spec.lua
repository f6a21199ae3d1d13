-- What rocks and Debian packages are made of, without making them: the files
-- of the parts, and one version everywhere. `make rocks deb` makes them.

local tree = require "support.tree"

--- A rockspec as LuaRocks reads it.
local function rockspec(name)
  local env = {}
  assert(loadfile("rockspec/" .. name, "t", env))()
  return env
end

local version = require "bitrix24"._VERSION:match "%S+$"
local specs = {
  "bitrix24-scm-1.rockspec", "bitrix24-sandbox-scm-1.rockspec",
  ("bitrix24-%s-1.rockspec"):format(version), ("bitrix24-sandbox-%s-1.rockspec"):format(version),
}

describe("the parts of an installation", function()
  local dest

  before_each(function() dest = tree.folder() end)
  after_each(function() dest:remove() end)

  --- What rock.mk installs of a part, relative to the rock.
  local function rock(part)
    local at = dest.folder .. "/" .. part
    tree.make(("LUADIR=%s/lua LUACDIR=%s/lib install-%s"):format(at, at, part))
    return tree.list(at)
  end

  it("are together what the sources hold, and nothing is in two of them", function()
    local want, found = { "lib/bitrix24/core.so", "lib/bitrix24/sandbox/server.so" }, {}
    for _, name in ipairs(tree.list "lua") do want[#want + 1] = "lua/" .. name end
    table.sort(want)
    for _, part in ipairs { "module", "sandbox" } do
      for _, name in ipairs(rock(part)) do
        found[#found + 1] = name
        local sandbox = name:find "/bitrix24/sandbox%.lua$" or name:find "/bitrix24/sandbox/"
        assert.equal(part == "sandbox", sandbox ~= nil, name)
      end
    end
    table.sort(found)
    assert.same(want, found)
  end)

  it("leave the sandbox's libraries to the sandbox", function()
    local needs = tree.must(("readelf -d %s/bitrix24/core.so"):format(tree.quote(tree.build)))
    assert.truthy(needs:find "NEEDED.*libcurl")
    assert.falsy(needs:find "NEEDED[^\n]*microhttpd")
  end)
end)

describe("the rockspecs", function()
  it("name Lua 5.4, each its part, and the sandbox the client of its own version", function()
    for _, name in ipairs(specs) do
      local spec = rockspec(name)
      local sandbox = spec.package == "bitrix24-sandbox"
      assert.equal(name, ("%s-%s.rockspec"):format(spec.package, spec.version))
      assert.equal("lua >= 5.4, < 5.5", spec.dependencies[1])
      assert.equal(sandbox and "bitrix24 == " .. spec.version:gsub("%-1$", "") or "lua-cjson >= 2.1.0",
        spec.dependencies[2])
      -- the command's parser of arguments
      assert.equal(not sandbox and "argparse >= 0.7" or nil, spec.dependencies[3])
      assert.equal(sandbox and 2 or 3, #spec.dependencies)
      assert.equal(sandbox and "sandbox" or "module", spec.build.variables.PART)
      assert.equal("rockspec/rock.mk", spec.build.makefile)
      assert.is_nil(spec.external_dependencies)
    end
  end)

  it("are those of this version alone", function()
    local found = {}
    for _, name in ipairs(tree.list "rockspec") do
      if name:find "%.rockspec$" then found[#found + 1] = name end
    end
    table.sort(specs)
    assert.same(specs, found)
  end)
end)

describe("make release", function()
  local copy

  local commit = "git add -A && git -c user.name=x -c user.email=x@x.invalid commit -qm x --allow-empty"

  -- Its files, as a repository of their own.
  before_each(function()
    copy = tree.folder()
    tree.must(([[
      cd %s && mkdir -p csrc/include
      cp %s/csrc/include/bitrix24.h csrc/include
      cp -r %s/rockspec .
      printf '# Changelog\n\n## Unreleased\n\n### Added\n- All of it.\n' > CHANGELOG.md
      git init -q . && %s]]):format(copy.folder, "$OLDPWD", "$OLDPWD", commit))
  end)
  after_each(function() copy:remove() end)

  local function release(words)
    return tree.shell(("env ROOT=%s SOURCE_DATE_EPOCH=1767225600 %s tests/support/release.sh"):format(
      copy.folder, words))
  end
  local function committed()
    tree.must(("cd %s && %s"):format(copy.folder, commit))
  end
  local function check()
    return tree.shell(("env ROOT=%s tests/support/release.sh --check"):format(copy.folder))
  end
  local function read(name)
    local file <close> = assert(io.open(copy.folder .. "/" .. name))
    return file:read "a"
  end
  local function log(text)
    local file <close> = assert(io.open(copy.folder .. "/CHANGELOG.md", "w"))
    file:write("# Changelog\n\n", text)
  end

  it("finds one version in this tree", function()
    assert.equal(0, select(2, tree.shell "tests/support/release.sh --check"))
  end)

  it("writes the version wherever it stands", function()
    local out, status = release "VERSION=7.8.9 URL=https://example.com/b-7.8.9.tar.gz"
    assert.equal(0, status, out)
    assert.truthy(read "csrc/include/bitrix24.h":find('#define B24_VERSION "7.8.9"\n', 1, true))
    assert.truthy(read "CHANGELOG.md":find("## Unreleased\n\n## 7.8.9 - 2026-01-01\n\n### Added", 1, true))
    local rock = read "rockspec/bitrix24-7.8.9-1.rockspec"
    assert.truthy(rock:find("https://example.com/b-7.8.9.tar.gz", 1, true))
    assert.truthy(read "rockspec/bitrix24-sandbox-7.8.9-1.rockspec":find("bitrix24 == 7.8.9", 1, true))
    assert.truthy(read "rockspec/debian/changelog":find "^lua%-bitrix24 %(7%.8%.9%-1%) ")
    assert.is_nil(io.open(copy.folder .. ("/rockspec/bitrix24-%s-1.rockspec"):format(version)))
    assert.equal(0, select(2, check()))
  end)

  it("refuses what is no next version, and says why", function()
    assert.equal(0, select(2, release "VERSION=1.2.0"))
    committed()
    local rows = {
      { "### Fixed\n- One.\n", "1.2.0", "after 1.2.0 comes" },
      { "### Fixed\n- One.\n", "1.1.9", "after 1.2.0 comes" },
      { "### Fixed\n- One.\n", "1.2.2", "after 1.2.0 comes" },
      { "### Fixed\n- One.\n", "1.3", "no MAJOR.MINOR.PATCH" },
      { "### Fixed\n- One.\n", "1.02.1", "no MAJOR.MINOR.PATCH" },
      { "### Added\n- One.\n", "1.2.1", "something was added" },
      { "### Breaking\n- One.\n", "1.3.0", "something breaks" },
      { "", "1.2.1", "nothing is unreleased" },
    }
    for _, row in ipairs(rows) do
      log("## Unreleased\n\n" .. row[1] .. "\n## 1.2.0 - 2026-01-01\n\n### Added\n- All of it.\n")
      committed()
      local out, status = release("VERSION=" .. row[2])
      assert.equal(1, status, row[2])
      assert.truthy(out:find(row[3], 1, true), out)
      assert.truthy(read "csrc/include/bitrix24.h":find('"1.2.0"', 1, true))
    end
    log "## Unreleased\n\n### Breaking\n- One.\n\n## 1.2.0 - 2026-01-01\n"
    committed()
    assert.equal(0, select(2, release "VERSION=2.0.0"))
  end)

  it("refuses a tree that is not clean", function()
    tree.must(("touch %s/new"):format(copy.folder))
    local out, status = release "VERSION=7.8.9"
    assert.equal(1, status)
    assert.truthy(out:find("not clean", 1, true), out)
  end)

  it("notices a version that was written in one place alone", function()
    for _, name in ipairs{ "csrc/include/bitrix24.h", "rockspec/debian/changelog",
      ("rockspec/bitrix24-sandbox-%s-1.rockspec"):format(version) } do
      tree.must(("cd %s && sed -i 's/%s/9.9.9/' %s"):format(copy.folder, version, name))
      local out, status = check()
      assert.equal(1, status, name)
      assert.truthy(out:find("release: ", 1, true))
      tree.must(("cd %s && git checkout -q ."):format(copy.folder))
    end
    assert.equal(0, select(2, check()))
  end)
end)
