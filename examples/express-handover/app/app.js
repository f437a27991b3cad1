// A small, ordinary shop in Express. It knows nothing about Go.
'use strict'

const express = require('express')
const session = require('express-session')

const url = process.env.DATABASE_URL
const store = url.startsWith('postgres') ? postgres() : mysql()

function postgres () {
  const PgSession = require('connect-pg-simple')(session)
  const { Pool } = require('pg')
  return new PgSession({ pool: new Pool({ connectionString: url }), createTableIfMissing: true })
}

function mysql () {
  const MySQLStore = require('express-mysql-session')(session)
  const { hostname, port, username, password, pathname } = new URL(url)
  return new MySQLStore({
    host: hostname,
    port: port || 3306,
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: pathname.slice(1)
  })
}

const app = express()
app.use(session({
  store,
  secret: process.env.SESSION_SECRET,
  resave: false,
  saveUninitialized: false,
  cookie: { maxAge: 24 * 60 * 60 * 1000, sameSite: 'lax' }
}))
app.use(express.urlencoded({ extended: false }))

const view = (req, res) => res.json({
  runtime: 'Express',
  user: req.session.user || '',
  cart: req.session.cart || {},
  answers: req.session.answers || {}
})
const count = (req) => {
  const answers = req.session.answers || {}
  req.session.answers = { ...answers, Express: (answers.Express || 0) + 1 }
}

app.get('/account', view)
app.post('/login', (req, res, next) => {
  const { cart, answers } = req.session
  req.session.regenerate((err) => {
    if (err) return next(err)
    Object.assign(req.session, { user: String(req.body.user), cart, answers })
    count(req)
    view(req, res)
  })
})
app.post('/cart', (req, res) => {
  const cart = req.session.cart || {}
  const item = String(req.body.item)
  req.session.cart = { ...cart, [item]: (cart[item] || 0) + 1 }
  count(req)
  view(req, res)
})
app.post('/logout', (req, res, next) => {
  req.session.destroy((err) => err ? next(err) : res.json({ runtime: 'Express', user: '', cart: {}, answers: {} }))
})

// Each store creates its table in its own way.
const ready = store.onReady
  ? store.onReady()
  : new Promise((resolve, reject) => store.get('nobody', (err) => err ? reject(err) : resolve()))
ready.then(() => {
  const server = app.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + server.address().port))
})
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
