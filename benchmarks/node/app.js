// The application of the benchmark with express-session and connect-pg-simple.
// It prints its address, and ends when its standard input does.
'use strict'

const crypto = require('crypto')
const express = require('express')
const session = require('express-session')
const PgSession = require('connect-pg-simple')(session)
const { Pool } = require('pg')

const pool = new Pool({ connectionString: process.env.SESSIONS_BENCHMARK_DATABASE, max: 16 })
const store = new PgSession({ pool, createTableIfMissing: true, pruneSessionInterval: false })

const app = express()
app.set('etag', false)
app.use(session({
  store,
  secret: crypto.randomBytes(32).toString('base64'),
  resave: false,
  saveUninitialized: false,
  cookie: { maxAge: 24 * 60 * 60 * 1000, sameSite: 'lax' }
}))

const text = (n) => crypto.randomBytes(n).toString('hex').slice(0, n)
const cart = text(420)
const newUser = () => 'user-' + crypto.randomInt(1000000)
const answer = (req, res) => res.end(req.session.user_name + ' ' + req.session.count)

app.get('/begin', (req, res) => {
  Object.assign(req.session, { user_name: newUser(), count: 0, cart, theme: 'dark' })
  answer(req, res)
})

app.use((req, res, next) => {
  if (req.session.user_name) return next()
  res.statusCode = 401
  res.end('no session')
})
app.get(['/read', '/rolling'], answer)
app.get('/counter', (req, res) => {
  req.session.count++
  answer(req, res)
})
app.get('/login', (req, res, next) => {
  const { count, cart, theme } = req.session
  req.session.regenerate((err) => {
    if (err) return next(err)
    Object.assign(req.session, { user_name: newUser(), count, cart, theme })
    answer(req, res)
  })
})

const server = app.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + server.address().port))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
