'use strict'
// The client against query sockets that do everything wrong. What a right one
// does is in daemon.test.js.

const assert = require('node:assert')
const { spawn } = require('node:child_process')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { afterEach, beforeEach, describe, it } = require('node:test')
const { setTimeout: sleep } = require('node:timers/promises')

const { Client } = require('../client')

// Milliseconds for what takes one; a busy machine takes longer.
const PATIENCE = 30000

let dir, where, server, sockets, clients

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'hpm'))
  where = path.join(dir, 's')
  sockets = new Set()
  clients = []
})

afterEach(async () => {
  for (const c of clients) c.close()
  await stop()
  fs.rmSync(dir, { recursive: true })
})

// serve starts a server that calls onLine for each question.
async function serve (onLine, onConnection = () => {}) {
  server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    let text = ''
    socket.on('data', (data) => {
      text += data
      const lines = text.split('\n')
      text = lines.pop()
      for (const line of lines) onLine(socket, line)
    })
    onConnection(socket)
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(where, resolve))
}

async function stop () {
  if (!server) return
  const closed = new Promise((resolve) => server.close(resolve))
  for (const s of sockets) s.destroy()
  await closed
  server = null
}

function echo (socket, line) {
  socket.write(answerTo(line))
}

function answerTo (line) {
  return JSON.stringify({ state: 'matched', os_name: line }) + '\n'
}

function newClient (options = {}) {
  const said = []
  const client = new Client({ where, deadline: PATIENCE, limit: 100, say: (text) => said.push(text), ...options })
  client.messages = said
  clients.push(client)
  return client
}

// ask returns what the callback gets, and fails when it is called twice.
function ask (client, line) {
  const begun = process.hrtime.bigint()
  return new Promise((resolve, reject) => {
    let calls = 0
    client.ask(line, (err, answer) => {
      if (++calls > 1) reject(new Error(`${line}: called back ${calls} times`))
      const ms = Number(process.hrtime.bigint() - begun) / 1e6
      setImmediate(() => resolve({ err: err?.message, os: answer?.os_name, ms }))
    })
  })
}

async function wantAnswer (client, line) {
  const got = await ask(client, line)
  assert.strictEqual(got.err, undefined)
  assert.strictEqual(got.os, line)
}

