// The jobs of jobs.lua with the official JavaScript SDK, by its own best
// means: fetchList for the export, batchByChunk for what goes side by side.
//   node sdk.mjs JOB WEBHOOK SIZE [standard]
// Run from a folder where @bitrix24/b24jssdk is installed.
import { B24Hook, ParamsFactory } from '@bitrix24/b24jssdk'

const FIELDS = [
  'id', 'name', 'lastName', 'post', 'honorific', 'typeId', 'sourceId', 'companyId', 'assignedById', 'createdTime'
]

function connect(webhook, limits) {
  const url = new URL(webhook)
  const [, , userId, secret] = url.pathname.split('/')
  const restrictionParams = ParamsFactory.getDefault()
  if (limits !== 'standard') {
    restrictionParams.rateLimit = { burstLimit: 1e9, drainRate: 1e9, adaptiveEnabled: false }
    restrictionParams.adaptiveConfig.enabled = false
  }
  // The SDK speaks https alone; on loopback both sides go without TLS.
  const b24 = new B24Hook({ b24Url: url.origin, userId: Number(userId), secret }, { restrictionParams })
  const addresses = b24.auth.getTargetOriginWithPath()
  for (const [version, address] of addresses) addresses.set(version, address.replace(/^https:/, 'http:'))
  return b24
}

async function call(b24, method, params) {
  const answer = await b24.actions.v2.call.make({ method, params })
  if (!answer.isSuccess) throw new Error(`${method}: ${answer.getErrorMessages().join('; ')}`)
  return answer.getData()
}

async function sideBySide(b24, calls) {
  const answer = await b24.actions.v2.batchByChunk.make({ calls, options: { isHaltOnError: true } })
  if (!answer.isSuccess) throw new Error(answer.getErrorMessages().join('; '))
  return answer.getData()
}

const jobs = {
  async export(b24) {
    let count = 0
    let sum = 0
    const chunks = b24.actions.v2.fetchList.make({
      method: 'crm.item.list', params: { entityTypeId: 3, select: FIELDS }, idKey: 'id', customKeyForResult: 'items'
    })
    for await (const chunk of chunks) {
      for (const contact of chunk) {
        count += 1
        sum += contact.id
      }
    }
    return [count, sum]
  },

  async reads(b24, size) {
    const calls = Array.from({ length: size }, (_, i) => ['crm.item.get', { entityTypeId: 3, id: i + 1 }])
    const answers = await sideBySide(b24, calls)
    return [size, answers.reduce((sum, answer) => sum + answer.item.id, 0)]
  },

  async recipe(b24) {
    const chats = []
    for (;;) {
      const { result } = await call(b24, 'im.search.chat.list', { FIND: 'Project', OFFSET: chats.length, LIMIT: 50 })
      const page = Array.isArray(result) ? result : Object.values(result)
      chats.push(...page)
      if (page.length < 50) break
    }
    const members = await sideBySide(b24, chats.map(chat =>
      ['im.dialog.users.list', { DIALOG_ID: `chat${chat.id}`, SKIP_EXTERNAL: 'Y' }]))
    const values = { PHONE: new Set(), EMAIL: new Set() }
    for (const user of members.flat()) {
      for (const phone of Object.values(user.phones || {})) if (phone) values.PHONE.add(phone)
      if (user.email) values.EMAIL.add(user.email)
    }
    const calls = []
    for (const type of ['PHONE', 'EMAIL']) {
      const list = [...values[type]].sort()
      for (let i = 0; i < list.length; i += 20) {
        calls.push(['crm.duplicate.findbycomm', { entity_type: 'CONTACT', type, values: list.slice(i, i + 20) }])
      }
    }
    const contacts = new Set()
    for (const found of await sideBySide(b24, calls)) {
      for (const id of found.CONTACT || []) contacts.add(id)
    }
    const ids = [...contacts]
    const { result: list } = await call(b24, 'crm.calllist.add', { ENTITY_TYPE: 'CONTACT', ENTITIES: ids })
    let named = 0
    const pages = b24.actions.v2.fetchList.make({
      method: 'crm.item.list', params: { entityTypeId: 3, filter: { '@id': ids } },
      idKey: 'id', customKeyForResult: 'items'
    })
    for await (const page of pages) named += page.length
    const { result: statuses } = await call(b24, 'crm.calllist.statuslist', {})
    const { result: items } = await call(b24, 'crm.calllist.items.get', { LIST_ID: list })
    if (!statuses.length || items.length !== ids.length || named !== ids.length) throw new Error('incomplete')
    return [chats.length, ids.length]
  }
}

const [job, webhook, size, limits] = process.argv.slice(2)
const b24 = connect(webhook, limits)
try {
  console.log((await jobs[job](b24, Number(size))).join('\t'))
} finally {
  b24.destroy()
}
