package handover_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A turn is one request of a browser to one of the applications, and what was
// before it and after.
type turn struct {
	*run
	*course
	browser *browser
	on      *side
	request request
	sid     string // of the cookie that was sent, "" if it is not good
	was     values // of the session before
	before  map[string]row
	after   map[string]row

	// When it was sent, and when it was answered, in the database's time and here.
	from, to       int64
	sent, answered time.Time
	slack          time.Duration // how much later Node may have answered its own
	reply          reply
	shadow         reply // what Node answered to the same, in the same state
	shadowed       map[string]row
}

// step does one thing with one browser, and then asks both applications what they make of it.
func (r *run) step(i int) {
	r.trail = nil
	t := &turn{run: r, browser: pick(r.rand, r.browsers), on: &r.nodeApp.side}
	t.age(i)
	header, bad := t.header()
	if bad {
		t.browser = &browser{}
	} else {
		t.sid, _ = readCookie(t.browser.value, r.secrets)
	}
	t.was = t.browser.data
	t.course = &course{inGo: r.rand.IntN(5) < 3, loaded: t.was != nil, data: values{}}
	if t.inGo {
		t.on = &r.goApp.side
	}
	t.request = request{cookie: header, https: r.rand.IntN(2) == 0, ops: newOps(r.rand, t.browser, t.loaded)}
	t.take()
	t.checkAnswer()
	t.checkRows()
	if t.inGo {
		t.checkCookie()
		t.checkExpiry()
	}
	t.receive(t.reply, t.on)
	t.settle()
	t.checkBoth()
	t.sweep()
}

func (r *run) notef(format string, args ...any) {
	r.trail = append(r.trail, fmt.Sprintf(format, args...))
}

// age makes time pass for the browser's session, now and then.
func (t *turn) age(i int) {
	if t.browser.data == nil {
		return
	}
	sid, _ := readCookie(t.browser.value, t.secrets)
	life := t.idle()
	if t.browser.cookie.lasts() != 0 {
		life = t.browser.cookie.lasts()
	}
	passed := time.Duration(t.rand.Int64N(min(90, int64(life.Seconds()*2/10)))) * time.Second
	switch n := t.rand.IntN(40); {
	case n == 0:
		t.notef("%d: the session ends by its age", i)
		passed = life + 10*time.Second
		t.browser.data = nil
	case n <= 2: // as Node leaves it that changed nothing but maxAge
		passed = -1000 * time.Second
	case n > 12:
		return
	}
	t.notef("%d: since the last request there passed %v", i, passed)
	t.live.age(t.T, sid, int64((life - passed).Seconds()))
	text := t.live.rows(t.T)[sid].text
	if when, err := time.Parse(time.RFC3339, fmt.Sprint(t.browser.cookie["expires"])); err == nil {
		older := when.Add(-passed).UTC().Format("2006-01-02T15:04:05.000Z")
		text = strings.ReplaceAll(text, fmt.Sprint(t.browser.cookie["expires"]), older)
		t.live.exec(t.T, "UPDATE $TABLE SET $TEXT = ?$JSON WHERE $SID = ?", text, sid)
	}
}

// header returns a Cookie header with the browser's cookie, or, now and then, one
// that is spelled strangely, or a bad one.
func (t *turn) header() (header string, bad bool) {
	name, value := t.cookieName()+"=", t.browser.value
	sid, _ := readCookie(value, t.secrets)
	if value == "" || sid == "" || t.rand.IntN(8) > 0 {
		if value == "" {
			return "", false
		}
		return name + value, false
	}
	good := []string{
		`a=b; ` + name + `"` + value + `"; c=d`,
		"x" + name + "1;" + name + value + "; " + name + sign("a-second-one", t.secrets[0]),
	}
	wrong := []string{
		name + value[:len(value)-1] + map[bool]string{true: "B", false: "A"}[value[len(value)-1] == 'A'],
		name + sid,
		name + "s%3A" + sid,
		name + "s%3A" + sid + ".",
		name + sign(sid, "another secret"),
		name + sign("nobody-has-this-id", t.secrets[0]),
		name + "; " + name + value, // the first one counts
		name + "%zz; a=b",
		name + value[4:],
		name + "s%3Aj%3A%7B%7D.x",
	}
	if n := t.rand.IntN(len(good) + len(wrong)); n < len(good) {
		return good[n], false
	}
	return pick(t.rand, wrong), true
}

