package handover_test

import (
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// ended: the session was logged out.
func (t *turn) ended() bool { return t.gone == "destroy" || t.gone == "null" && t.unset == "destroy" }

// dropped: the handler gave up its changes.
func (t *turn) dropped() bool { return t.gone == "null" && t.unset != "destroy" }

// kept: the session is in the table afterwards.
func (t *turn) kept() bool {
	switch {
	case t.ended():
		return false
	case t.dropped():
		return t.loaded || t.inGo && t.options.SaveUninitialized
	case t.inGo && t.regenerated:
		return len(t.data) > 0 || t.stored
	case t.loaded || len(t.data) > 0 || t.stored || t.options.SaveUninitialized:
		return true
	}
	return t.regenerated
}

// renamed: the session has another id than the cookie that was sent.
func (t *turn) renamed() bool { return !t.loaded || t.regenerated }

// secure: the request came over HTTPS, as far as the applications are to believe it.
func (t *turn) secure() bool { return t.request.https && t.options.Proxy == express.ProxyTrue }

// checkAnswer compares what the handler saw with the model.
func (t *turn) checkAnswer() {
	t.Helper()
	got := slices.Concat(t.reply.Views, []view{t.reply.End})
	if len(got) != len(t.views) {
		t.Fatalf("%d views, want %d", len(got), len(t.views))
	}
	for i, want := range t.views {
		if got[i].Present != want.Present {
			t.Fatalf("view %d: there is a session: %v, want %v", i, got[i].Present, want.Present)
		}
		if what := values(got[i].Data).differs(want.Data); want.Present && what != "" {
			t.Fatalf("view %d: %s", i, what)
		}
	}
	if t.loaded && t.reply.Views[0].ID != idOf(t.sid) {
		t.Fatalf("it saw the session %s, want %s", t.reply.Views[0].ID, idOf(t.sid))
	}
}

// made returns the id of the one row that is new, "" if there is none.
func (t *turn) made() (sid string) {
	t.Helper()
	for id := range t.after {
		if _, old := t.before[id]; old {
			continue
		}
		if sid != "" {
			t.Fatal("it made two rows")
		}
		sid = id
	}
	return sid
}

// checkRows compares the table with the model.
func (t *turn) checkRows() {
	t.Helper()
	for id, r := range t.before {
		if id != t.sid && t.after[id] != r || id == t.sid && !t.loaded && t.after[id] != r {
			t.Fatalf("another row was changed: %+v, want %+v", t.after[id], r)
		}
	}
	made := t.made()
	if want := t.kept() && t.renamed(); want != (made != "") {
		t.Fatalf("it made a row: %v, want %v", made != "", want)
	}
	there := t.after[t.sid].text != ""
	if want := t.kept() && !t.renamed(); t.loaded && want != there {
		t.Fatalf("the row is there: %v, want %v", there, want)
	}
	if !t.kept() {
		return
	}
	row, want := t.after[t.sid], t.data
	if t.renamed() {
		row = t.after[made]
	}
	written := row.text != t.before[t.sid].text
	if t.dropped() || !t.inGo && !written && t.loaded {
		if want = t.was; !t.dropped() && t.data.differs(t.was.rounded()) != "" {
			t.Fatal("it did not save the session")
		}
	}
	data, cookie, err := takeApart(row.text)
	testbed.Check(t.T, err)
	if what := data.differs(want); what != "" {
		t.Fatalf("in the table %s", what)
	}
	if !t.inGo {
		return // what Node does is right
	}
	if written && !cookie.fresh(t.sent, t.answered) {
		t.Fatalf("the row was written with an old expiry: %v", cookie)
	}
	if t.shadow.End.Present {
		want, err := parseAttributes(t.shadow.End.Cookie)
		testbed.Check(t.T, err)
		if !cookie.like(want, t.slack) {
			t.Fatalf("the row has the cookie %v, want %v", cookie, want)
		}
	}
}

// checkExpiry compares the expiry in the table, to the second, with the one that
// Node would have left there.
func (t *turn) checkExpiry() {
	t.Helper()
	if !t.kept() {
		return
	}
	id := t.sid
	if t.renamed() {
		id = t.made()
	}
	row, was := t.after[id], t.before[id]
	_, cookie, err := takeApart(row.text)
	testbed.Check(t.T, err)
	life := t.idle()
	if cookie.lasts() != 0 {
		life = cookie.lasts()
	}
	least, most := t.live.db.second(t.from+life.Microseconds()), t.live.db.second(t.to+life.Microseconds())
	touched := t.renamed() || t.options.Resave || row.text != was.text
	for _, o := range t.request.ops {
		touched = touched || o.Op == "touch"
	}
	lag := int64(min(time.Minute, life/10).Seconds()) + 1
	switch {
	case row.at >= least && row.at <= most:
	case !touched && row.at < least && row.at >= least-lag:
		t.met.add(lazyTouch)
	case row.at > most && row == was:
		t.met.add(touchForward)
	default:
		t.Fatalf("the expiry in the table is %d, want %d to %d", row.at, least, most)
	}
	for other, mirrored := range t.shadowed { // so that the sum above is Node's too
		if (other == t.sid) != t.renamed() && !t.dropped() && (mirrored.at < least-1 || mirrored.at > most+int64(t.slack.Seconds())+1) {
			t.Fatalf("Node's expiry is %d, and should be %d", mirrored.at, most)
		}
	}
}

// checkCookie compares the Set-Cookie line with the one that Node would have sent.
func (t *turn) checkCookie() {
	t.Helper()
	got, err := sessionLine(t.reply, t.cookieName())
	testbed.Check(t.T, err)
	node, err := sessionLine(t.shadow, t.cookieName())
	testbed.Check(t.T, err)
	want := t.expect(node)
	switch {
	case got == nil && want == nil:
		return
	case got == nil || want == nil:
		t.Fatalf("Set-Cookie is %v, want %v", got, want)
	case !got.like(*want, t.slack):
		t.Fatalf("Set-Cookie is %+v, want %+v", *got, *want)
	case !t.renamed() && got.value != want.value && got.value != sign(t.sid, t.signs[t.on]):
		t.Fatalf("Set-Cookie names %q, and the session is %q", got.value, t.sid)
	}
}

// expect returns the line that Go should send where Node sends the one given: the
// same, but for the deliberate differences.
func (t *turn) expect(node *line) *line {
	t.Helper()
	if t.ended() {
		if t.request.cookie == "" {
			return nil
		}
		t.met.add(destroyClears)
		return t.deletion()
	}
	if t.dropped() {
		sends := t.options.Rolling
		if !t.loaded {
			sends = t.options.SaveUninitialized
		}
		if !sends {
			return node
		}
		t.met.add(discardStays)
		if cookie, err := parseAttributes(t.shadow.Views[0].Cookie); err != nil || cookie["secure"] == true && !t.secure() {
			return nil
		}
		return t.lineOf(t.shadow.Views[0])
	}
	if !t.kept() && t.regenerated {
		t.met.add(emptyStays)
		if t.request.cookie == "" {
			return nil
		}
		return t.deletion()
	}
	if !t.kept() {
		if node != nil || len(t.shadowed) > 0 && t.shadowed[t.sid].text == "" {
			t.met.add(emptyStays)
		}
		return nil
	}
	end, err := parseAttributes(t.shadow.End.Cookie)
	testbed.Check(t.T, err)
	if t.renamed() || t.options.Rolling || end["secure"] == true && !t.secure() {
		return node
	}
	assigned := t.assigned && !end.like(t.browser.cookie, t.slack)
	changed := !t.data.equal(t.was)
	switch sends := assigned || changed && end.lasts() != 0; {
	case sends == (node != nil):
		return node
	case assigned:
		t.met.add(attributesCount)
	case changed != t.shadow.Changed:
		t.met.add(bytesDecide)
		if !sends {
			return nil
		}
	default:
		t.Fatalf("Node sends %v, and should send a cookie: %v", node, sends)
	}
	return t.lineOf(t.shadow.End)
}

// lineOf returns the line that Node makes of a session it does not send one for.
func (t *turn) lineOf(v view) *line {
	l, err := parseLine(strings.Replace(v.Line, "name=value", t.cookieName()+"="+t.browser.value, 1))
	testbed.Check(t.T, err)
	return &l
}

// deletion returns the line that makes the browser drop the cookie it has: with the
// attributes that it was sent with, because browsers tell cookies apart by domain and path. A
// Secure one can't be dropped over plain HTTP.
func (t *turn) deletion() *line {
	t.Helper()
	had := t.fresh[t.secure()]
	if t.loaded {
		had = t.shadow.Views[0]
	}
	cookie, err := parseAttributes(had.Cookie)
	testbed.Check(t.T, err)
	if cookie["secure"] == true && !t.secure() {
		return nil
	}
	l := t.lineOf(had)
	l.value = ""
	if l.expires.IsZero() {
		parts := strings.Split(l.attributes, "; ")
		at := slices.IndexFunc(parts, func(part string) bool { return strings.HasPrefix(part, "Path=") })
		l.attributes = strings.Join(slices.Insert(parts, at+1, "Expires=*"), "; ")
	}
	l.expires = time.Unix(0, 0)
	return l
}