describe('client', () => {
  it('gets its answers in order, over one connection', async () => {
    let connections = 0
    await serve(echo, () => connections++)
    const client = newClient()
    await Promise.all(Array.from({ length: 100 }, (_, i) => wantAnswer(client, `q${i}`)))
    assert.strictEqual(connections, 1)
    assert.deepStrictEqual(client.messages, [])
  })

  it('reads answers in any portions', async () => {
    const lines = []
    await serve((socket, line) => {
      lines.push(line)
      if (lines.length < 3) return
      const text = lines.map(answerTo).join('')
      const step = (i) => {
        if (i >= text.length || socket.destroyed) return
        socket.write(text.slice(i, i + 7))
        setImmediate(() => step(i + 7))
      }
      step(0)
    })
    const client = newClient()
    await Promise.all(['a', 'b', 'c'].map((line) => wantAnswer(client, line)))
  })

  it('fails at once where no server listens, says so once, and finds a server that comes', async () => {
    const client = newClient()
    for (let i = 0; i < 3; i++) {
      const got = await ask(client, 'x')
      assert.match(got.err, /ENOENT/)
      assert.ok(got.ms < PATIENCE, `took ${got.ms} ms`)
    }
    await serve(echo)
    await wantAnswer(client, 'y')
    await wantAnswer(client, 'z')
    assert.strictEqual(client.messages.length, 2)
    assert.match(client.messages[0], /no answer, the mail goes on without/)
    assert.strictEqual(client.messages[1], 'answers again')
  })

  it('gives up at the deadline, and late answers are dropped', async () => {
    const held = []
    let hold = true
    await serve((socket, line) => {
      if (hold) held.push(line)
      else socket.write([...held.splice(0), line].map(answerTo).join(''))
    })
    const client = newClient({ deadline: 200 })
    const got = await Promise.all([ask(client, 'a'), ask(client, 'b')])
    for (const g of got) {
      assert.match(g.err, /no answer within 200 ms/)
      assert.ok(g.ms >= 190 && g.ms < PATIENCE, `took ${g.ms} ms`)
    }
    hold = false
    client.deadline = PATIENCE
    await wantAnswer(client, 'c')
    await wantAnswer(client, 'd')
  })

  it('asks again over a new connection when the old one ends', async () => {
    let connections = 0
    await serve((socket, line) => {
      if (connections === 1) socket.destroy()
      else echo(socket, line)
    }, () => connections++)
    const client = newClient()
    await Promise.all(['a', 'b', 'c'].map((line) => wantAnswer(client, line)))
    assert.strictEqual(connections, 2)
  })

  it('notices a server that was restarted while nothing was asked', async () => {
    await serve(echo)
    const client = newClient()
    await wantAnswer(client, 'a')
    await stop()
    await serve(echo)
    await wantAnswer(client, 'b')
  })

  it('does not ask for ever', async () => {
    let connections = 0
    await serve((socket) => socket.destroy(), () => connections++)
    const client = newClient()
    assert.match((await ask(client, 'a')).err, /closed the connection|ECONNRESET|EPIPE/)
    assert.strictEqual(connections, 2)
  })

  it('takes no more questions than its limit', async () => {
    await serve(() => {})
    const client = newClient({ limit: 3, deadline: 200 })
    const waiting = [1, 2, 3].map((i) => ask(client, `q${i}`))
    const got = await ask(client, 'q4')
    assert.match(got.err, /3 questions are waiting/)
    for (const g of await Promise.all(waiting)) assert.match(g.err, /no answer within/)
  })

  it('leaves a connection that has ceased to answer', async () => {
    let connections = 0
    await serve((socket, line) => {
      if (connections > 1) echo(socket, line)
    }, () => connections++)
    const client = newClient({ deadline: 30 })
    client.stale = 100
    assert.match((await ask(client, 'a')).err, /no answer within/)
    await sleep(120)
    client.deadline = PATIENCE
    await wantAnswer(client, 'b')
    assert.strictEqual(connections, 2)
  })

  const wrong = {
    'no JSON': ['hello\n', /what came is no answer/],
    'not an object': ['7\n', /what came is no answer/],
    'no state': ['{"os_name":"x"}\n', /what came is no answer/],
    null: ['null\n', /what came is no answer/],
    'an error': ['error: not an address: "x"\n', /error: not an address/],
    'the socket of p0f': ['\x02F0P\x00\x00\x00\x00' + '\x00'.repeat(224), /p0f's socket/],
    'a line without end': ['x'.repeat(70 * 1024), /without end/],
    'bytes of no text': [Buffer.from([0xff, 0xfe, 0x00, 0x0a]), /what came is no answer/],
  }
  for (const [name, [bytes, message]] of Object.entries(wrong)) {
    it(`survives ${name}`, async () => {
      let first = true
      await serve((socket, line) => {
        if (first) socket.write(bytes)
        else echo(socket, line)
        first = false
      })
      const client = newClient()
      assert.match((await ask(client, 'a')).err, message)
      await wantAnswer(client, 'b')
    })
  }

  it('survives an answer to nothing', async () => {
    await serve((socket, line) => socket.write(answerTo(line) + answerTo('unasked')))
    const client = newClient()
    await wantAnswer(client, 'a')
    while (client.socket) await sleep(1)
    await wantAnswer(client, 'b')
  })

  it('calls back once for each question, and in time, whatever the server does', async () => {
    // A generator of its own, so that a failure can be repeated.
    let seed = 20260101
    const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n
    await serve((socket, line) => {
      switch (random(12)) {
        case 0: return socket.destroy()
        case 1: return socket.write('{"state"')
        case 2: return socket.write('garbage\n')
        case 3: return
        case 4: return socket.end(answerTo(line))
        case 5: return setTimeout(() => socket.destroyed || socket.write(answerTo(line)), random(80))
        default: return echo(socket, line)
      }
    })
    const client = newClient({ deadline: 50, limit: 40 })
    client.stale = 60
    const all = []
    for (let i = 0; i < 3000; i++) {
      all.push(ask(client, `q${i}`))
      if (random(10) === 0) await sleep(1)
    }
    const got = await Promise.all(all)
    const answered = got.filter((g) => !g.err)
    assert.ok(answered.length > 0, `${answered.length} answered`)
    const slowest = Math.max(...got.map((g) => g.ms))
    assert.ok(slowest < PATIENCE, `the slowest took ${slowest} ms`)
    assert.ok(client.waiting.length <= 40)
  })

  it('asks by TCP where the socket is HOST:PORT', async () => {
    for (const host of ['127.0.0.1', '::1']) {
      const tcp = net.createServer((s) => s.once('data', (d) => s.end(answerTo(String(d).trim()))))
      await new Promise((resolve) => tcp.listen(0, host, resolve))
      const client = newClient({ where: `${host === '::1' ? '[::1]' : host}:${tcp.address().port}` })
      await wantAnswer(client, 'a')
      await new Promise((resolve) => tcp.close(resolve))
    }
  })

  it('keeps no process alive', async () => {
    await serve(echo)
    const program = `
      const { Client } = require(${JSON.stringify(path.join(__dirname, '..', 'client'))})
      const c = new Client({ where: ${JSON.stringify(where)}, deadline: ${PATIENCE}, limit: 1, say: console.log })
      c.ask('x', (err, a) => console.log(err || a.os_name))`
    const child = spawn(process.execPath, ['-e', program])
    let out = ''
    child.stdout.on('data', (d) => { out += d })
    child.stderr.on('data', (d) => { out += d })
    const code = await Promise.race([new Promise((resolve) => child.on('exit', resolve)), sleep(2 * PATIENCE, 'still running', { ref: false })])
    child.kill()
    assert.deepStrictEqual([code, out], [0, 'x\n'])
  })
})
