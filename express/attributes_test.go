package express

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// The names and lines are those of the tests of express-session 1.19.0 that a
// test here stands for: in test/cookie.js ("new Cookie()") unless it says
// test/session.js.

var clock = time.UnixMilli(1767323045678) // 2026-01-02T03:04:05.678Z

// "should create a new cookie object" (L6), "should default expires to null"
// (L10), "should default httpOnly to true" (L15), `should default path to "/"`
// (L20), "should default maxAge to null" (L25); session.js: "should default to
// a browser-session length cookie" (L2121), "should not set partitioned
// attribute" by default (L2458).
func TestNewAttributes(t *testing.T) {
	t.Parallel()
	Covers(t, "cookie.js", 6, 10, 15, 20, 25)
	a := newAttributes()
	if a.expires.kind != null || a.originalMaxAge.kind != null || a.httpOnly != booleanOf(true) || a.path != textOf("/") {
		t.Errorf("%+v", a)
	}
	if ms, ok := a.maxAge(clock); ok {
		t.Errorf("maxAge is %v", ms)
	}
	if got, want := string(a.encode()), `{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, err := a.line("n", "v"); got != "n=v; Path=/; HttpOnly" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// With options: "should create a new cookie object" (L31), httpOnly "should set
// httpOnly" (L69), partitioned "should set partitioned" (L111), path "should set path" (L119), priority
// "should set priority" (L127); session.js: "should override defaults" (L2144), "should serialize as
// parameters" (L2106), partitioned "false" and "true" (L2469, L2480).
func TestAttributesAreSet(t *testing.T) {
	t.Parallel()
	Covers(t, "cookie.js", 31, 69, 111, 119, 127)
	for options, want := range map[string]string{
		`{}`:                    "n=v; Path=/; HttpOnly",
		`{"httpOnly":false}`:    "n=v; Path=/",
		`{"partitioned":true}`:  "n=v; Path=/; HttpOnly; Partitioned",
		`{"partitioned":false}`: "n=v; Path=/; HttpOnly",
		`{"path":"/foo"}`:       "n=v; Path=/foo; HttpOnly",
		`{"priority":"high"}`:   "n=v; Path=/; HttpOnly; Priority=High",
		`{"priority":"low","httpOnly":false,"sameSite":true,"secure":true,"domain":"example.com","path":"/a","partitioned":true,"maxAge":1000}`: "n=v; Domain=example.com; Path=/a; Expires=Fri, 02 Jan 2026 03:04:06 GMT; Secure; Partitioned; Priority=Low; SameSite=Strict",
	} {
		a := fromOptions(t, json.RawMessage(options), true, clock)
		if got, err := a.line("n", "v"); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", options, got, err, want)
		}
	}
}

// maxAge "should set expires" (L77), "should set maxAge" (L85); session.js:
// "should set cookie expires relative to maxAge" (L2362), "should modify cookie
// expires when changed" (L2370) also "to large value" (L2378), originalMaxAge
// "should equal original maxAge" (L2214) "for all requests" (L2230, L2260).
func TestMaxAge(t *testing.T) {
	t.Parallel()
	Covers(t, "cookie.js", 77, 85)
	a := newAttributes()
	for _, ms := range []float64{60000, 1, 3000000000} {
		if err := a.setMaxAge(numberOf(ms), clock); err != nil {
			t.Fatal(err)
		}
		later := clock
		for range 3 { // each request has all of it again
			if got, ok := a.maxAge(later); got != ms || !ok || a.originalMaxAge != numberOf(ms) {
				t.Errorf("maxAge is %v, %v, originally %v; want %v", got, ok, a.originalMaxAge, ms)
			}
			if want := dateOf(float64(later.UnixMilli()) + ms); a.expires != want {
				t.Errorf("expires at %v, want %v", a.expires, want)
			}
			later = later.Add(time.Hour)
			if got, _ := a.maxAge(later); got != ms-3600000 {
				t.Errorf("an hour later %v of %v remain", got, ms)
			}
			a.touch(later)
		}
	}
}

// expires "should set expires" (L52), "should set maxAge" (L59); session.js:
// given a Date, "should set absolute" (L2389), when null "should be a
// browser-session cookie" (L2403).
func TestExpires(t *testing.T) {
	t.Parallel()
	Covers(t, "cookie.js", 52, 59)
	a := newAttributes()
	a.setExpires(dateAt(clock.Add(time.Minute)), clock)
	if got, ok := a.maxAge(clock); got != 60000 || !ok || a.originalMaxAge != numberOf(60000) || a.expires != dateAt(clock.Add(time.Minute)) {
		t.Errorf("maxAge is %v, %v, of %+v", got, ok, a)
	}
	if got, err := a.line("n", "v"); got != "n=v; Path=/; Expires=Fri, 02 Jan 2026 03:05:05 GMT; HttpOnly" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	a.setExpires(value{kind: null}, clock)
	if got, ok := a.maxAge(clock); ok || a.originalMaxAge.kind != null {
		t.Errorf("maxAge is %v, of %+v", got, a)
	}
	if got, err := a.line("n", "v"); got != "n=v; Path=/; HttpOnly" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// session.js: "should forward errors setting cookie" (L2167).
func TestLineErrors(t *testing.T) {
	t.Parallel()
	a := newAttributes()
	if _, err := a.line("", "v"); !errors.Is(err, errLine) {
		t.Errorf("no name: %v", err)
	}
	for option, bad := range map[string]string{"domain": "a b", "path": "/;", "priority": "p", "sameSite": "s"} {
		a := newAttributes()
		*a.field(option) = textOf(bad)
		if _, err := a.line("n", "v"); !errors.Is(err, errLine) || !strings.Contains(err.Error(), option) {
			t.Errorf("%s %q: %v", option, bad, err)
		}
	}
	a.expires = dateOf(math.NaN())
	if _, err := a.line("n", "v"); !errors.Is(err, errLine) {
		t.Errorf("an invalid date: %v", err)
	}
	a = newAttributes()
	// JavaScript's text of an array, of which only this port makes an error
	a.path = value{kind: composite, text: `["/x"]`}
	if _, err := a.line("n", "v"); !errors.Is(err, errLine) {
		t.Errorf("an array: %v", err)
	}
}

func TestUnusableAttributes(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", " ", "null", "true", "1", `"x"`, "{", `{"a":}`, `{"originalMaxAge":"60000"}`, `{"originalMaxAge":{}}`, `{"originalMaxAge":true}`, `{"maxAge":[1]}`} {
		if a, err := parseAttributes(json.RawMessage(raw), clock); !errors.Is(err, errStored) {
			t.Errorf("%q: %+v, %v", raw, a, err)
		}
	}
	if _, err := parseAttributes(nil, clock); !errors.Is(err, errStored) {
		t.Errorf("no member: %v", err)
	}
	a := newAttributes()
	if err := a.setMaxAge(textOf("1"), clock); err == nil || a != newAttributes() {
		t.Errorf("a text for maxAge: %v, %+v", err, a)
	}
}

// What Node keeps of members that are there twice.
func TestTheLastOfTwoMembersCounts(t *testing.T) {
	t.Parallel()
	a, err := parseAttributes(json.RawMessage(`{"expires":1,"path":"/a","maxAge":5,"path":"/b","expires":2}`), clock)
	if want := dateOf(float64(clock.UnixMilli() + 5)); err != nil || a.path != textOf("/b") || a.expires != want {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for secure, want := range map[bool]string{true: "none", false: "lax"} {
		a := newAttributes()
		a.secure, a.sameSite = textOf("auto"), textOf("auto")
		a.resolve(secure)
		if a.secure != booleanOf(secure) || a.sameSite != textOf(want) {
			t.Errorf("%v: %+v", secure, a)
		}
		a.resolve(!secure) // the first answer stays
		if a.secure != booleanOf(secure) || a.sameSite != textOf(want) {
			t.Errorf("%v, once more: %+v", secure, a)
		}
	}
}
