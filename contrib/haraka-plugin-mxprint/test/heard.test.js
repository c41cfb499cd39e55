'use strict'
// What the plugin reports of a client. test/redact.json is what the sensor itself
// makes of the same lines (package dialect).

const assert = require('node:assert')
const { describe, it } = require('node:test')

const heard = require('../heard')
const vectors = require('./redact.json')

// connection is one whose client has said some lines.
function connection (lines, more = {}) {
  const c = { notes: {}, results: { get: () => undefined }, current_line: null, ...more }
  for (const line of lines) {
    c.current_line = line
    heard.hear(c)
  }
  return c
}

// decoded are the words with their base64 read.
function decoded (words) {
  return words.map((w) => w.replace(/^([a-z_]+):=(.*)$/, (_, key, text) => `${key}=${Buffer.from(text, 'base64').toString('latin1')}`))
}

describe('what a client said', () => {
  for (const [line, want] of vectors) {
    it(JSON.stringify(line), () => {
      assert.equal(heard.redact(line), want)
      assert.equal(heard.redact(want), want, 'again')
    })
  }

  it('which fields a header has', () => {
    const own = 'Received: from x\r\n\tby mx.example (Haraka/3.0) with ESMTP\r\n'
    for (const [lines, want] of [
      [['Date: x\r\n', 'From: secret\r\n', 'X-Secret: y\r\n', 'Message-Id: <secret>\r\n', 'mime-version: 1.0\r\n'], "DFI'M_"],
      [['FROM: x\r\n', 'Mime-version: 1.0\r\n', 'sUBJECT: y\r\n'], 'F^M.S~'],
      [[own, 'Date: x\r\n'], 'D'],
      [['Received-SPF: pass\r\n', own, 'Date: x\r\n', 'Authentication-Results: mx.example; spf=pass\r\n'], 'D'],
      [[own, 'Received: from y\r\n', 'Date: x\r\n'], 'relayed'],
      [[own, 'Date: x\r\n', own], 'relayed'],
      [['Received: from y by z\r\n', own], 'relayed'],
      [['X-Secret: x\r\n'], 'none'],
      [[], 'none'],
      [Array(48).fill('To: x\r\n'), 'T'.repeat(48)],
      [Array(49).fill('To: x\r\n'), ''],
      [[`${'x'.repeat(1e6)}: y\r\n`, ` ${'x'.repeat(1e6)}`, ':', '', '__proto__: x', 'constructor: x'], 'none'],
    ]) {
      assert.equal(heard.fields(lines), want)
      const c = connection(['EHLO x'], { transaction: { header: { lines: () => lines, get_all: () => [] } } })
      heard.ended(c)
      assert.deepEqual(heard.words(c).filter((w) => w.startsWith('header=')), want === '' ? [] : [`header=${want}`])
    }
  })

  it('no password after AUTH', () => {
    const c = connection(['EHLO x', 'AUTH LOGIN', 'am9l', 'c2VjcmV0', ':x', 'MAIL FROM:<a@b.example>'])
    assert.deepEqual(c.notes.mxprint_heard.lines, ['EHLO x', 'AUTH LOGIN', 'MAIL FROM:<>'])
  })

  it('bounded, in a question that the sensor takes', () => {
    const c = connection(Array(200).fill('EHLO ' + '\u0000 '.repeat(500)), { hello: { host: 'x'.repeat(5000), verb: 'EHLO' } })
    assert.equal(c.notes.mxprint_heard.lines.length, 40)
    const words = heard.words(c).join(' ')
    assert.ok(words.length < 8000, `${words.length} bytes`)
  })

  it('no question is too long for the sensor', () => {
    const long = ' x'.repeat(500)
    const c = connection(Array(100).fill('EHLO' + long), {
      hello: { host: long, verb: 'EHLO' }, capabilities: Array(40).fill('X'.repeat(40)), early_talker: true,
      tls: { enabled: true, cipher: { version: long, standardName: long } }, results: { get: () => ({ fcrdns: [long] }) },
      transaction: { header: { get_all: () => [long, long], lines: () => Array(48).fill('To: x\r\n') } },
    })
    heard.ended(c)
    const words = heard.words(c)
    assert.ok(words.join(' ').length <= 7936, `${words.join(' ').length} bytes`)
    assert.ok(words.includes(`header=${'T'.repeat(48)}`))
  })

  it('words of one line, whatever is said', () => {
    const evil = '\n\r\u0000 json 192.0.2.9 \u00ff"'
    const c = connection(['EHLO ' + evil, evil, 'MAIL FROM:<x> ' + evil], {
      hello: { host: evil, verb: 'EHLO' }, capabilities: ['SIZE 1', evil, 'PIPELINING'], early_talker: true,
      tls: { enabled: true, cipher: { version: evil, standardName: evil } },
      results: { get: () => ({ fcrdns: [evil] }) },
      transaction: { header: { get_all: () => [evil, evil] } },
    })
    for (const word of heard.words(c)) assert.match(word, /^[a-z_]+(?:=[!-~]*|:=[A-Za-z0-9+/=]*)$/)
  })

  it('findings of Haraka', () => {
    const say = (before, after, verb = 'EHLO') => {
      const c = connection([`${verb} x`], { early_talker: before, hello: { host: 'x', verb } })
      c.early_talker = after
      return heard.words(c).filter((w) => w.startsWith('saw='))
    }
    assert.deepEqual(say(false, false), [])
    assert.deepEqual(say(true, true), ['saw=early_talker'])
    assert.deepEqual(say(false, true), ['saw=pipelining_order'])
    assert.deepEqual(say(false, true, 'HELO'), ['saw=pipelining'])
  })

  it('more, once it was reported', () => {
    const c = connection(['EHLO x'])
    assert.ok(heard.more(c))
    heard.words(c)
    assert.ok(!heard.more(c))
    c.current_line = 'QUIT'
    heard.hear(c)
    assert.ok(heard.more(c))
    assert.ok(!heard.more(connection([])))
  })

  it('claims', () => {
    const fields = { 'X-Mailer': [], 'User-Agent': ['Acme 1\n'], 'Message-ID': ['<a@b>'], Received: ['from x by mx (Haraka/3) with ESMTP', 'from pc by relay'] }
    const c = connection(['EHLO x'], {
      hello: { host: 'x.example', verb: 'EHLO' }, results: { get: () => ({ fcrdns: ['mx.example.org'] }) },
      transaction: { header: { get_all: (name) => fields[name] } },
    })
    assert.deepEqual(decoded(heard.words(c)), ['helo=x.example', 'name=mx.example.org', 'headers=Y', 'mailer=Acme 1', 'message_id=<a@b>',
      'received=from pc by relay', 'line=EHLO x'])
    fields.Received.pop()
    assert.ok(!heard.words(c).some((w) => w.startsWith('received')))
  })
})
