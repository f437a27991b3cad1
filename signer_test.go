package sessions

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func testSigner() *signer {
	return newSigner("session", [][]byte{bytes.Repeat([]byte("new"), 11), bytes.Repeat([]byte("old"), 11)})
}

func TestSignerRoundTrip(t *testing.T) {
	t.Parallel()
	s := testSigner()
	for range 1000 {
		v := newID()
		got, old, ok := s.decode(s.encode(v))
		if got != v || old || !ok {
			t.Fatalf("decode returned the id: %v, old %v, ok %v", got == v, old, ok)
		}
	}
}

// Browsers never send these; whoever sends them tries something.
func TestSignerRefusesLineBreaksInside(t *testing.T) {
	t.Parallel()
	s := testSigner()
	v := newID()
	v[31] = 0 // so that nothing is missing when a break takes the place of the last character
	value := s.encode(v)
	for i := range encodedLength {
		for _, brk := range []string{"\n", "\r"} {
			bad := value[:i] + brk + value[i:encodedLength-1] + value[encodedLength:]
			if _, _, ok := s.decode(bad); ok {
				t.Errorf("a line break at %d of the id was accepted", i)
			}
		}
	}
	for i := range len(value) {
		for _, brk := range []string{"\n", "\r"} {
			inserted := value[:i] + brk + value[i:]
			replaced := value[:i] + brk + value[i+1:]
			shifted := value[:i] + brk + value[i:len(value)-1]
			for _, bad := range []string{inserted, replaced, shifted} {
				if _, _, ok := s.decode(bad); ok {
					t.Errorf("a line break at %d was accepted", i)
				}
			}
		}
	}
}

// The name is part of what is signed, with a separator that no name can hold.
func TestSignerIsBoundToTheName(t *testing.T) {
	t.Parallel()
	secrets := [][]byte{bytes.Repeat([]byte("new"), 11)}
	value := newSigner("session", secrets).encode(newID())
	for _, name := range []string{"", "Session", "sessio", "session2", "__Host-session"} {
		if _, _, ok := newSigner(name, secrets).decode(value); ok {
			t.Errorf("the cookie %q takes a value of the cookie session", name)
		}
	}
}

// What a reader of the database has is of no use as a cookie.
func TestRowKeyIsNotTheID(t *testing.T) {
	t.Parallel()
	v := newID()
	key := v.key()
	if len(key) != 32 || strings.Contains(string(key), string(v[:4])) {
		t.Error("the key shows the id")
	}
	s := testSigner()
	asID := base64.RawURLEncoding.EncodeToString([]byte(key))
	value := s.encode(v)
	if _, _, ok := s.decode(asID + value[encodedLength:]); ok {
		t.Error("the key of the row passes for the id")
	}
}

func FuzzDecodeCookie(f *testing.F) {
	s := testSigner()
	good := s.encode(newID())
	old := (&signer{macs: s.macs[1:], info: s.info}).encode(newID())
	for _, seed := range []string{"", ".", good, old, good + "=", good[:86], strings.ToUpper(good), `"` + good + `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		v, isOld, ok := s.decode(value)
		if !ok {
			if v != (id{}) || isOld {
				t.Error("a refused value left something behind")
			}
			return
		}
		which := 0
		if isOld {
			which = 1
		}
		if again := (&signer{macs: s.macs[which:], info: s.info}).encode(v); again != value {
			t.Errorf("%q is accepted, and spelled %q", value, again)
		}
	})
}

// What net/http finds, and what it would drop for a byte that no cookie value has.
func FuzzCookieValues(f *testing.F) {
	const name = "__Host-session"
	for _, line := range []string{
		name + "=a", "a=b; " + name + "=c;" + name + "=d", name, name + "=", " \t" + name + " = x ", name + "=a=b", name + `="q"`, ";;=;" + name + "2=a", "x" + name + "=a",
		name + "=\\", name + "=é", name + "=a b", strings.Repeat(";", 2998), strings.Repeat(";", 2997),
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Cookie": {line, "and=another; " + name + "=last"}}
		got := slices.Collect(cookieValues(h, name))
		got = slices.DeleteFunc(got, func(v string) bool {
			if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
				v = v[1 : len(v)-1]
			}
			return strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
		})
		var want []string
		for _, c := range (&http.Request{Header: h}).CookiesNamed(name) {
			if c.Quoted {
				c.Value = `"` + c.Value + `"`
			}
			want = append(want, c.Value)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q has %q, want %q", line, got, want)
		}
	})
}

// The form of a value, which cookies that are out there have.
func TestSignedValue(t *testing.T) {
	t.Parallel()
	secret := bytes.Repeat([]byte("new"), 11)
	for range 3 { // with what the one before left
		v := newID()
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte("sessions/v1\x00session\x00"))
		mac.Write(v[:])
		encode := base64.RawURLEncoding.EncodeToString
		if got, want := testSigner().encode(v), encode(v[:])+"."+encode(mac.Sum(nil)); got != want {
			t.Errorf("signed as %q, want %q", got, want)
		}
	}
}
