'use strict'
// mxprint: which system is at the other end of the connection?

const net = require('node:net')

const { Client } = require('./client')
const heard = require('./heard')

const DEFAULTS = { socket_path: '/run/mxprint/query.sock', add_header: '', header_form: 'haraka', deadline: 100, max_waiting: 1000, verdict_socket: '' }

exports.register = function () {
  this.load_p0f_ini()
  this.register_hook('lookup_rdns', 'ask_mxprint')
  this.register_hook('data_post', 'ask_about_sender')
  this.register_hook('data_post', 'add_p0f_header')
  this.register_hook('reset_transaction', 'send_verdicts')
  this.register_hook('disconnect', 'send_karma')
  this.register_hook('disconnect', 'report_rest')
  // Before the plugins that may end a hook.
  for (const hook of COMMANDS) this.register_hook(hook, 'hear_line', -90)
}

const COMMANDS = ['helo', 'ehlo', 'mail', 'rcpt', 'data', 'rset', 'noop', 'quit', 'vrfy', 'unrecognized_command']

// hear_line notes what the client said.
exports.hear_line = function (next, connection) {
  try {
    if (connection.notes.mxprint_reads || this.cfg.header_form === 'full') heard.hear(connection)
  } catch (e) {
    this.logerror(`noting a line: ${e.message}`)
  }
  next()
}

exports.load_p0f_ini = function () {
  const ini = this.config.get('p0f.ini', () => this.load_p0f_ini())
  const main = ini.main || {}
  this.cfg = {
    socket_path: String(main.socket_path || DEFAULTS.socket_path),
    add_header: header_name(this, main.add_header),
    header_form: header_form(this, main.header_form),
    deadline: number(this, main, 'deadline', 1, 10000),
    max_waiting: number(this, main, 'max_waiting', 1, 100000),
    rules: rules(this, ini.rules || {}),
    verdict_socket: String(main.verdict_socket || DEFAULTS.verdict_socket),
  }
  this.load_karma_ini()
  if (this.client) this.client.close()
  if (this.verdicts) this.verdicts.close()
  this.verdicts = !this.cfg.verdict_socket ? null : new Client({
    where: this.cfg.verdict_socket,
    deadline: VERDICT_TIME,
    limit: this.cfg.max_waiting,
    say: (text) => this.logwarn(`${this.cfg.verdict_socket}: ${text}`),
    good: (answer) => answer.ok === true || typeof answer.error === 'string',
  })
  this.client = new Client({
    where: this.cfg.socket_path,
    deadline: this.cfg.deadline,
    limit: this.cfg.max_waiting,
    say: (text) => this.logwarn(`${this.cfg.socket_path}: ${text}`),
  })
}

// STANDARD_FIELD are the names that the standards give to something else: a header of
// the plugin's name is removed from each mail.
const STANDARD_FIELD = /^(?:(?:resent-|content-|list-|arc-|received|dkim-signature|authentication-results).*|return-path|date|from|sender|reply-to|to|cc|bcc|message-id|in-reply-to|references|subject|comments|keywords|mime-version|delivered-to)$/i

function header_name (plugin, name) {
  if (name === undefined || name === null || name === '') return DEFAULTS.add_header
  if (/^[!-9;-~]{1,100}$/.test(name) && !STANDARD_FIELD.test(name)) return String(name)
  plugin.logerror(`p0f.ini: add_header is no name of a header, or that of another one: ${JSON.stringify(name)}`)
  return DEFAULTS.add_header
}

function header_form (plugin, form) {
  if (form === undefined || form === null || form === '') return DEFAULTS.header_form
  if (form === 'haraka' || form === 'full') return form
  plugin.logerror(`p0f.ini: header_form is neither haraka nor full: ${JSON.stringify(form)}`)
  return DEFAULTS.header_form
}

function number (plugin, main, key, least, most) {
  if (main[key] === undefined || main[key] === '') return DEFAULTS[key]
  const n = Number(main[key])
  if (Number.isInteger(n) && n >= least && n <= most) return n
  plugin.logerror(`p0f.ini: ${key} is not a number from ${least} to ${most}: ${JSON.stringify(main[key])}`)
  return DEFAULTS[key]
}

// rules reads [rules]: a finding, and what is done with a mail whose client has it.
function rules (plugin, section) {
  const list = []
  for (const [finding, what] of Object.entries(section)) {
    const m = /^(?:(deny|denysoft)|delay:([0-9]{1,2}))$/.exec(String(what))
    if (/^[a-z_]{1,40}$/.test(finding) && m) list.push({ finding, action: m[1], delay: Number(m[2] || 0) })
    else plugin.logerror(`p0f.ini: [rules]: want a finding and deny, denysoft or delay:SECONDS (at most 99), not ${JSON.stringify(`${finding}=${what}`)}`)
  }
  return list
}

