'use strict'
// What the plugin does with answers about the sender. The sensor is a socket that
// answers as docs/query.md and docs/json.md have it; in a real Haraka, with a real
// sensor, the plugin runs in the repository's e2e tests.

const assert = require('node:assert')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { after, before, describe, it } = require('node:test')

const SYN = { state: 'matched', os_name: 'Linux', os_match_q: 0, total_conn: 1, bad_sw: 0 }
const SENDER = {
  ...SYN,
  tls: { state: 'complete', library: 'OpenSSL', release: '3.0 to 3.4', version: '1.3', ja4: 't13i' },
  software: { state: 'matched', name: 'Exim', flavor: '4.9x', quality: 'exact', or: ['Postfix'], dialect: 'd', reading: 'complete' },
  conduct: { state: 'complete', list: [{ id: 'early_talker' }, { id: 'bare_lf', may_be: true }] },
  contradictions: { state: 'reading' },
  flow: { tcp_rtt_ms: 1.5, retransmits: 0 },
  memory: { visits: 3 },
}
const FULL = 'os="Linux" tls="OpenSSL 3.0 to 3.4" software="Exim 4.9x"'

let dir, where, server, asked
let answers = {}

function plugin (main, rules) {
  const p = Object.create(require('../index'))
  p.name = 'mxprint'
  p.register_hook = () => {}
  p.logged = []
  p.config = { get: () => ({ main: { socket_path: where, deadline: '3000', ...main }, rules }) }
  p.logwarn = p.logerror = (text) => p.logged.push(text)
  p.register()
  return p
}

// mail runs the hooks of one mail, and returns the connection and its headers.
async function mail (p, headers = [], relaying = false) {
  const added = {}
  const said = []
  const connection = {
    remote: { ip: '192.0.2.1', port: 40000, is_private: false }, relaying, local: { ip: '192.0.2.25', port: 25 }, notes: {}, loginfo () {},
    results: { add: (q, r) => { added[q.name] = r } },
    transaction: {
      header: { lines: () => headers },
      remove_header: (name) => { headers = headers.filter((h) => h.slice(0, h.indexOf(':')).toLowerCase() !== name.toLowerCase()) },
      add_header: (name, value) => headers.push(`${name}: ${value}`),
    },
  }
  for (const hook of ['ask_mxprint', 'ask_about_sender', 'add_p0f_header']) {
    said.push(await new Promise((resolve) => p[hook]((...args) => resolve(args[0]), connection)))
  }
  p.shutdown()
  return { added, headers, said }
}

describe('plugin and the sender', () => {
  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'hps'))
    where = path.join(dir, 's')
    server = net.createServer((s) => {
      s.setEncoding('latin1')
      s.on('data', (text) => {
        for (const line of text.split('\n').slice(0, -1)) {
          asked.push(line)
          const form = line.replace(/^ask /, '').split(' ')[0]
          const again = line.includes('wait=0')
          const answer = form === 'full' ? answers.full : again ? answers.again : answers.first
          s.write(typeof answer === 'string' ? `${answer}\n` : `${JSON.stringify(answer)}\n`)
        }
      })
    })
    await new Promise((resolve) => server.listen(where, resolve))
  })
  after(() => {
    server.close()
    fs.rmSync(dir, { recursive: true })
  })

  it('asks again at the end of the message where the sensor reads', async () => {
    asked = []
    answers = { first: { ...SYN, tls: { state: 'reading' } }, again: SENDER }
    const { added, headers } = await mail(plugin({ add_header: 'X-p0f-Result' }))
    assert.deepStrictEqual(asked, ['json 192.0.2.1 40000 192.0.2.25 25', 'json wait=0 192.0.2.1 40000 192.0.2.25 25'])
    assert.deepStrictEqual(added.mxprint, {
      tls_state: 'complete', tls: 'OpenSSL', tls_release: '3.0 to 3.4', tls_version: '1.3', ja4: 't13i',
      software_state: 'matched', software: 'Exim', software_flavor: '4.9x', software_quality: 'exact', dialect: 'd', software_reading: 'complete', software_or: ['Postfix'],
      conduct_state: 'complete', conduct: ['early_talker', 'bare_lf'], contradictions_state: 'reading', contradictions: [],
      tcp_rtt_ms: 1.5, retransmits: 0, visits: 3, new: false,
    })
    assert.deepStrictEqual(headers, ['X-p0f-Result: os="Linux" link_type="" total_conn=1 shared_ip=N'])
  })

  it('denies and delays by rule', async () => {
    asked = []
    answers = { first: { ...SYN, tls: { state: 'reading' } }, again: SENDER }
    for (const [rules, code, delay] of [
      [{ early_talker: 'denysoft' }, 903, 0], [{ pipelining: 'deny', early_talker: 'deny' }, 902, 0], [{ early_talker: 'delay:1' }, undefined, 1000],
      [{ pipelining: 'deny' }, undefined, 0], [{ bare_lf: 'deny' }, undefined, 0], [{ early_talker: 'drop' }, undefined, 0], [{}, undefined, 0],
    ]) {
      const p = plugin({}, rules)
      const start = Date.now()
      const { said } = await mail(p)
      assert.strictEqual(said[1], code, JSON.stringify(rules))
      assert.ok(Date.now() - start >= delay - 5, JSON.stringify(rules))
      assert.strictEqual(p.logged.length, rules.early_talker === 'drop' ? 1 : 0)
    }
    const { said } = await mail(plugin({}, { early_talker: 'deny' }), [], true)
    assert.strictEqual(said[1], undefined)
  })

  it('asks once where it does not', async () => {
    asked = []
    answers = { first: SYN }
    const { added } = await mail(plugin({ add_header: 'X-p0f-Result' }))
    assert.strictEqual(asked.length, 1)
    assert.strictEqual(added.mxprint, undefined)
  })

  it('adds the full header, and removes forged ones', async () => {
    asked = []
    answers = { first: SYN, again: SENDER, full: FULL }
    const { headers } = await mail(plugin({ add_header: 'X-Mxprint', header_form: 'full' }), ['Subject: x', 'x-mxprint: forged', 'X-Mxprint : forged'])
    assert.deepStrictEqual(headers, ['Subject: x', `X-Mxprint: ${FULL}`])
  })

  for (const answer of ['not seen', 'unavailable', 'error: no', 'a\u0001b']) {
    it(`adds no header for ${JSON.stringify(answer)}`, async () => {
      asked = []
      answers = { first: SYN, again: SYN, full: answer }
      const { headers } = await mail(plugin({ add_header: 'X-Mxprint', header_form: 'full' }), ['X-Mxprint: forged'])
      assert.deepStrictEqual(headers, [])
    })
  }

  it('refuses another form', () => {
    const p = plugin({ header_form: 'v2' })
    assert.strictEqual(p.cfg.header_form, 'haraka')
    assert.match(p.logged[0], /header_form is neither haraka nor full: "v2"/)
    p.shutdown()
  })
})