// take sends the request, and one for Go also to Node, with a copy of the row.
func (t *turn) take() {
	if t.loaded {
		t.data, t.saved = maps.Clone(t.was), maps.Clone(t.was)
		if !t.inGo {
			t.data, t.saved = t.was.rounded(), t.was.rounded()
		}
	}
	t.before = t.live.rows(t.T)
	if t.inGo {
		t.live.copyTo(t.T, t.mirror, t.sid, t.before[t.sid])
	}
	ops, _ := json.Marshal(t.request.ops)
	t.notef("%s, https %v, loaded %v, Cookie: %s: %s", t.on.name, t.request.https, t.loaded, t.request.cookie, ops)
	t.notef("row before: %+v", t.before[t.sid])
	t.from, t.sent = t.live.db.clock(t.T), time.Now()
	t.reply = t.on.must(t.T, "live", t.request)
	t.to, t.answered = t.live.db.clock(t.T), time.Now()
	t.notef("answer: %s %q", t.reply.body, t.reply.cookies)
	t.after = t.live.rows(t.T)
	t.notef("row after: %+v", t.after[t.sid])
	if t.inGo {
		t.shadow = t.nodeApp.must(t.T, "mirror", t.request)
		t.slack = time.Since(t.sent) + time.Second // it is whole seconds that are compared
		t.shadowed = t.mirror.rows(t.T)
		t.notef("Node on its own: %s %q %+v", t.shadow.body, t.shadow.cookies, t.shadowed)
	}
	t.follow(append(t.request.ops, op{Op: "view"}))
}

// receive is what a browser does with a response.
func (t *turn) receive(r reply, from *side) {
	t.Helper()
	l, err := sessionLine(r, t.cookieName())
	testbed.Check(t.T, err)
	switch {
	case l == nil:
	case l.value == "":
		t.browser.value = ""
	default:
		sid, secret := readCookie(l.value, t.secrets)
		if sid == "" || secret != t.signs[from] {
			t.Fatalf("%s sent a cookie that is not signed with its first secret", from.name)
		}
		if _, ok := t.live.rows(t.T)[sid]; !ok {
			t.Fatalf("%s sent a cookie for no row", from.name)
		}
		t.browser.value = l.value
	}
}

// settle finds out which session the browser has now.
func (t *turn) settle() {
	sid, _ := readCookie(t.browser.value, t.secrets)
	t.browser.data = nil
	row, ok := t.after[sid]
	if !ok || !t.kept() || sid == t.sid && !t.loaded {
		return
	}
	var err error
	t.browser.data, _, err = takeApart(row.text)
	testbed.Check(t.T, err)
}

// checkBoth asks both applications for the session, Go first.
func (t *turn) checkBoth() {
	t.Helper()
	if t.browser.data == nil {
		return
	}
	sid, _ := readCookie(t.browser.value, t.secrets)
	var cookies []attributes
	want := t.browser.data
	for _, on := range []*side{&t.goApp.side, &t.nodeApp.side} {
		r := on.must(t.T, "live", request{cookie: t.cookieName() + "=" + t.browser.value, https: t.request.https})
		if on == &t.nodeApp.side {
			want = want.rounded()
		}
		if r.End.ID != idOf(sid) {
			t.Fatalf("then %s does not see the session: %s", on.name, r.body)
		}
		if what := values(r.End.Data).differs(want); what != "" {
			t.Fatalf("then %s sees that %s", on.name, what)
		}
		a, err := parseAttributes(r.End.Cookie)
		testbed.Check(t.T, err)
		cookies = append(cookies, a)
		t.receive(r, on)
	}
	resave := t.options.Resave
	if !cookies[0].like(cookies[1], 0) || !resave && cookies[0]["expires"] != cookies[1]["expires"] {
		t.Fatalf("the cookie is to Go %v and to Node %v", cookies[0], cookies[1])
	}
	t.browser.cookie = cookies[1]
	if resave { // Node has just written it
		var err error
		t.browser.data, _, err = takeApart(t.live.rows(t.T)[sid].text)
		testbed.Check(t.T, err)
	}
}

// sweep deletes the rows that no browser has a cookie for.
func (r *run) sweep() {
	var sids []string
	for _, b := range r.browsers {
		sid, _ := readCookie(b.value, r.secrets)
		sids = append(sids, sid)
	}
	r.live.keep(r.T, r.live.rows(r.T), sids...)
}
