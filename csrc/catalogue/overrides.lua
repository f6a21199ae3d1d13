-- Corrections to the source, where policy needs more than a page's tables
-- state. Each tells why and the documentation page; `set` replaces facts of
-- methods.jsonl, plus two of its own: `overlap` (pages may repeat records) and
-- `keyset` (how the filter spells the identifier, or false); `optional` names
-- parameters ("name", "object.name") that the table stars and the page does without.

return {
  {
    method = "im.recent.list", version = 2, set = { overlap = true, total = false },
    why = "pages may overlap, OFFSET advances by LIMIT and not by what came; total is usually -1",
    doc = "api-reference/chats/im-recent-list",
  },
  {
    method = "crm.stagehistory.list", version = 2, set = { page_size = 50, max_page_size = 50 },
    why = "pages as all list methods do, its filter takes > and its order ID",
    doc = "api-reference/crm/crm-stage-history-list",
  },
  {
    method = "crm.orderentity.list", version = 2, set = { keyset = false },
    why = "start = -1 returns every record at once",
    doc = "api-reference/crm/universal/order-entity/crm-order-entity-list",
  },
  {
    method = "crm.deal.recurring.list", version = 2, set = { keyset = false },
    why = "the answer spells id where the examples' filter and select spell DEAL_ID, ID",
    doc = "api-reference/crm/deals/recurring-deals/crm-deal-recurring-list",
  },
  {
    method = "bizproc.task.list", version = 2, set = { keyset = false },
    why = "a task comes once for each user it waits for, so its identifier may end a page in the middle",
    doc = "api-reference/bizproc/bizproc-task/bizproc-task-list",
  },
  {
    method = "bizproc.workflow.instances", version = 2, set = { keyset = false },
    why = "the identifiers are strings, not numbers that grow",
    doc = "api-reference/bizproc/bizproc-workflow-instances",
  },
  {
    method = "bizproc.workflow.instance.list", version = 2, set = { keyset = false },
    why = "another name of bizproc.workflow.instances",
    doc = "api-reference/bizproc/bizproc-workflow-instances",
  },
  {
    method = "sale.status.list", version = 2, set = { keyset = false },
    why = "the identifiers are codes, not numbers that grow",
    doc = "api-reference/sale/status/sale-status-list",
  },
  {
    method = "event.offline.get", version = 2, set = { write = true },
    why = "removes what it returns from the queue unless clear = 0",
    doc = "api-reference/events/event-offline-get",
  },
  {
    method = "im.v2.Event.get", version = 2, set = { write = true },
    why = "offset acknowledges every event before it",
    doc = "api-reference/chat-bots/chat-bots-v2/im.v2/events/event-get",
  },
  {
    method = "imbot.v2.Event.get", version = 2, set = { write = true },
    why = "offset acknowledges every event before it",
    doc = "api-reference/chat-bots/chat-bots-v2/imbot.v2/events/event-get",
  },
  {
    method = "event.bind", version = 2, set = { any_of = { { "handler", "event_type" } } },
    optional = { "handler" },
    why = "an offline event waits in the queue and has no handler, though the table stars it",
    doc = "api-reference/events/offline-events",
  },
  {
    method = "crm.activity.update", version = 2, set = {},
    optional = {
      "fields.OWNER_ID", "fields.OWNER_TYPE_ID", "fields.TYPE_ID", "fields.COMMUNICATIONS",
      "fields.RESPONSIBLE_ID",
    },
    why = "changes the fields that it is given, as the page's example does; the table repeats that of add",
    doc = "api-reference/crm/timeline/activities/activity-base/crm-activity-update",
  },
  {
    method = "disk.storage.uploadFile", version = 2, set = {}, optional = { "fileContent" },
    why = "without it the answer is an address to upload to, as disk.folder.uploadFile's table says",
    doc = "api-reference/disk/storage/disk-storage-upload-file",
  },
}
