package express

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// Stored times without a zone are local ones, and testdata/make.js ran in UTC.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	code := m.Run()
	if code == 0 && !conformed() {
		code = 1
	}
	os.Exit(code)
}

type unsignCase struct {
	Value   string   `json:"value"`
	Secrets []string `json:"secrets_hex"`
	ID      *string  `json:"id"`
	Which   int      `json:"which"`
}

type cookieCase struct {
	Lines []string `json:"lines"` // each character stands for the byte of its number
	Value *string  `json:"value"`
	ID    *string  `json:"id"` // what the middleware asked its store for
}

type setCookieCase struct {
	Name   string          `json:"name"`
	Cookie json.RawMessage `json:"cookie"`
	HTTPS  bool            `json:"https"`
	Header *string         `json:"header"`
	Error  *string         `json:"error"`
	Stored string          `json:"stored"`
}

type storedCase struct {
	Raw              string  `json:"raw"`
	Error            *string `json:"error"` // of reading it
	Inflated         string  `json:"inflated"`
	MaxAge           any     `json:"max_age"`
	Line             *string `json:"line"`
	LineError        *string `json:"line_error"`
	TouchError       *string `json:"touch_error"` // which ends every request with that session
	Touched          string  `json:"touched"`
	TouchedLine      *string `json:"touched_line"`
	TouchedLineError *string `json:"touched_line_error"`
}

type assignCase struct {
	Start string `json:"start"`
	Steps []struct {
		Set    string          `json:"set"`
		To     json.RawMessage `json:"to"`
		JSON   string          `json:"json"`
		MaxAge any             `json:"max_age"`
		Line   *string         `json:"line"`
		Error  *string         `json:"error"`
	} `json:"steps"`
}

type moreCases struct {
	Meta struct {
		Now     int64    `json:"now_ms"`
		Secrets []string `json:"secrets_hex"`
	} `json:"meta"`
	Sign      []signCase      `json:"sign"`
	Unsign    []unsignCase    `json:"unsign"`
	Encode    []encodeCase    `json:"encode"`
	Cookies   []cookieCase    `json:"cookies"`
	SetCookie []setCookieCase `json:"setCookie"`
	Stored    []storedCase    `json:"stored"`
	Assign    []assignCase    `json:"assign"`
	Dates     []struct {
		Text string `json:"text"`
		MS   any    `json:"ms"`
	} `json:"dates"`
	Printed []struct {
		MS  float64 `json:"ms"`
		ISO string  `json:"iso"`
		UTC string  `json:"utc"`
	} `json:"printed"`
	Numbers []struct {
		Text string `json:"text"`
		JSON string `json:"json"`
	} `json:"numbers"`
}

func loadMore(t *testing.T) (moreCases, time.Time) {
	t.Helper()
	var m moreCases
	readJSON(t, "more.json", &m)
	total := 0
	for name, n := range map[string]int{
		"sign": len(m.Sign), "unsign": len(m.Unsign), "encode": len(m.Encode), "cookies": len(m.Cookies), "setCookie": len(m.SetCookie),
		"stored": len(m.Stored), "assign": len(m.Assign), "dates": len(m.Dates), "printed": len(m.Printed), "numbers": len(m.Numbers),
	} {
		if total += n; n < 20 {
			t.Errorf("%d cases of %s", n, name)
		}
	}
	if total < 900 {
		t.Errorf("%d cases", total)
	}
	return m, time.UnixMilli(m.Meta.Now)
}

func TestMoreSignatures(t *testing.T) {
	t.Parallel()
	m, _ := loadMore(t)
	for _, c := range m.Sign {
		c.run(t)
	}
	for _, c := range m.Unsign {
		var secrets [][]byte
		for _, s := range c.Secrets {
			secrets = append(secrets, unhex(t, s))
		}
		id, which, ok := unsign(c.Value, secrets)
		if ok != (c.ID != nil) || which != c.Which || ok && id != *c.ID {
			t.Errorf("unsign(%q) = %q, %d, %v; want %v, %d", c.Value, id, which, ok, c.ID, c.Which)
		}
	}
}

