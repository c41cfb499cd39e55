'use strict'
// What the plugin sends to mxprint's store when a mail is over. The store is a
// socket that answers as docs/evidence.md has it; the repository's e2e tests have
// the real one.

const assert = require('node:assert')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { after, before, describe, it } = require('node:test')

let dir, where, server
let got = []
let arrived = () => {}

// over runs the hooks of a mail and of a connection that are over. later is what karma
// has counted by then.
function over (main, { karma, later = karma, results = {}, id = 'abcdefghijklmnopqrst', rcpt = 1, ip = '192.0.2.1' } = {}) {
  const p = Object.create(require('../index'))
  p.name = 'mxprint'
  p.register_hook = () => {}
  p.config = { get: (name) => name === 'karma.ini' ? { thresholds: { negative: '-10', positive: '3' } } : { main } }
  p.logwarn = p.logerror = () => {}
  p.register()
  const connection = {
    remote: { ip, port: 40000, is_private: false }, notes: { mxprint_id: id }, logdebug () {},
    results: { get: (name) => name === 'karma' ? karma : undefined },
    transaction: { rcpt_to: Array(rcpt).fill('x'), results: { get: (name) => results[name] } },
  }
  let went = false
  p.send_verdicts(() => { went = true }, connection)
  assert.ok(went, 'the mail waits')
  karma = later
  connection.transaction = null
  went = false
  p.send_karma(() => { went = true }, connection)
  assert.ok(went, 'the end waits')
  return p
}

async function sent (count, main, about) {
  got = []
  const all = new Promise((resolve) => { arrived = () => { if (got.length >= count) resolve() } })
  const p = over(main, about)
  if (count > 0) await all
  else await new Promise((resolve) => setTimeout(resolve, 50))
  p.shutdown()
  return got
}

describe('verdicts', () => {
  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'hpv'))
    where = path.join(dir, 's')
    server = net.createServer((s) => {
      s.setEncoding('latin1')
      s.on('error', () => {})
      s.on('data', (text) => {
        for (const line of text.split('\n').slice(0, -1)) {
          got.push(JSON.parse(line))
          s.write(got.length % 2 ? '{"ok":true}\n' : '{"error":"no connection has that id"}\n')
        }
        arrived()
      })
    })
    await new Promise((resolve) => server.listen(where, resolve))
  })
  after(() => {
    server.close()
    fs.rmSync(dir, { recursive: true })
  })

  it('sends what karma and the filters made of a mail', async () => {
    const results = { spamassassin: { score: 9.1, required: 5 }, rspamd: { score: 1.5, required_score: 15, action: 'no action' } }
    assert.deepStrictEqual(await sent(3, { verdict_socket: where }, { karma: { score: -12 }, results }), [
      { id: 'abcdefghijklmnopqrst', source: 'spamassassin', score: 9.1, threshold: 5 },
      { id: 'abcdefghijklmnopqrst', source: 'rspamd', score: 1.5, required_score: 15, action: 'no action' },
      { id: 'abcdefghijklmnopqrst', source: 'haraka-karma', score: 12, threshold: 10, sure: true },
    ])
  })

  it('counts the awards that Redis brings after the mail', async () => {
    const [verdict] = await sent(1, { verdict_socket: where }, { karma: { score: 5 }, later: { score: -25 } })
    assert.deepStrictEqual([verdict.score, verdict.sure], [25, true])
  })

  it('is sure of karma where it denies or welcomes', async () => {
    for (const [score, sure] of [[-10, true], [-9, false], [0, false], [3, true]]) {
      assert.strictEqual((await sent(1, { verdict_socket: where }, { karma: { score } }))[0].sure, sure, String(score))
    }
  })

  it('names the client where there is no id', async () => {
    for (const [ip, client] of [['192.0.2.1', '192.0.2.1:40000'], ['2001:db8::1', '[2001:db8::1]:40000']]) {
      const [verdict] = await sent(1, { verdict_socket: where }, { karma: { score: 5 }, id: '', ip })
      assert.strictEqual(verdict.client, client)
      assert.strictEqual(verdict.id, undefined)
    }
  })

  it('sends nothing without a socket, a recipient or a verdict', async () => {
    assert.deepStrictEqual(await sent(0, {}, { karma: { score: -12 } }), [])
    assert.deepStrictEqual(await sent(0, { verdict_socket: where }, { karma: { score: -12 }, rcpt: 0 }), [])
    assert.deepStrictEqual(await sent(0, { verdict_socket: where }, {}), [])
  })

  it('lets mails go on while no store answers', async () => {
    assert.deepStrictEqual(await sent(0, { verdict_socket: path.join(dir, 'none') }, { karma: { score: -12 } }), [])
  })
})
