package express

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestMoreDates(t *testing.T) {
	t.Parallel()
	m, _ := loadMore(t)
	for _, c := range m.Dates {
		got := parseDate(c.Text, time.UTC)
		want, valid := c.MS.(float64)
		if got.kind != date || math.IsNaN(got.num) == valid || valid && got.num != want {
			t.Errorf("%q is %v, want %v", c.Text, got.num, c.MS)
		}
	}
	for _, c := range m.Printed {
		if got := isoString(c.MS); got != c.ISO {
			t.Errorf("%v: %q, want %q", c.MS, got, c.ISO)
		}
		if got := utcString(c.MS); got != c.UTC {
			t.Errorf("%v: %q, want %q", c.MS, got, c.UTC)
		}
		if got := parseDate(c.ISO, time.Local); got.num != c.MS {
			t.Errorf("%q is %v, want %v", c.ISO, got.num, c.MS)
		}
	}
}

func TestATimeWithoutAZoneIsALocalOne(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("", 3600)
	for s, want := range map[string]string{
		"2026-01-02T03:04:05":        "2026-01-02T02:04:05.000Z",
		"2026-01-02 03:04":           "2026-01-02T02:04:00.000Z",
		"2026-01-02":                 "2026-01-02T00:00:00.000Z",
		"2026-01-02T03:04:05Z":       "2026-01-02T03:04:05.000Z",
		"2026-01-02T03:04:05-01:00":  "2026-01-02T04:04:05.000Z",
		"2026-01-02 03:04:05.678-01": "2026-01-02T04:04:05.678Z",
	} {
		if got := parseDate(s, east); math.IsNaN(got.num) || isoString(got.num) != want {
			t.Errorf("%q is %v, want %s", s, got.num, want)
		}
	}
}

func TestMoreNumbers(t *testing.T) {
	t.Parallel()
	m, _ := loadMore(t)
	for _, c := range m.Numbers {
		v, err := parseValue(json.RawMessage(c.Text))
		if got := string(v.append(nil)); got != c.JSON || err != nil {
			t.Errorf("%s: %s, %v; want %s", c.Text, got, err, c.JSON)
		}
	}
}

func FuzzAttributes(f *testing.F) {
	for _, raw := range []string{
		`{}`, `null`, `[]`, `0`, `{"originalMaxAge":60000,"expires":"2026-01-02T03:05:05.678Z","httpOnly":true,"path":"/"}`,
		`{"originalMaxAge":1e400,"expires":"+275760-09-13T00:00:00.000Z"}`, `{"maxAge":-0,"_expires":"x","expires":1.5e-7,"expires":[{"a":1.0}]}`,
		`{"path":"\ud800\u2028\u0000é","domain":{"__proto__":1},"sameSite":true,"priority":"HIGH","secure":"auto","partitioned":1E5}`,
		`{"expires":"2026-12-31 24:00:00+23"}`, `{"_expires":"0"}`, `{"maxAge":""}`, `{"expires":"-271821-04-20T00:00:00Z","originalMaxAge":false}`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := parseAttributes(raw, clock)
		if err != nil {
			return
		}
		again := func(what string, then func(*attributes)) {
			once := a.encode()
			b, err := parseAttributes(once, clock)
			if err != nil || !json.Valid(once) {
				t.Fatalf("%s: wrote %s, and reads %v", what, once, err)
			}
			then(&b)
			if twice := b.encode(); string(once) != string(twice) {
				t.Fatalf("%s:\n first %s\nsecond %s", what, once, twice)
			}
		}
		_, _ = a.line("n", "v")
		_, _ = a.maxAge(clock)
		// Members that express-session never writes leave a text for the expiry,
		// and any text is a date when it is read again, here as there.
		if a.expires.kind == text {
			a.expires = parseDate(a.expires.text, time.UTC)
		}
		again("as stored", func(*attributes) {})
		a.resolve(true)
		again("resolved", func(*attributes) {})
		a.touch(clock)
		// An expiry that is undefined is not written, and null when it is read.
		again("touched", func(b *attributes) { b.touch(clock) })
		_, _ = a.line("n", "v")
	})
}

func FuzzCookie(f *testing.F) {
	f.Add("connect.sid=s%3Aid.x; connect.sid=2", "id", []byte("secret"))
	f.Add(`n="`, "a.b\x00é", []byte{})
	f.Add("n=%C3\xa9%", "", []byte{0xff})
	f.Fuzz(func(t *testing.T, header, id string, secret []byte) {
		_, _ = cookieValue([]string{header}, "connect.sid")
		value, _ := cookieValue([]string{header}, "n")
		_, _, _ = readID(value, [][]byte{secret})
		if got, which, ok := unsign(sign(id, secret), [][]byte{secret}); got != id || which != 0 || !ok {
			t.Fatalf("%q was signed, and came back as %q, %v", id, got, ok)
		}
		if _, _, ok := unsign(sign(id, secret), [][]byte{append([]byte("x"), secret...)}); ok {
			t.Fatalf("%q is good by another secret", id)
		}
		valid := string([]rune(id))
		line := "n=" + encodeComponent(valid)
		if got, present := cookieValue([]string{line, header}, "n"); got != valid || !present {
			t.Fatalf("%q was sent as %q, and came back as %q", valid, line, got)
		}
	})
}
