--- The domain modules of the sandbox, in the order in which they are loaded.
-- Each returns a function that registers its collections and methods.
return {
  "bitrix24.sandbox.crm",
  "bitrix24.sandbox.users",
  "bitrix24.sandbox.departments",
  "bitrix24.sandbox.groups",
  "bitrix24.sandbox.chats",
  "bitrix24.sandbox.disk",
  "bitrix24.sandbox.im",
  "bitrix24.sandbox.hr",
  "bitrix24.sandbox.tasks",
  "bitrix24.sandbox.events", -- last: it looks at what the others change
}