func TestMoreCookieHeaders(t *testing.T) {
	t.Parallel()
	m, _ := loadMore(t)
	for _, c := range m.Encode {
		c.run(t)
	}
	var secrets [][]byte
	for _, s := range m.Meta.Secrets {
		secrets = append(secrets, unhex(t, s))
	}
	for _, c := range m.Cookies {
		var lines []string
		for _, line := range c.Lines {
			var b []byte
			for _, r := range line {
				b = append(b, byte(r))
			}
			lines = append(lines, string(b))
		}
		value, present := cookieValue(lines, "connect.sid")
		if present != (c.Value != nil) || present && value != *c.Value {
			t.Errorf("%q: the value is %q, %v", c.Lines, value, present)
			continue
		}
		id, _, ok := readID(value, secrets)
		if ok != (c.ID != nil) || ok && id != *c.ID {
			t.Errorf("%q: the id is %q, %v", c.Lines, id, ok)
		}
	}
}

// wantLine compares a line, or an error, with what upstream returned or threw.
func wantLine(t *testing.T, what string, a *attributes, name string, line, fails *string) {
	t.Helper()
	got, err := a.line(name, "s:id.signature+/")
	switch {
	case fails != nil && (err == nil || !strings.HasSuffix(err.Error(), ": "+*fails)):
		t.Errorf("%s: %q, %v; want the error %q", what, got, err, *fails)
	case fails == nil && (err != nil || line == nil || got != *line):
		t.Errorf("%s: %q, %v; want %v", what, got, err, line)
	}
}

// wantMaxAge compares with what cookie.maxAge was: a number, or anything else for none.
func wantMaxAge(t *testing.T, what string, a *attributes, now time.Time, want any) {
	t.Helper()
	got, ok := a.maxAge(now)
	if invalid := math.IsNaN(got) || math.IsInf(got, 0); invalid {
		ok = false // which is null in JSON
	}
	if n, isNumber := want.(float64); isNumber != ok || ok && n != got {
		t.Errorf("%s: maxAge is %v, %v; want %v", what, got, ok, want)
	}
}

func TestMoreSetCookie(t *testing.T) {
	t.Parallel()
	m, now := loadMore(t)
	for _, c := range m.SetCookie {
		a := fromOptions(t, c.Cookie, c.HTTPS, now)
		if got := string(a.encode()); got != c.Stored {
			t.Errorf("%s: stored as %s, want %s", c.Cookie, got, c.Stored)
		}
		wantLine(t, string(c.Cookie), a, c.Name, c.Header, c.Error)
	}
}

func TestMoreStored(t *testing.T) {
	t.Parallel()
	m, now := loadMore(t)
	for _, c := range m.Stored {
		a, err := parseAttributes(json.RawMessage(c.Raw), now)
		if bad := c.Error != nil || c.TouchError != nil; bad != (err != nil) {
			t.Errorf("%s: %v, want an error: %v", c.Raw, err, bad)
		}
		if err != nil {
			continue
		}
		if got := string(a.encode()); got != c.Inflated {
			t.Errorf("%s:\n got %s\nwant %s", c.Raw, got, c.Inflated)
		}
		wantMaxAge(t, c.Raw, &a, now, c.MaxAge)
		wantLine(t, c.Raw, &a, "connect.sid", c.Line, c.LineError)
		a.touch(now)
		if got := string(a.encode()); got != c.Touched {
			t.Errorf("%s, touched:\n got %s\nwant %s", c.Raw, got, c.Touched)
		}
		wantLine(t, c.Raw+", touched", &a, "connect.sid", c.TouchedLine, c.TouchedLineError)
	}
}

func TestMoreAssignments(t *testing.T) {
	t.Parallel()
	m, now := loadMore(t)
	for _, c := range m.Assign {
		a, err := parseAttributes(json.RawMessage(c.Start), now)
		if err != nil {
			t.Fatal(err)
		}
		what := c.Start
		for _, step := range c.Steps {
			what += ", " + step.Set + " " + string(step.To)
			to, err := parseValue(step.To)
			if to.kind == number && step.Set == "expires" {
				to = dateOf(to.num)
			}
			switch step.Set {
			case "maxAge":
				err = a.setMaxAge(to, now)
			case "expires":
				a.setExpires(to, now)
			default:
				a.touch(now)
			}
			if got := string(a.encode()); got != step.JSON || err != nil {
				t.Errorf("%s: %v\n got %s\nwant %s", what, err, got, step.JSON)
			}
			wantMaxAge(t, what, &a, now, step.MaxAge)
			wantLine(t, what, &a, "a", step.Line, step.Error)
		}
	}
}
