'use strict'
// What a client said on a connection, for the sensor: each line as Haraka got it,
// inside TLS too, without addresses, values and passwords. The language is that of
// docs/query.md; test/redact.json has what the sensor itself makes of lines.

const MAX_LINES = 40
const MAX_LINE = 160
const MAX_WORDS = 7936 // bytes of all words in a question; the sensor takes 8192 with the rest

const PATHS = ['MAIL', 'RCPT']
const PLAIN = ['DATA', 'RSET', 'QUIT', 'STARTTLS']
const ALONE = ['BDAT', 'VRFY', 'EXPN', 'NOOP']
const OTHERS = ['HELP', 'ETRN', 'XCLIENT', 'XFORWARD', 'GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'CONNECT']

// redact leaves out what belongs to persons. Words that SMTP does not have become
// X, a header of a mail X: and what begins with no letter ?.
function redact (line) {
  line = line.slice(0, 1024)
  if (line === '') return ''
  const verb = /^[A-Za-z]*/.exec(line)[0]
  const rest = line.slice(verb.length)
  const upper = /^[^ \t]/.test(rest) ? '' : verb.toUpperCase() // or the word goes on
  if (upper === 'EHLO' || upper === 'HELO' || upper === 'LHLO') return printable(line)
  if (PATHS.includes(upper)) return printable(path(line))
  if (upper === 'AUTH') {
    const mechanism = /^[A-Za-z0-9_-]{0,20}/.exec(rest.trimStart())[0]
    return mechanism === '' ? verb : `${verb} ${mechanism}`
  }
  if (ALONE.includes(upper)) return verb
  if (PLAIN.includes(upper)) return verb + (rest === '' ? '' : rest.trim() === '' ? ' ' : ' ?')
  const word = /^[!-9;-~]*/.exec(line)[0]
  if (!/^[A-Za-z]/.test(line)) return '?'
  if (line[word.length] === ':') return 'X:'
  return OTHERS.includes(word.toUpperCase()) ? word : 'X'
}

function printable (line) {
  return line.slice(0, MAX_LINE).replace(/\t/g, ' ').replace(/[^ -~]/g, '?')
}

// path leaves the address of MAIL or RCPT out, and the values of parameters but
// BODY's.
function path (line) {
  const before = /^[A-Za-z]{4}[ \t]*(?:(?:FROM|TO)[ \t]*(?:: *|(?=<)|(?<=[ \t])|$))?/i.exec(line)[0].slice(0, 24)
  let rest = line.slice(before.length)
  let out = before
  if (rest === '') return out
  if (rest[0] === '<') {
    out += '<>'
    rest = rest.slice(closing(rest))
  } else {
    out += 'a'
    rest = rest.replace(/^[^ ]+/, '')
  }
  while (rest !== '' && out.length < 120) {
    const [, blanks, word] = /^( *)([^ ]*)/.exec(rest)
    out += blanks + parameter(word)
    if (blanks + word === '') return out + '?'
    rest = rest.slice(blanks.length + word.length)
  }
  return out
}

// closing is the place behind the bracket that ends a path; quotes hide brackets.
function closing (text) {
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && quoted) i++
    else if (text[i] === '"') quoted = !quoted
    else if (text[i] === '>' && !quoted) return i + 1
  }
  return text.length
}

function parameter (word) {
  const name = /^[A-Za-z0-9-]*/.exec(word)[0]
  if (name.length > 16) return name.slice(0, 16) + '?'
  if (name.length === word.length) return word
  if (word[name.length] !== '=') return name + '?'
  if (name.toUpperCase() !== 'BODY') return name + '='
  const value = word.slice(name.length + 1)
  return name + '=' + (/^(8BITMIME|7BIT|BINARYMIME|8bitmime|7bit)$/.test(value) ? value : '?')
}

// hear takes a line of a connection.
function hear (connection) {
  const notes = connection.notes
  const heard = notes.mxprint_heard || (notes.mxprint_heard = { lines: [], reported: 0, auth: false, early: connection.early_talker === true })
  const line = redact(String(connection.current_line || ''))
  const verb = /^[A-Za-z]*/.exec(line)[0].toUpperCase()
  if (verb === 'AUTH') heard.auth = true
  // After AUTH a word that is no command may be a password.
  if (line === '' || (heard.auth && ['X', 'X:', '?'].includes(line))) return
  if (heard.lines.length < MAX_LINES) heard.lines.push(line)
}

// FIELDS are the fields of a mail's header that programs write unasked, each with
// its letter, and TRACES those of servers that passed it on (docs/dialect.md). Haraka
// itself may have added Authentication-Results, so that it is no trace.
const FIELDS = { Date: 'D', From: 'F', To: 'T', Subject: 'S', 'Message-ID': 'I', 'MIME-Version': 'M', 'Content-Type': 'C',
  'Content-Transfer-Encoding': 'E', 'Content-Disposition': 'P', 'Content-Language': 'L', 'User-Agent': 'U', 'X-Mailer': 'X' }