// Haraka's answers to a hook (haraka-constants), which it gives plugins as globals.
const ANSWERS = { deny: 902, denysoft: 903 }

// judge is what the rules do: the first that denies, and else the longest delay. A
// finding that may have an innocent cause does nothing, and neither does any
// where the client has logged in.
function judge (list, connection, answer) {
  const found = new Set()
  for (const part of [answer.conduct, answer.contradictions]) {
    for (const f of (part && Array.isArray(part.list) && part.list) || []) if (!f.may_be) found.add(text(f.id))
  }
  if (connection.relaying || !list.length) return {}
  const fired = list.filter((r) => found.has(r.finding))
  return { deny: fired.find((r) => r.action), delay: Math.max(0, ...fired.map((r) => r.delay)) }
}

exports.shutdown = function () {
  if (this.client) this.client.close()
  if (this.verdicts) this.verdicts.close()
}

// No mail waits for a verdict to be taken.
const VERDICT_TIME = 10000

// load_karma_ini reads from which score on karma denies, and welcomes.
exports.load_karma_ini = function () {
  const t = this.config.get('karma.ini', () => this.load_karma_ini()).thresholds || {}
  this.karma = { negative: Number(t.negative) || -8, positive: Number(t.positive) || 2 }
}

exports.ask_mxprint = function (next, connection) {
  const { remote, local } = connection
  // A private address says nothing about a sender.
  if (remote.is_private || !net.isIP(remote.ip || '')) return next()

  this.client.ask(request(remote, local), (err, answer) => {
    try {
      const result = err ? failure(err) : results(remote.ip, answer)
      connection.notes.p0f = result
      connection.notes.mxprint_reads = !err && reads(answer)
      connection.notes.mxprint_id = err || !answer.memory ? '' : text(answer.memory.id)
      connection.results.add({ name: 'p0f' }, result)
      const words = header_text(result)
      if (words) connection.loginfo(this, words)
    } catch (e) {
      this.logerror(`after an answer: ${e.message}`)
    }
    next()
  })
}

// send_verdicts sends what the filters made of a mail to mxprint's store, when the
// mail is over.
exports.send_verdicts = function (next, connection) {
  try {
    const about = this.verdicts && subject(connection)
    if (about) {
      connection.notes.mxprint_mail = about
      this.send(connection, about, filtered(connection.transaction.results))
    }
  } catch (e) {
    this.logerror(`after a mail: ${e.message}`)
  }
  next()
}

// send_karma sends what karma made of a connection that brought a mail, when it is
// over: Redis brings awards later than the results that they are for.
exports.send_karma = function (next, connection) {
  try {
    const about = connection.notes.mxprint_mail
    if (this.verdicts && about) this.send(connection, about, judged(this.karma, connection.results.get('karma')))
  } catch (e) {
    this.logerror(`after a connection: ${e.message}`)
  }
  next()
}

// send sends verdicts about a connection to the store.
exports.send = function (connection, about, verdicts) {
  for (const verdict of verdicts) {
    this.verdicts.ask(JSON.stringify({ ...about, ...verdict }), (err, answer) => {
      if (!err && answer.error) connection.logdebug(this, `verdict: ${answer.error}`)
    })
  }
}

// subject names the connection, where there is anything to say of it.
function subject (connection) {
  const { remote, transaction } = connection
  if (!transaction || !transaction.rcpt_to || !transaction.rcpt_to.length) return null
  if (connection.notes.mxprint_id) return { id: connection.notes.mxprint_id }
  if (remote.is_private || !net.isIP(remote.ip || '') || !port(remote)) return null
  return { client: net.isIPv6(remote.ip) ? `[${remote.ip}]:${port(remote)}` : `${remote.ip}:${port(remote)}` }
}

// judged is the verdict of karma, whose scores are the worse the lower they are. It
// is sure where it denies or welcomes.
function judged (bounds, karma) {
  if (!karma || !Number.isFinite(karma.score) || bounds.negative >= 0) return []
  return [{ source: 'haraka-karma', score: -karma.score, threshold: -bounds.negative, sure: karma.score <= bounds.negative || karma.score >= bounds.positive }]
}

// filtered are the verdicts of the filters that Haraka asked.
function filtered (results) {
  const list = []
  const assassin = results && results.get('spamassassin')
  if (assassin && Number.isFinite(assassin.score) && assassin.required > 0) {
    list.push({ source: 'spamassassin', score: assassin.score, threshold: assassin.required })
  }
  const rspamd = results && results.get('rspamd')
  if (rspamd && Number.isFinite(rspamd.score) && rspamd.action) {
    list.push({ source: 'rspamd', score: rspamd.score, required_score: count(rspamd.required_score), action: text(rspamd.action) })
  }
  return list
}

