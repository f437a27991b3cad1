package express

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// testdata/vectors.json and testdata/more.json hold what express-session and
// its packages did, with their clock standing still.

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// loadVectors returns a group of testdata/vectors.json, and the clock.
func loadVectors[T any](t *testing.T, group string, least int) ([]T, time.Time) {
	t.Helper()
	var file map[string]json.RawMessage
	readJSON(t, "vectors.json", &file)
	var meta struct {
		Now int64 `json:"frozen_now_ms"`
	}
	var list []T
	if err := json.Unmarshal(file["meta"], &meta); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file[group], &list); err != nil {
		t.Fatal(err)
	}
	if len(list) < least {
		t.Fatalf("%d cases of %s, want %d or more", len(list), group, least)
	}
	return list, time.UnixMilli(meta.Now)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type signCase struct {
	Value       string `json:"value"`
	Secret      string `json:"secret_hex"`
	Signed      string `json:"signed"`
	CookieValue string `json:"cookie_value"`
}

func (c signCase) run(t *testing.T) {
	t.Helper()
	secret := unhex(t, c.Secret)
	if got := sign(c.Value, secret); got != c.Signed {
		t.Errorf("sign(%q) = %q, want %q", c.Value, got, c.Signed)
	}
	if got := encodeComponent(marker + c.Signed); got != c.CookieValue {
		t.Errorf("the cookie's value for %q is %q, want %q", c.Value, got, c.CookieValue)
	}
	if id, which, ok := unsign(c.Signed, [][]byte{[]byte("another"), secret}); id != c.Value || which != 1 || !ok {
		t.Errorf("unsign(%q) = %q, %d, %v", c.Signed, id, which, ok)
	}
	value, present := cookieValue([]string{"n=" + c.CookieValue}, "n")
	if id, _, ok := readID(value, [][]byte{secret}); id != c.Value || ok != (c.Value != "") || !present {
		t.Errorf("%q was read as %q, %v, %v", c.CookieValue, id, ok, present)
	}
}

func TestVectorsSign(t *testing.T) {
	t.Parallel()
	list, _ := loadVectors[signCase](t, "sign", 60)
	for _, c := range list {
		c.run(t)
	}
}

func TestVectorsUnsign(t *testing.T) {
	t.Parallel()
	type vector struct {
		Input  string `json:"input"`
		Secret string `json:"secret"`
		Result any    `json:"result"` // the id, or false
	}
	list, _ := loadVectors[vector](t, "unsign", 7)
	for _, c := range list {
		var got any = false
		if id, _, ok := unsign(c.Input, [][]byte{[]byte(c.Secret)}); ok {
			got = id
		}
		if got != c.Result {
			t.Errorf("unsign(%q) = %v, want %v", c.Input, got, c.Result)
		}
	}
}

func TestVectorsParse(t *testing.T) {
	t.Parallel()
	type vector struct {
		Header  string            `json:"header"`
		Cookies map[string]string `json:"cookies"`
	}
	list, _ := loadVectors[vector](t, "parse", 9)
	for _, c := range list {
		for name, want := range c.Cookies {
			if got, present := cookieValue([]string{c.Header}, name); got != want || !present {
				t.Errorf("%q: %s is %q, %v; want %q", c.Header, name, got, present, want)
			}
		}
		if got, present := cookieValue([]string{c.Header}, "absent"); present || got != "" {
			t.Errorf("%q: a cookie that is not there is %q", c.Header, got)
		}
	}
}

type encodeCase struct {
	In  string `json:"in"`
	Out string `json:"out"`
}

func (c encodeCase) run(t *testing.T) {
	t.Helper()
	if got := encodeComponent(c.In); got != c.Out {
		t.Errorf("encodeComponent(%q) = %q, want %q", c.In, got, c.Out)
	}
	if got := decodeComponent(c.Out); got != c.In {
		t.Errorf("decodeComponent(%q) = %q, want %q", c.Out, got, c.In)
	}
}

func TestVectorsEncode(t *testing.T) {
	t.Parallel()
	list, _ := loadVectors[encodeCase](t, "encode", 4)
	for _, c := range list {
		c.run(t)
	}
}

// fromOptions does what generate of express-session does with its cookie
// options, which are assigned in the order they are written in.
func fromOptions(t *testing.T, options json.RawMessage, https bool, now time.Time) *attributes {
	t.Helper()
	a := newAttributes()
	if options != nil {
		list, err := members(options)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			switch {
			case m.name == "maxAge":
				if err := a.setMaxAge(m.value, now); err != nil {
					t.Fatal(err)
				}
			case m.name == "expires" && m.value.kind == text:
				a.setExpires(parseDate(m.value.text, time.UTC), now)
			case m.name == "expires":
				a.setExpires(m.value, now)
			default:
				*a.field(m.name) = m.value
			}
		}
	}
	a.resolve(https)
	a.touch(now)
	return &a
}

func TestVectorsSetCookie(t *testing.T) {
	t.Parallel()
	type vector struct {
		Label  string          `json:"label"`
		Cookie json.RawMessage `json:"cookie"`
		HTTPS  bool            `json:"https"`
		Header *string         `json:"header"`
		Error  *string         `json:"error"`
		Stored *string         `json:"stored"`
		SIDs   []string        `json:"sids"`
	}
	list, now := loadVectors[vector](t, "setCookie", 31)
	secrets := [][]byte{[]byte("keyboard cat"), []byte("new")}
	for _, c := range list {
		name := "connect.sid"
		if c.Header != nil {
			name, _, _ = strings.Cut(*c.Header, "=")
		} else if c.Label == "name invalid" {
			name = "a b" // the one name that the file does not give
		}
		a := fromOptions(t, c.Cookie, c.HTTPS, now)
		if c.Stored != nil {
			if got := `{"cookie":` + string(a.encode()) + `}`; got != *c.Stored {
				t.Errorf("%s: stored as %s, want %s", c.Label, got, *c.Stored)
			}
		}
		if c.Error != nil {
			want, _, _ := strings.Cut(*c.Error, " (")
			if got, err := a.line(name, "s:x"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q, %v; want the error %q", c.Label, got, err, want)
			}
			continue
		}
		if c.Header == nil {
			if !a.secure.truthy() || c.HTTPS {
				t.Errorf("%s: nothing holds the cookie back", c.Label)
			}
			continue
		}
		value, _ := cookieValue([]string{*c.Header}, name)
		id, which, ok := readID(value, secrets)
		if !ok || c.SIDs != nil && id != c.SIDs[0] {
			t.Errorf("%s: the id is %q, %v; want %q", c.Label, id, ok, c.SIDs)
			continue
		}
		if got, err := a.line(name, marker+sign(id, secrets[which])); got != *c.Header || err != nil {
			t.Errorf("%s: %v\n got %q\nwant %q", c.Label, err, got, *c.Header)
		}
	}
}
