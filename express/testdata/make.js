// Makes more.json: what the real packages do with random input.
//
//   npm install express-session@1.19.0     (in a scratch folder: it brings cookie 0.7.2, cookie-signature 1.0.7)
//   NODE_PATH=that/folder/node_modules node testdata/make.js > testdata/more.json
//
// Made with Node 20.20.2. The same seed makes the same file. Dates are in UTC,
// and the clock stands still at NOW where it matters.
'use strict'

process.env.TZ = 'UTC'
process.env.NO_DEPRECATION = 'express-session'

const path = require('path')
const main = require.resolve('express-session')
const session = require('express-session')
const Cookie = session.Cookie
const inner = (name) => require(require.resolve(name, { paths: [path.dirname(main)] }))
const cookie = inner('cookie')
const signature = inner('cookie-signature')
const http = require('http')
const net = require('net')

const NOW = 1767323045678
const SEED = 20260102

let state = SEED
function random (n) { // mulberry32
  state = (state + 0x6D2B79F5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return Math.floor(((t ^ (t >>> 14)) >>> 0) / 4294967296 * n)
}
const pick = (list) => list[random(list.length)]
const chance = (percent) => random(100) < percent
const times = (n, fn) => Array.from({ length: n }, (_, i) => fn(i))
const some = (max, pieces) => times(random(max + 1), () => pick(pieces)).join('')

const hex = (b) => Buffer.from(b).toString('hex')
const secret = () => Buffer.from(times(1 + random(40), () => random(256)))
const SECRETS = times(4, secret)

const ALNUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const plainID = () => times(32, () => pick(ALNUM)).join('')
const PIECES = ['a', 'Z', '0', '.', '..', '-', '_', '~', '!', "'", '(', ')', '*', '%', '%41', '%zz', '+', '/', '=', ' ', '"', ';', ',',
  '\\', 's:', ':', '@', '&', '$', '#', '?', '<', '>', '[', ']', '{', '|', '}', '^', '`', '\t', '\n', '\u0000', '\u007f', '\u0080', 'é', 'ß', 'Ω', '日本',
  '\u2028', '\ufeff', '\uffff', '😀', '𝒳']
const id = () => chance(30) ? plainID() : some(12, PIECES)

const out = {}

// sign of cookie-signature and the value that goes into the cookie.
out.sign = times(60, () => {
  const value = id()
  const key = secret()
  const signed = signature.sign(value, key)
  return { value, secret_hex: hex(key), signed, cookie_value: encodeURIComponent('s:' + signed) }
})

// unsign with several secrets, of good values and of damaged ones.
function damage (s) {
  const at = random(s.length + 1)
  switch (random(9)) {
    case 0: return s.slice(0, at) + pick(PIECES) + s.slice(at)
    case 1: return s.slice(0, at) + s.slice(at + 1)
    case 2: return s + '='
    case 3: return s.replace(/\+/g, '-').replace(/\//g, '_')
    case 4: return s.slice(s.lastIndexOf('.'))
    case 5: return s.slice(0, s.lastIndexOf('.'))
    case 6: return 'x.' + s
    case 7: return s + '.'
    default: return s.slice(0, -1) + pick(ALNUM)
  }
}
out.unsign = times(120, () => {
  const secrets = times(random(4), () => pick(SECRETS))
  let value = signature.sign(id(), chance(70) && secrets.length ? pick(secrets) : pick(SECRETS))
  if (chance(40)) value = damage(value)
  let result = false
  let which = 0
  for (; which < secrets.length && result === false; which++) result = signature.unsign(value, secrets[which])
  return { value, secrets_hex: secrets.map(hex), id: result === false ? null : result, which: result === false ? 0 : which - 1 }
})

out.encode = times(60, () => {
  const text = some(20, PIECES)
  return { in: text, out: encodeURIComponent(text) }
})

// Cookie lines. Each character stands for the byte of its number.
const NAMES = [...times(12, () => 'connect.sid'), 'Connect.sid', 'connect', 'connect.sid2', 'x', '', '"connect.sid"', '__Host-sid']
const RAW = ['a', 'b=c', '%41', '%', '%4', '%zz', '%C3%A9', '%C3', '%A9', '%C3\u00a9', '\u00c3%A9', '\u00c3\u00a9', '\u00e9', '%ED%A0%80', '%C0%80', '%F0%9F%98%80',
  '%F4%90%80%80', '%EF%BB%BF', '%00', '%0a', '"', '""', ' ', '\t', '+', '.', '=', '==', ',', 's:', 's%3A', '\\', '%22', '%3B', '%25', '%e2%82%ac', '\u0080', '\u00ff', '\u00a0']
function pair () {
  const blank = () => some(2, [' ', '\t'])
  let value
  if (chance(55)) {
    const signed = 's:' + signature.sign(chance(80) ? plainID() : some(6, PIECES), pick(SECRETS))
    value = pick([encodeURIComponent, encodeURIComponent, encodeURIComponent, encodeURI, (s) => s.replace(/[^\x20-\x7e]/g, '_')])(chance(20) ? damage(signed).replace(/[^\x20-\x7e]/g, '_') : signed)
    if (chance(20)) value = '"' + value + '"'
  } else {
    value = some(5, RAW)
  }
  if (chance(8)) return blank() + value
  return blank() + pick(NAMES) + blank() + '=' + blank() + value + blank()
}
const line = () => times(random(8) ? 1 + random(2) : 0, pair).join(pick([';', '; ', ' ;', ';;', '; ; ']))
const FIXED = ['connect.sid="', 'connect.sid=""', 'connect.sid=" "', 'connect.sid="a', 'connect.sid=%20+', '=', 'connect.sid', 'connect.sid=a; connect.sid=b']
const lineSets = times(180, (i) => i < FIXED.length ? [FIXED[i]] : times(1 + (chance(25) ? 1 + random(2) : 0), line))

// stored as "cookie" by whoever
const DATES = ['2026-01-02T03:05:05.678Z', '2026-01-02T03:05:05Z', '2026-01-02T03:05:05.123456789Z', '2026-01-02T03:05:05.9999+02:00', '2026-01-02T03:05:05-0330',
  '2030-05-06', '2030-05', '2030', '2030-05-06T07:08', '2026-02-30T00:00:00Z', '2026-13-01T00:00:00Z', '2026-01-02 03:05:05', '2026-01-02 03:05:05.5+00', '2026-01-02t03:05:05z',
  '+010000-01-01T00:00:00.000Z', '-000001-01-01T00:00:00Z', '-000000-01-01T00:00:00Z', '1969-12-31T23:59:59.999Z', '0000-01-01T00:00:00Z', '+275760-09-13T00:00:00.000Z', '+275760-09-13T00:00:00.001Z',
  'Fri, 02 Jan 2026 03:05:05 GMT', 'Fri Jan 02 2026 03:04:05 GMT+0200 (Eastern European Standard Time)', '', 'garbage', '2026-01-02T24:00:00Z', '2026-01-02T24:00:01Z',
  '2026-01-02T03:05:05+02', '2026-01-02T03:05:05+24:00', '2026-01-02T03:05:05+23:59', '2026-01-02T03:05:05-00:60', '2026-01-02T03:60:05Z', '2026-01-02T03:05:60Z', '2026-01-32', '2026-00-01', '2026-01-02 03:05:05-0130',
  '1969-12-31T23:59:59.9989Z', '2026-01-02T03:05:05+2400', '2026-01-02T+02:00', '2026-01-02+02:00', '2026-01 03:04', '2026Z']
const NUMBERS = ['0', '-0', '1', '-1', '60000', '60000.7', '-1000.5', '1e3', '1E+5', '1.5e-7', '0.000001', '123456789012345680000', '1e21', '1e400', '-1e400', '5e-324', '0.1',
  '8640000000000000', '8.64e15', '1767323105678', '31536000000', '9007199254740993', '1e-7', '100', '12e-1']
const TEXTS = ['""', '"x"', '"auto"', '"\\u0041\\n\\t\\f\\b\\r\\u0001\\u001f\\u000b\\"\\\\\\/\\u2028é😀\\u007f"']
const ODD = ['null', 'true', 'false', '[]', '{}', ...TEXTS]
const date = () => JSON.stringify(pick(DATES))
const number = () => pick(NUMBERS)
const any = () => chance(50) ? pick(ODD) : number()
const CHECKED = { // when a line is made
  path: ['"/"', '"/a b"', '""', '"/;x"', '"/<"', '"/é"', '"/\\u0000"', '"/~="'],
  domain: ['"example.com"', '".example.com"', '"..example.com"', '"EXAMPLE.com"', '"a-.com"', '"a.com."', '"localhost:3000"', '"exa mple.com"', '"a.com\\n"', '"\u212aa.com"',
    '"' + 'a'.repeat(63) + '.de"', '"' + 'a'.repeat(64) + '.de"', '"127.0.0.1"', '"a_b.com"'],
  sameSite: ['true', 'false', '"lax"', '"Strict"', '"NONE"', '"auto"', '"foo"', '"\u017ftrict"', '" lax"', '1', '0'],
  priority: ['"low"', '"Medium"', '"HIGH"', '"urgent"', '"H\u0130GH"', 'true', '0']
}
const FIELDS = {
  originalMaxAge: () => pick([number, number, () => 'null', () => 'false', any])(),
  expires: () => pick([date, date, date, () => 'null', number, any])(),
  maxAge: () => pick([number, number, () => 'null', any])(),
  _expires: () => pick([number, date, any])(),
  httpOnly: () => pick([() => 'true', () => 'false', any])(),
  secure: () => pick([() => 'true', () => 'false', () => '"auto"', any])(),
  partitioned: () => pick([() => 'true', () => 'false', any])(),
  path: () => pick([() => pick(CHECKED.path), any])(),
  domain: () => pick([() => pick(CHECKED.domain), any])(),
  sameSite: () => pick([() => pick(CHECKED.sameSite), any])(),
  priority: () => pick([() => pick(CHECKED.priority), any])(),
  data: any,
  other: any
}
// JavaScript makes a string of an array or object that stands for a path or a
// domain; the port refuses it, so those pairs are left out.
function member (name) {
  let text = FIELDS[name]()
  while ((name === 'path' || name === 'domain') && /^[[{]/.test(text)) text = FIELDS[name]()
  return JSON.stringify(name) + pick([':', ' : ']) + text
}
const LIKELY = ['originalMaxAge', 'originalMaxAge', 'expires', 'expires', 'httpOnly', 'path', 'secure', 'domain', 'sameSite', 'priority', 'partitioned']
const RARE = ['maxAge', '_expires', 'data', 'other']
const BLOBS = [
  'null', 'true', '7', '0', '""', '"x"', 'false', '[]', '[1,{"path":"/x"}]', '{}', ' {} ', '-0',
  ...DATES.map((s) => '{"originalMaxAge":60000,"expires":' + JSON.stringify(s) + '}'),
  ...Object.entries(CHECKED).flatMap(([name, list]) => list.map((text) => '{' + JSON.stringify(name) + ':' + text + '}'))
]
function blob (i) {
  if (i < BLOBS.length) return BLOBS[i]
  // the attributes that make a line fail are not in every blob, or few would get one
  const list = times(1 + random(6), () => chance(12) ? pick(RARE) : pick(LIKELY))
  return '{' + list.map(member).join(pick([',', ', '])) + '}'
}

const error = (fn) => { try { return [fn(), null] } catch (e) { return [null, e.message] } }
const VALUE = 's:id.signature+/'
function maxAgeOf (c) { const v = c.maxAge; return v === undefined ? null : v }

function stored (raw) {
  const store = new session.Store()
  const c = { raw }
  let s
  ;[s, c.error] = error(() => store.createSession({ sessionID: 'id', sessionStore: store }, { cookie: JSON.parse(raw) }))
  if (c.error) return c
  c.inflated = JSON.stringify(s.cookie)
  c.max_age = maxAgeOf(s.cookie)
  ;[c.line, c.line_error] = error(() => s.cookie.serialize('connect.sid', VALUE))
  ;[, c.touch_error] = error(() => s.touch())
  if (c.touch_error) return c
  c.touched = JSON.stringify(s.cookie)
  ;[c.touched_line, c.touched_line_error] = error(() => s.cookie.serialize('connect.sid', VALUE))
  return c
}

// options: in the order given; expires is a date's text
function options () {
  const o = {}
  const set = {
    maxAge: () => pick([60000, 1500, 0, -1000, 31536000000, 999.9, 8.64e15, null, false]),
    expires: () => pick(['2030-05-06T07:08:09.000Z', '2020-01-01T00:00:00.001Z', '-000001-01-01T00:00:00.000Z', '+010000-01-01T00:00:00.000Z', null, false]),
    httpOnly: () => chance(50),
    secure: () => pick([true, false, 'auto']),
    partitioned: () => chance(50),
    path: () => pick(['/', '', '/a/b', '/a;b', '/é']),
    domain: () => pick(['example.com', '.example.com', 'a b', null, '']),
    sameSite: () => pick([true, false, 'lax', 'STRICT', 'none', 'auto', 'odd']),
    priority: () => pick(['low', 'MEDIUM', 'high', 'no'])
  }
  for (let i = random(8); i > 0; i--) {
    const name = pick(Object.keys(set))
    delete o[name]
    o[name] = set[name]()
  }
  return o
}
function setCookie () {
  const o = options()
  const https = chance(50)
  const name = pick(['connect.sid', 'connect.sid', 'connect.sid', '__Host-sid', 'a b', "!#$%&'*+-.^_`|~", 'é'])
  const live = { ...o }
  if (live.expires) live.expires = new Date(live.expires)
  const store = new session.MemoryStore()
  session({ cookie: live, secret: 'x', resave: false, saveUninitialized: false, store, proxy: true })
  const req = { headers: { 'x-forwarded-proto': https ? 'https' : 'http' }, connection: {} }
  store.generate(req)
  req.session.touch()
  const [header, failure] = error(() => req.session.cookie.serialize(name, VALUE))
  return { name, cookie: o, https, header, error: failure, stored: JSON.stringify(req.session.cookie) }
}

// assignments to a live cookie
function assign (i) {
  const c = new Cookie({ maxAge: pick([null, 60000, 5000.5]) })
  const start = JSON.stringify(c)
  const steps = times(1 + random(3), () => {
    const step = pick([
      () => ['maxAge', pick([0, -0, 1, 250.25, -5, -NOW - 1.5, null, false, 1e20, -1e300, 60000])],
      () => ['expires', pick([null, false, 0, 1767323045678, 1767323105000, -1, 8.64e15, 9e15, -62198755200000])],
      () => ['touch', null]
    ])()
    if (step[0] === 'maxAge') c.maxAge = step[1]
    if (step[0] === 'expires') c.expires = typeof step[1] === 'number' ? new Date(step[1]) : step[1]
    if (step[0] === 'touch') c.maxAge = c.originalMaxAge
    const [header, failure] = error(() => c.serialize('a', VALUE))
    return { set: step[0], to: step[1], json: JSON.stringify(c), max_age: maxAgeOf(c), line: header, error: failure }
  })
  return { start, steps }
}

function printed (ms) {
  const d = new Date(ms)
  return { ms, iso: d.toISOString(), utc: d.toUTCString() }
}

// What express-session's own getcookie makes of lines that come over a socket.
function ask (port, lines) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' + lines.map((l) => 'Cookie: ' + l + '\r\n').join('') + '\r\n', 'latin1'))
    })
    const chunks = []
    socket.on('data', (c) => chunks.push(c)).on('error', reject).on('end', () => {
      const text = Buffer.concat(chunks).toString()
      if (!text.startsWith('HTTP/1.1 200')) return reject(new Error(JSON.stringify(lines) + text))
      resolve({ lines, ...JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) })
    })
  })
}