const USUAL = new Map(Object.keys(FIELDS).map((name) => [name.toLowerCase(), name]))
const TRACES = ['received', 'return-path', 'delivered-to', 'x-received']
const MAX_NAME = 32 // none of these is longer
const MAX_FIELDS = 48 // letters and signs; of a header with more nothing is reported

// field is what the dialect has of a field, by its name: a letter, and a sign for
// an unusual spelling.
function field (name) {
  if (name.length > MAX_NAME) return ''
  const lower = name.toLowerCase()
  if (TRACES.includes(lower)) return 'relayed'
  const usual = USUAL.get(lower)
  if (!usual) return ''
  const words = lower.split('-').map((w) => w[0].toUpperCase() + w.slice(1)).join('-')
  const ways = [usual, words, lower[0].toUpperCase() + lower.slice(1), lower, lower.toUpperCase(), name]
  return FIELDS[usual] + ['', "'", '.', '_', '^', '~'][ways.indexOf(name)]
}

// own reports whether a field is the Received of this server.
function own (line) {
  return /^Received:/.test(line) && /\bby \S+ \(Haraka/.test(line.slice(0, 1024).replace(/\s+/g, ' '))
}

// fields says which fields a header has, from its lines, without the Received that
// Haraka itself put before the others.
function fields (lines) {
  let all = ''
  let received = 0
  for (const line of lines) {
    const text = field(line.slice(0, Math.max(0, line.slice(0, MAX_NAME + 2).indexOf(':'))))
    if (/^received:/i.test(line) && received++ === 0 && own(line)) continue
    if (text === 'relayed') return text
    all += text
  }
  return all.length > MAX_FIELDS ? '' : all || 'none'
}

// ended notes that a message has come.
function ended (connection) {
  const heard = connection.notes.mxprint_heard
  const header = connection.transaction && connection.transaction.header
  if (heard && heard.header === undefined && header && header.lines) heard.header = fields(header.lines().map(String))
  if (heard && heard.lines.length < MAX_LINES) heard.lines.push('.')
}

// more reports whether there are lines that words has not had.
function more (connection) {
  const heard = connection.notes.mxprint_heard
  return heard !== undefined && heard.lines.length > heard.reported
}

// saw are the findings that Haraka itself makes: it had not answered yet when
// more came.
function saw (connection) {
  const heard = connection.notes.mxprint_heard
  if (connection.early_talker !== true || !heard) return []
  if (heard.early) return ['early_talker']
  return [connection.hello && connection.hello.verb === 'EHLO' ? 'pipelining_order' : 'pipelining']
}

// word is KEY=VALUE, in base64 where the value is no word.
function word (key, value) {
  value = String(value).slice(0, 300)
  if (value === '') return []
  if (/^[!-~]+$/.test(value)) return [`${key}=${value}`]
  return [`${key}:=${Buffer.from(value, 'latin1').toString('base64')}`]
}

// words are what the sensor gets to know of a connection and its mail.
function words (connection) {
  const heard = connection.notes.mxprint_heard
  const list = [...claims(connection)]
  if (!heard) return list
  const offer = Array.isArray(connection.capabilities) ? connection.capabilities.map((l) => String(l).split(' ')[0]) : null
  if (offer) list.push(`offer=${offer.filter((w) => /^[!-~]{1,40}$/.test(w)).slice(0, 40).join(',')}`)
  if (heard.header) list.push(`header=${heard.header}`)
  const found = saw(connection)
  if (found.length) list.push(`saw=${found.join(',')}`)
  const tls = connection.tls
  if (tls && tls.enabled && tls.cipher) {
    list.push(...word('tls', String(tls.cipher.version || '').replace(/^TLSv/, '')))
    list.push(...word('cipher', tls.cipher.standardName || tls.cipher.name || ''))
  }
  heard.reported = heard.lines.length
  let length = list.join(' ').length
  for (const line of heard.lines) {
    const w = word('line', line)
    length += w.join(' ').length + 1
    if (length > MAX_WORDS) break
    list.push(...w)
  }
  return list
}

// claims are what the sender and its mail say of themselves.
function claims (connection) {
  const list = []
  const hello = connection.hello
  if (hello && hello.host) list.push(...word('helo', hello.host))
  const dns = connection.results.get && connection.results.get('fcrdns')
  if (dns && Array.isArray(dns.fcrdns) && dns.fcrdns.length) list.push(...word('name', dns.fcrdns[0]))
  else if (dns && !(dns.err && dns.err.length)) list.push('name=')
  const header = connection.transaction && connection.transaction.header
  if (!header || !header.get_all) return list
  list.push('headers=Y')
  const first = (name) => String(header.get_all(name)[0] || '').trim()
  list.push(...word('mailer', first('X-Mailer') || first('User-Agent')), ...word('message_id', first('Message-ID')))
  const received = header.get_all('Received').map(String)
  if (received.length && /\bby \S+ \(Haraka/.test(received[0].replace(/\s+/g, ' '))) received.shift() // our own
  if (received.length) list.push(...word('received', received[received.length - 1].trim()))
  return list
}

module.exports = { redact, fields, hear, ended, more, words }
