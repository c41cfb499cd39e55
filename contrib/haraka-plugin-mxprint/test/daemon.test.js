'use strict'
// The plugin against mxprint itself, which watches the loopback interface: it
// needs root, and either Go or the program's path in MXPRINT. In a real Haraka
// the plugin runs in the repository's e2e tests.

const assert = require('node:assert')
const { execFileSync, spawn } = require('node:child_process')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { after, before, describe, it } = require('node:test')
const { setTimeout: sleep } = require('node:timers/promises')

// Milliseconds. A busy machine may be late for the plugin's own 100.
const DEADLINE = 3000
const PATIENCE = 60000

let dir, program, querySocket, daemon, listener, plugin
const clients = []

// missing says what the tests lack.
function missing () {
  if (process.getuid() !== 0) return 'needs root to capture'
  if (process.env.MXPRINT) return null
  const source = path.join(__dirname, '..', '..', '..', 'cmd', 'mxprint')
  if (!fs.existsSync(source)) return "needs mxprint's path in the variable MXPRINT"
  program = path.join(dir, 'mxprint')
  try {
    execFileSync('go', ['build', '-o', program, '.'], { cwd: source, env: { ...process.env, CGO_ENABLED: '0' } })
  } catch (err) {
    return `cannot build mxprint: ${err.message}`
  }
  return null
}

async function startDaemon () {
  const child = spawn(program, ['serve', '-config', path.join(dir, 'c.toml')], { stdio: ['ignore', 'ignore', 'pipe'] })
  child.text = ''
  child.stderr.on('data', (d) => { child.text += d })
  child.ended = new Promise((resolve) => child.once('exit', resolve))
  daemon = child
  await readyTimes(1)
}

// readyTimes waits until the daemon has said so often that it is ready.
async function readyTimes (n) {
  for (const end = Date.now() + PATIENCE; daemon.text.split('msg=ready').length - 1 < n;) {
    if (Date.now() > end || daemon.exitCode !== null) throw new Error(`mxprint is not ready: ${daemon.text}`)
    await sleep(5)
  }
}

// newPlugin does for index.js what Haraka does for a plugin.
function newPlugin (main) {
  const p = Object.create(require('../index'))
  p.name = 'mxprint'
  p.hooks = {}
  p.logged = []
  p.register_hook = (hook, method) => { p.hooks[hook] = (next, connection) => p[method](next, connection) }
  p.config = { get: (name) => ({ 'p0f.ini': { main }, 'karma.ini': {} })[name] }
  p.logwarn = p.logerror = (text) => p.logged.push(text)
  p.register()
  return p
}

function newConnection (socket) {
  const c = {
    remote: { ip: socket.localAddress, port: socket.localPort, is_private: false },
    local: { ip: socket.remoteAddress, port: socket.remotePort },
    notes: {},
    added: [],
    loginfo () {},
  }
  c.results = { add: (p, r) => c.added.push([p.name, r]) }
  return c
}

// look runs the hook, and returns how long it took in milliseconds.
function look (connection) {
  const begun = performance.now()
  return new Promise((resolve, reject) => {
    let calls = 0
    plugin.hooks.lookup_rdns((...args) => {
      if (++calls > 1 || args.length) reject(new Error(`next was called ${calls} times, with ${args}`))
      const ms = performance.now() - begun
      setImmediate(() => resolve(ms))
    }, connection)
  })
}

function header (connection, forged = []) {
  const lines = [...forged]
  connection.transaction = {
    header: { lines: () => lines },
    remove_header (name) {
      for (let i = lines.length - 1; i >= 0; i--) {
        if (lines[i].toLowerCase().startsWith(name.toLowerCase() + ':')) lines.splice(i, 1)
      }
    },
    add_header: (name, value) => lines.push(`${name}: ${value}`),
  }
  let called = 0
  plugin.hooks.data_post(() => called++, connection)
  assert.strictEqual(called, 1)
  return lines
}

function connect (host) {
  return new Promise((resolve, reject) => {
    const s = net.connect(listener.address().port, host, () => resolve(s)).on('error', reject)
    clients.push(s)
  })
}

// raw asks the daemon without the plugin.
function raw (line) {
  return new Promise((resolve, reject) => {
    let text = ''
    net.connect(querySocket).on('data', (d) => { text += d }).on('end', () => resolve(text.trim()))
      .on('error', reject).end(line + '\n')
  })
}

