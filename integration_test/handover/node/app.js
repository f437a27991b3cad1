// An Express application whose requests do what their body says to req.session.
// The program beside it has the same requests in Go. Settings come as JSON in the
// variable HANDOVER; the port goes to standard output; it ends when standard input does.
'use strict'

const crypto = require('node:crypto')
const express = require('express')
const session = require('express-session')

const settings = JSON.parse(process.env.HANDOVER)
const secrets = settings.session.secret // express-session keeps the array itself, so that it can be changed

const app = express()
app.use(express.json({ limit: '20mb' }))

const ready = []

// One application for each table: the one that is shared, and one to compare with.
for (const [name, table] of Object.entries(settings.tables)) {
  const options = { ...settings.session, secret: secrets, store: open(table) }
  app.post('/' + name, session(options), (req, res, next) => {
    run(req).then(answer => res.json(answer)).catch(next)
  })
}

app.post('/secrets', (req, res) => {
  secrets.splice(0, secrets.length, ...req.body)
  res.end()
})

// Gates hold requests until the test opens them.
const gates = new Map()

function gate(name) {
  if (!gates.has(name)) {
    const g = {}
    g.reached = new Promise(resolve => { g.reach = resolve })
    g.opened = new Promise(resolve => { g.open = resolve })
    gates.set(name, g)
  }
  return gates.get(name)
}

app.post('/reached', (req, res) => {
  gate(req.body[0]).reached.then(() => res.end())
})

app.post('/open', (req, res) => {
  gate(req.body[0]).open()
  res.end()
})

app.get('/versions', (req, res) => {
  const versions = { node: process.version.slice(1) }
  for (const name of Object.keys(require('./package.json').dependencies)) {
    versions[name] = require(name + '/package.json').version
  }
  res.json(versions)
})

app.use((err, req, res, next) => {
  console.error(err)
  if (!res.headersSent) {
    res.status(500).json({ error: String(err) })
  }
})

function open(table) {
  if (settings.kind === 'postgres') {
    const Store = require('connect-pg-simple')(session)
    return new Store({
      conString: settings.url,
      schemaName: table.schema,
      tableName: table.name,
      createTableIfMissing: true,
      pruneSessionInterval: false,
      ttl: settings.ttl
    })
  }
  const url = new URL(settings.url)
  const Store = require('express-mysql-session')(session)
  const store = new Store({
    host: url.hostname,
    port: Number(url.port) || 3306,
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1),
    connectionLimit: 4,
    clearExpired: false,
    expiration: (settings.ttl || 86400) * 1000,
    schema: { tableName: table.name }
  })
  ready.push(store.onReady()) // it makes its table at once
  return store
}

async function run(req) {
  const before = text(req.session)
  const views = []
  for (const op of req.body) {
    if (op.op === 'view') {
      views.push(view(req))
    } else {
      await operations[op.op](req, op)
    }
  }
  return { views, end: view(req), changed: text(req.session) !== before }
}

const operations = {
  set(req, op) { req.session[op.key] = 'date' in op ? new Date(op.date) : op.value },
  delete(req, op) { delete req.session[op.key] },
  touch(req) { req.session.touch() },
  save(req) { return called(done => req.session.save(done)) },
  reload(req) { return called(done => req.session.reload(done)) },
  regenerate(req) { return called(done => req.session.regenerate(done)) },
  destroy(req) { return called(done => req.session.destroy(done)) },
  null(req) { req.session = null },
  cookie(req, op) {
    req.session.cookie[op.key] = op.key === 'expires' && op.value ? new Date(op.value) : op.value
  },
  wait(req, op) {
    gate(op.key).reach()
    return gate(op.key).opened
  }
}

function called(f) {
  return new Promise((resolve, reject) => f(err => err ? reject(err) : resolve()))
}

// text is what express-session compares to know whether a session was modified.
function text(s) {
  return JSON.stringify(s, function (key, value) {
    return this === s && key === 'cookie' ? undefined : value
  })
}

function view(req) {
  const s = req.session
  if (!s) {
    return { present: false }
  }
  return {
    present: true,
    id: id(req.sessionID),
    data: JSON.parse(text(s)),
    cookie: s.cookie,
    line: line(s.cookie)
  }
}

// id is the session's public name in Go: the beginning of the hash as a UUID of version 8.
function id(sid) {
  const b = crypto.createHash('sha256').update(sid).digest()
  b[6] = b[6] & 0x0f | 0x80
  b[8] = b[8] & 0x3f | 0x80
  return b.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*/, '$1-$2-$3-$4-$5')
}

// line is what the cookie would be sent as.
function line(cookie) {
  if (typeof cookie.originalMaxAge === 'string') {
    return ''
  }
  const touched = new session.Cookie(cookie.data)
  touched.maxAge = touched.originalMaxAge = cookie.originalMaxAge
  return touched.serialize('name', 'value')
}

Promise.all(ready).then(() => {
  const server = app.listen(0, '127.0.0.1', () => {
    console.log(JSON.stringify({ port: server.address().port }))
  })
})
process.stdin.on('end', () => process.exit(0)).resume()