async function cookies () {
  const store = new session.Store()
  let asked
  store.get = (sid, cb) => { asked = sid; cb(null, { cookie: { originalMaxAge: null } }) }
  store.set = store.destroy = (sid, ...rest) => rest.pop()(null)
  const middleware = session({ secret: SECRETS, resave: false, saveUninitialized: false, store })
  const server = http.createServer((req, res) => {
    asked = null
    middleware(req, res, () => {
      const value = cookie.parse(req.headers.cookie || '')['connect.sid']
      const body = Buffer.from(JSON.stringify({ value: value === undefined ? null : value, id: asked }))
      res.writeHead(200, { 'Content-Length': body.length })
      res.end(body)
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const list = []
  for (const lines of lineSets) list.push(await ask(server.address().port, lines))
  server.close()
  return list
}

async function run () {
  out.cookies = await cookies()
  Date.now = () => NOW
  out.setCookie = times(120, setCookie)
  out.stored = times(BLOBS.length + 180, (i) => stored(blob(i)))
  out.assign = times(60, assign)
  out.dates = DATES.map((s) => { const ms = new Date(s).getTime(); return { text: s, ms: isNaN(ms) ? null : ms } })
  out.printed = [0, -1, 999, NOW, 253402300799999, 253402300800000, 8.64e15, -8.64e15, -62167219200000, -62167219200001, -62198755200000,
    ...times(40, () => Math.round((random(2 ** 31) / 2 ** 31 - 0.5) * 2 * 10 ** (3 + random(13))))].map(printed)
  out.numbers = [...NUMBERS, ...times(60, () => pick(['', '-']) + random(1e9) + pick(['', '.' + random(1e6)]) + pick(['', 'e' + (random(60) - 30), 'E-' + random(320), 'e+' + random(330)]))]
    .map((t) => ({ text: t, json: JSON.stringify(JSON.parse(t)) }))
  const meta = {
    now_ms: NOW, seed: SEED, node: process.version, express_session: require(path.join(path.dirname(main), 'package.json')).version,
    cookie: '0.7.2', cookie_signature: '1.0.7', secrets_hex: SECRETS.map(hex)
  }
  const groups = Object.entries(out).map(([name, list]) => JSON.stringify(name) + ': [\n' + list.map((c) => JSON.stringify(c)).join(',\n') + '\n]')
  process.stdout.write('{\n"meta": ' + JSON.stringify(meta) + ',\n' + groups.join(',\n') + '\n}\n')
}
run()