describe('plugin with mxprint', () => {
  let skip = null

  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'hpm'))
    program = process.env.MXPRINT
    skip = missing()
    if (skip) {
      if (process.env.CI === 'true') throw new Error(`may not be skipped under CI=true: ${skip}`)
      return
    }
    listener = net.createServer((s) => s.on('error', () => {}))
    await new Promise((resolve) => listener.listen(0, '::', resolve))
    querySocket = path.join(dir, 'query')
    fs.writeFileSync(path.join(dir, 'c.toml'), `
[sensor]
interfaces = ["lo"]
filter = "dst port ${listener.address().port}"
[p0f]
socket = "${path.join(dir, 'p0f')}"
wait = "1s"
[query]
listen = ["${querySocket}"]
`)
    await startDaemon()
    plugin = newPlugin({ socket_path: querySocket, add_header: 'X-p0f-Result', deadline: String(DEADLINE) })
  })

  after(async () => {
    plugin?.shutdown()
    listener?.close()
    for (const s of clients) s.destroy()
    if (daemon) {
      daemon.kill('SIGKILL')
      await daemon.ended
    }
    fs.rmSync(dir, { recursive: true })
  })

  function test (name, fn) {
    it(name, async (t) => skip ? t.skip(skip) : fn(t))
  }

  for (const host of ['127.0.0.1', '::1']) {
    test(`knows the connection from ${host}`, async () => {
      const s = await connect(host)
      const c = newConnection(s)
      await look(c)
      const [[name, r], ...others] = c.added
      assert.deepStrictEqual([name, others], ['p0f', []])
      assert.strictEqual(c.notes.p0f, r)
      assert.strictEqual(r.state, 'matched')
      assert.strictEqual(r.by_connection, true)
      assert.strictEqual(r.os_name, 'Linux')
      assert.strictEqual(r.distance, 0)
      assert.match(r.raw_sig, host === '::1' ? /^6:/ : /^4:/)
      assert.strictEqual(r.query, s.localAddress)
      assert.deepStrictEqual([r.genre, r.detail, r.link], [r.os_name, r.os_flavor, r.link_type])
      assert.ok(r.total_conn >= 1)
      assert.ok(Math.abs(r.last_seen - Date.now() / 1000) < 60 && r.first_seen <= r.last_seen, `seen ${r.first_seen}, ${r.last_seen}`)
      for (const key of ['uptime_min', 'up_mod_days', 'last_nat', 'last_chg', 'bad_sw', 'os_match_q', 'http_name', 'http_flavor', 'language', 'magic', 'status']) {
        assert.ok(key in r, key)
      }
      const text = await raw(`text ${s.localAddress} ${s.localPort}`)
      assert.match(text, /^os="Linux .*shared_ip=[YN]$/)
      assert.deepStrictEqual(header(c), [`X-p0f-Result: ${text}`])
      s.destroy()
    })
  }

  test('leaves our header alone in the mail', async () => {
    const s = await connect('127.0.0.1')
    const c = newConnection(s)
    await look(c)
    const lines = header(c, ['Subject: x', 'X-p0f-Result: forged', 'x-P0F-result: forged', 'X-p0f-Result : forged', 'X-p0f-Result\t: forged', 'X-p0f-Result\r\n : forged', 'X-p0f-Results: other'])
    assert.deepStrictEqual(lines.slice(0, 2), ['Subject: x', 'X-p0f-Results: other'])
    assert.strictEqual(lines.length, 3)
    assert.match(lines[2], /^X-p0f-Result: os="Linux/)
    s.destroy()
  })

  test('adds nothing about a client that was not seen', async () => {
    const c = newConnection({ localAddress: '198.18.9.9', localPort: 1234, remoteAddress: '198.18.9.10', remotePort: 25 })
    await look(c)
    assert.strictEqual(c.notes.p0f.state, 'not seen')
    assert.deepStrictEqual(header(c, ['X-p0f-Result: forged']), [])
  })

  test('skips private addresses, and what is no address, without a word', async () => {
    for (const remote of [{ ip: '10.0.0.1', is_private: true, port: 1 }, { ip: null }, {}, { ip: 'x\nx' }]) {
      const c = newConnection({})
      c.remote = remote
      await look(c)
      assert.deepStrictEqual(c.added, [])
      assert.deepStrictEqual(header(c, ['X-p0f-Result: forged']), [])
    }
    assert.deepStrictEqual(plugin.logged, [])
  })

  test('goes on when the sensor is stopped for a while', async () => {
    const s = await connect('127.0.0.1')
    await look(newConnection(s))
    daemon.kill('SIGSTOP')
    while (!/^\d+ \(.*\) T /.test(fs.readFileSync(`/proc/${daemon.pid}/stat`, 'latin1'))) await sleep(1)
    const times = await Promise.all(Array.from({ length: 20 }, async () => {
      const c = newConnection(s)
      const ms = await look(c)
      assert.strictEqual(c.notes.p0f.state, 'unavailable')
      assert.deepStrictEqual(header(c), [])
      return ms
    }))
    daemon.kill('SIGCONT')
    assert.ok(Math.max(...times) < DEADLINE + PATIENCE, `took ${Math.max(...times)} ms`)
    const c = newConnection(s)
    await look(c)
    assert.strictEqual(c.notes.p0f.state, 'matched')
    s.destroy()
  })

  test('goes on when the sensor is killed, and finds the next one', async () => {
    const s = await connect('127.0.0.1')
    await look(newConnection(s))
    daemon.kill('SIGKILL')
    await daemon.ended
    for (let i = 0; i < 3; i++) {
      const c = newConnection(s)
      const ms = await look(c)
      assert.ok(ms < DEADLINE + PATIENCE, `took ${ms} ms`)
      assert.strictEqual(c.notes.p0f.state, 'unavailable')
    }
    await startDaemon()
    const s2 = await connect('127.0.0.1')
    const c = newConnection(s2)
    await look(c)
    assert.strictEqual(c.notes.p0f.state, 'matched')
    assert.ok(plugin.logged.length <= 4, `logged ${plugin.logged}`)
    s.destroy()
    s2.destroy()
  })

  test('goes on through a clean restart', async () => {
    let answered = 0
    const asked = []
    for (let restart = 1; restart <= 3; restart++) {
      daemon.kill('SIGUSR2')
      for (let i = 0; i < 20; i++) {
        const s = await connect('127.0.0.1')
        const c = newConnection(s)
        asked.push(look(c).then((ms) => {
          assert.ok(ms < DEADLINE + PATIENCE, `took ${ms} ms`)
          if (c.notes.p0f.state === 'matched') answered++
          s.destroy()
        }))
        await sleep(5)
      }
      await readyTimes(restart + 1)
    }
    await Promise.all(asked)
    assert.strictEqual(asked.length, 60)
    const c = newConnection(await connect('127.0.0.1'))
    await look(c)
    assert.strictEqual(c.notes.p0f.state, 'matched')
    console.log(`${answered} of ${asked.length} answered around three restarts`)
  })

  test('refuses settings that cannot work', async () => {
    for (const name of ['Received', 'content-type', 'TO']) {
      const other = newPlugin({ socket_path: querySocket, add_header: name })
      assert.strictEqual(other.cfg.add_header, '', name)
      other.shutdown()
    }
    const p = newPlugin({ socket_path: querySocket, add_header: 'a b\r\nc', deadline: 'soon', max_waiting: 0, header_form: 'long' })
    assert.deepStrictEqual(p.cfg, { socket_path: querySocket, add_header: '', deadline: 100, max_waiting: 1000, header_form: 'haraka', rules: [], verdict_socket: '' })
    assert.strictEqual(p.logged.length, 4)
    p.shutdown()
    const q = newPlugin({})
    assert.strictEqual(q.cfg.socket_path, '/run/mxprint/query.sock')
    q.shutdown()
  })

  test('writes labels of any database into one line of ASCII', () => {
    const { _results: results, _header_text: text } = require('../index')
    const r = results('198.18.0.1', {
      state: 'matched', os_name: 'A"B\\\r\nX: y', os_flavor: '\u2603'.repeat(200), link_type: 7,
      total_conn: 'many', distance: 3, last_nat: '2026-01-02T03:04:05Z', up_mod_days: 5, uptime_min: 150, first_seen: 'x',
    })
    assert.strictEqual(text(r), `os="A'B/??X: y ${'?'.repeat(89)}" link_type="" distance=3 total_conn=0 shared_ip=Y`)
    assert.deepStrictEqual([r.uptime, r.first_seen, r.last_nat], [2, 0, 1767323045])
    const doubtful = results('198.18.0.1', {
      state: 'matched', os_name: 'Linux', os_or: ['Android', '"'], rewritten: ['ttl', 'options'],
      up_mod_days: 49, uptime_min: 150, uptime_reliable: false,
    })
    assert.strictEqual(text(doubtful), 'os="Linux" link_type="" total_conn=0 shared_ip=N or="Android,\'" rewritten="ttl,options"')
    assert.deepStrictEqual([doubtful.uptime, doubtful.uptime_min, doubtful.uptime_reliable], [undefined, 150, false])
    assert.strictEqual(text(results('198.18.0.1', { state: 'unavailable' })), '')
    assert.strictEqual(text(results('198.18.0.1', { state: 'unknown' })), 'os="unknown" link_type="" total_conn=0 shared_ip=N')
  })
})