// reads reports whether the sensor reads what clients say.
function reads (answer) {
  return ['tls', 'software', 'conduct', 'contradictions', 'flow', 'memory'].some((part) => answer[part] !== undefined)
}

// ask_about_sender asks once more when the message has come: by then the client
// has said most. The results are those of the sender, by the name mxprint.
exports.ask_about_sender = function (next, connection) {
  const { remote, local } = connection
  const full = this.cfg.add_header && this.cfg.header_form === 'full'
  if (!connection.notes.mxprint_reads && !full) return next()
  if (remote.is_private || !net.isIP(remote.ip || '')) return next()

  let left = full ? 2 : 1
  let verdict = {}
  const done = () => {
    if (--left > 0) return
    const { deny, delay } = verdict
    if (deny) {
      connection.loginfo(this, `rule ${deny.finding}: ${deny.action}`)
      return next(ANSWERS[deny.action], `the client's conduct is not accepted here (${deny.finding})`)
    }
    if (delay) {
      connection.loginfo(this, `a rule delays the mail by ${delay} s`)
      return setTimeout(next, delay * 1000)
    }
    next()
  }
  let words = []
  try {
    heard.ended(connection)
    words = heard.words(connection)
  } catch (e) {
    this.logerror(`what the client said: ${e.message}`)
  }
  this.ask_reporting(request(remote, local, 'json wait=0'), words, (err, answer) => {
    try {
      if (!err && reads(answer)) {
        connection.notes.mxprint = sender(answer)
        connection.results.add({ name: 'mxprint' }, connection.notes.mxprint)
        verdict = judge(this.cfg.rules, connection, answer)
      }
    } catch (e) {
      this.logerror(`after an answer: ${e.message}`)
    }
    done()
  })
  if (!full) return
  this.ask_reporting(request(remote, local, 'full wait=0'), words, (err, text) => {
    connection.notes.mxprint_full = err || text === 'not seen' || text === 'unavailable' ? '' : text
    done()
  })
}

// report_rest reports what a client said since the last report: one that is refused,
// or leaves, brings no mail. No one waits for the answer.
exports.report_rest = function (next, connection) {
  try {
    const { remote, local } = connection
    if (heard.more(connection) && !remote.is_private && net.isIP(remote.ip || '')) {
      this.ask_reporting(request(remote, local, 'json wait=0'), heard.words(connection), () => {})
    }
  } catch (e) {
    this.logerror(`what the client said: ${e.message}`)
  }
  next()
}

// ask_reporting asks with what the client said. A sensor older than 0.1.0 refuses
// that, and is asked without it.
exports.ask_reporting = function (line, words, done) {
  if (this.old_sensor || !words.length) return this.client.ask(line, done)
  this.client.ask(`ask ${line} ${words.join(' ')}`, (err, answer) => {
    if (!err || !/^error: not an address/.test(err.message)) return done(err, answer)
    this.old_sensor = true
    this.client.ask(line, done)
  })
}

// sender puts what is known of the program into results: names as text, findings
// as lists of their ids. What was not looked at is left out.
function sender (a) {
  const r = {}
  if (a.tls) {
    Object.assign(r, { tls_state: text(a.tls.state), tls: text(a.tls.library), tls_release: text(a.tls.release), tls_version: text(a.tls.version), ja4: text(a.tls.ja4) })
  }
  if (a.software) {
    Object.assign(r, { software_state: text(a.software.state), software: text(a.software.name), software_flavor: text(a.software.flavor), software_quality: text(a.software.quality), dialect: text(a.software.dialect), software_reading: text(a.software.reading) })
    if (Array.isArray(a.software.or)) r.software_or = a.software.or.map(text)
  }
  for (const part of ['conduct', 'contradictions']) {
    if (!a[part]) continue
    r[`${part}_state`] = text(a[part].state)
    r[part] = Array.isArray(a[part].list) ? a[part].list.map((f) => text(f.id)) : []
  }
  if (a.flow) {
    for (const key of ['handshake_rtt_ms', 'tcp_rtt_ms', 'smtp_rtt_ms', 'retransmits', 'zero_windows']) {
      if (a.flow[key] !== undefined) r[key] = count(a.flow[key])
    }
  }
  if (a.memory) {
    Object.assign(r, { visits: count(a.memory.visits), new: a.memory.new === true })
  }
  return r
}

