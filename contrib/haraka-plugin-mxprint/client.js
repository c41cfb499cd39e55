'use strict'
// The client's side of mxprint's query socket (docs/query.md): one line asks,
// one line answers, in order.

const net = require('node:net')

// p0f's own socket answers a line with these four bytes (its magic).
const P0F_MAGIC = '\x02F0P'

// An answer is a few hundred bytes.
const MAX_LINE = 64 * 1024

// A connection that has not answered for so long (in milliseconds) is given up
// at the next question.
const STALE = 5000

// An outage is logged at most once in this many milliseconds.
const QUIET = 60000

// Client asks over one connection, which it makes when there is something to
// ask. Every question is answered by exactly one call of its callback, with an
// error or with an object, within the deadline.
class Client {
  // where: a path or HOST:PORT; deadline in milliseconds; limit of questions
  // under way. say(text) is called when answers begin or cease to come. good says
  // whether an object is an answer.
  constructor ({ where, deadline, limit, say, good = (answer) => typeof answer.state === 'string' }) {
    this.address = address(where)
    this.deadline = deadline
    this.limit = limit
    this.say = say
    this.good = good
    this.socket = null
    this.waiting = [] // in the order of the answers, also those given up
    this.text = ''
    this.stale = STALE
    this.down = false // and said so
    this.lastSaid = -QUIET
  }

  //
  // The answer is an object; where the line asks for "full" it is the text.
  ask (line, done) {
    const first = this.waiting[0]
    if (first && performance.now() - first.asked > this.stale) {
      this.lose(new Error('the sensor has ceased to answer'))
    }
    if (this.waiting.length >= this.limit) {
      done(new Error(`${this.limit} questions are waiting`))
      return
    }
    const question = { line, done, asked: performance.now(), again: true }
    question.timer = setTimeout(() => {
      this.settle(question, new Error(`no answer within ${this.deadline} ms`))
    }, this.deadline)
    this.send(question)
  }

  send (question) {
    this.waiting.push(question)
    if (!this.socket) this.connect()
    this.socket.write(question.line + '\n')
  }

  connect () {
    const socket = net.createConnection(this.address)
    this.socket = socket
    this.text = ''
    let error = null
    socket.unref() // an idle connection keeps no process alive
    socket.setEncoding('latin1')
    socket.setNoDelay(true)
    socket.once('connect', () => { socket.mxprintOpen = true })
    socket.on('data', (text) => {
      if (this.socket === socket) this.receive(text)
    })
    socket.on('error', (err) => { error = err })
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      if (this.socket !== socket) return
      this.lose(error || new Error('the sensor closed the connection'), socket.mxprintOpen)
    })
  }

  // lose gives the connection up. What was asked over one that had worked is
  // asked once more over a new one: the sensor may have been restarted.
  lose (err, again = false) {
    const lost = this.waiting
    const socket = this.socket
    this.waiting = []
    this.socket = null
    if (socket) socket.destroy()
    for (const question of lost) {
      if (!question.done) continue
      if (again && question.again) {
        question.again = false
        this.send(question)
      } else {
        this.settle(question, err)
      }
    }
  }

  receive (text) {
    this.text += text
    const lines = this.text.split('\n')
    this.text = lines.pop()
    for (const line of lines) {
      if (!this.take(line)) return
    }
    if (this.text.startsWith(P0F_MAGIC)) {
      this.lose(new Error("this is p0f's socket; name the one of [query] in mxprint's configuration"))
    } else if (this.text.length > MAX_LINE) {
      this.lose(new Error('an answer without end'))
    }
  }

  // take takes one answer, and reports whether the connection is good for more.
  take (line) {
    let answer = null
    try {
      answer = JSON.parse(line)
    } catch (err) { /* below */ }
    const question = this.waiting.shift()
    if (question && /^(?:ask )?full /.test(question.line) && !line.startsWith('error: ') && /^[ -~]*$/.test(line)) {
      this.settle(question, null, line)
      return true
    }
    const good = answer !== null && typeof answer === 'object' && this.good(answer)
    if (question && good) {
      this.settle(question, null, answer)
      return true
    }
    if (question && line.startsWith('error: ')) {
      this.settle(question, new Error(line.slice(0, 300)))
      return true
    }
    const err = new Error(question ? 'what came is no answer' : 'an answer to nothing came')
    if (question) this.settle(question, err)
    this.lose(err)
    return false
  }

  // settle calls back, once.
  settle (question, err, answer) {
    const done = question.done
    if (!done) return
    question.done = null
    clearTimeout(question.timer)
    if (err && !this.down && performance.now() - this.lastSaid > QUIET) {
      this.down = true
      this.lastSaid = performance.now()
      this.say(`no answer, the mail goes on without: ${err.message}`)
    } else if (!err && this.down) {
      this.down = false
      this.say('answers again')
    }
    done(err, answer)
  }

  close () {
    this.lose(new Error('the plugin ends'))
  }
}

function address (where) {
  const m = /^\[?([^/]*?)\]?:(\d+)$/.exec(where)
  return m ? { host: m[1], port: Number(m[2]) } : { path: where }
}

module.exports = { Client }
