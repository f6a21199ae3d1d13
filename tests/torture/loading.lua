--- The library itself.

return function() require "bitrix24" end,
  function() assert(type(require "bitrix24".connect) == "function") end