// request is a line of the query socket.
function request (remote, local, form = 'json') {
  const words = [form, remote.ip, port(remote)]
  if (local && net.isIP(local.ip || '')) words.push(local.ip, port(local))
  return words.join(' ')
}

function port (end) {
  return Number.isInteger(end.port) && end.port > 0 && end.port < 65536 ? end.port : 0
}

// failure is a result without an answer. It is no `err`, which Haraka would log
// for every connection; the client has said it once.
function failure (err) {
  return { state: 'unavailable', skip: err.message }
}

// results puts an answer into the words of p0f 3 (as the plugin p0f does) and,
// behind them, of p0f 2.
function results (ip, a) {
  if (a.state === 'unavailable') return failure(new Error('the sensor cannot capture'))
  if (a.state !== 'matched' && a.state !== 'unknown') return { query: ip, state: 'not seen', skip: 'not seen' }
  const r = {
    query: ip,
    state: a.state,
    by_connection: a.by_connection === true,
    raw_sig: text(a.raw_sig),
    magic: 0x50304602,
    status: 0x10,
    first_seen: seconds(a.first_seen),
    last_seen: seconds(a.last_seen),
    total_conn: count(a.total_conn),
    uptime_min: count(a.uptime_min),
    up_mod_days: count(a.up_mod_days),
    last_nat: seconds(a.last_nat),
    last_chg: seconds(a.last_chg),
    bad_sw: count(a.bad_sw),
    os_match_q: count(a.os_match_q),
    os_name: text(a.os_name),
    os_flavor: text(a.os_flavor),
    http_name: text(a.http_name),
    http_flavor: text(a.http_flavor),
    link_type: text(a.link_type),
    language: text(a.language),
  }
  if (a.distance !== undefined) r.distance = count(a.distance)
  if (Array.isArray(a.os_or)) r.os_or = a.os_or.map(text)
  if (Array.isArray(a.rewritten)) r.rewritten = a.rewritten.map(text)
  r.genre = r.os_name
  r.detail = r.os_flavor
  r.link = r.link_type
  if (a.uptime_reliable !== undefined) r.uptime_reliable = a.uptime_reliable === true
  if (r.up_mod_days > 0 && r.uptime_reliable !== false) r.uptime = Math.floor(r.uptime_min / 60)
  return r
}

function text (value) {
  return typeof value === 'string' ? value : ''
}

function count (value) {
  return Number.isFinite(value) ? value : 0
}

function seconds (value) {
  const ms = Date.parse(text(value))
  return Number.isNaN(ms) ? 0 : Math.floor(ms / 1000)
}

// header_text is the value of the header; empty where the client was not seen.
// Whatever a database holds, it is printable ASCII.
function header_text (r) {
  if (r.state !== 'matched' && r.state !== 'unknown') return ''
  const words = [
    `os="${quotable([r.os_name, r.os_flavor].filter(Boolean).join(' ') || 'unknown')}"`,
    `link_type="${quotable(r.link_type)}"`,
  ]
  if (r.distance !== undefined) words.push(`distance=${r.distance}`)
  words.push(`total_conn=${r.total_conn}`, `shared_ip=${r.last_nat ? 'Y' : 'N'}`)
  if (r.os_or) words.push(`or="${quotable(r.os_or.join(','))}"`)
  if (r.rewritten) words.push(`rewritten="${quotable(r.rewritten.join(','))}"`)
  return words.join(' ')
}

function quotable (s) {
  return s.slice(0, 100).replaceAll('"', "'").replaceAll('\\', '/').replace(/[^ -~]/g, '?')
}

// add_p0f_header removes every header of that name, forged or not, and adds
// ours. A header without an answer of ours would be the sender's own word.
exports.add_p0f_header = function (next, connection) {
  const name = this.cfg.add_header
  const transaction = connection.transaction
  if (!name || !transaction) return next()

  remove_header(transaction, name)
  const result = connection.notes.p0f
  const full = this.cfg.header_form === 'full'
  const value = full ? connection.notes.mxprint_full : result ? header_text(result) : ''
  if (value) transaction.add_header(name, value)
  next()
}

// remove_header also finds "Name :", which some readers take for the header,
// and Haraka does not.
function remove_header (transaction, name) {
  const names = new Set([name])
  for (const line of transaction.header.lines()) {
    const m = /^([!-9;-~]+)[ \t\r\n]+:/.exec(line)
    if (m && m[1].toLowerCase() === name.toLowerCase()) names.add(line.slice(0, line.indexOf(':')))
  }
  for (const n of names) transaction.remove_header(n)
}

// For tests.
exports._results = results
exports._header_text = header_text
exports._sender = sender
