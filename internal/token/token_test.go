package token

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
)

func testSigner() *Signer {
	return NewSigner("session", [][]byte{bytes.Repeat([]byte("new"), 11), bytes.Repeat([]byte("old"), 11)})
}

func TestSignerRoundTrip(t *testing.T) {
	t.Parallel()
	s := testSigner()
	for range 1000 {
		v := New("")
		got, old, ok := s.Decode(s.Encode(&v))
		if got != v || old || !ok {
			t.Fatalf("decode returned the token: %v, old %v, ok %v", got == v, old, ok)
		}
	}
}

// Browsers never send these; whoever sends them tries something.
func TestSignerRefusesLineBreaksInside(t *testing.T) {
	t.Parallel()
	s := testSigner()
	v := New("")
	v[47] = 0 // so that nothing is missing when a break takes the place of the last character
	value := s.Encode(&v)
	for i := range tokenLength {
		for _, brk := range []string{"\n", "\r"} {
			bad := value[:i] + brk + value[i:tokenLength-1] + value[tokenLength:]
			if _, _, ok := s.Decode(bad); ok {
				t.Errorf("a line break at %d of the token was accepted", i)
			}
		}
	}
	for i := range len(value) {
		for _, brk := range []string{"\n", "\r"} {
			inserted := value[:i] + brk + value[i:]
			replaced := value[:i] + brk + value[i+1:]
			shifted := value[:i] + brk + value[i:len(value)-1]
			for _, bad := range []string{inserted, replaced, shifted} {
				if _, _, ok := s.Decode(bad); ok {
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
	value := NewSigner("session", secrets).Encode(anyToken())
	for _, name := range []string{"", "Session", "sessio", "session2", "__Host-session"} {
		if _, _, ok := NewSigner(name, secrets).Decode(value); ok {
			t.Errorf("the cookie %q takes a value of the cookie session", name)
		}
	}
}

// What a reader of the database has is of no use as a cookie.
func TestTheVerifierIsNotTheSecret(t *testing.T) {
	t.Parallel()
	v := New("")
	ref := v.Ref()
	if len(ref.Verifier) != 32 || strings.Contains(string(ref.Verifier), string(v[16:20])) {
		t.Error("the verifier shows the secret")
	}
	if ref.ID != driver.ID(uuid.Format([16]byte(v[:16]))) {
		t.Errorf("the ID of the token is %s", ref.ID)
	}
	s := testSigner()
	value := s.Encode(&v)
	copy(v[16:], ref.Verifier)
	if _, _, ok := s.Decode(v.Text() + value[tokenLength:]); ok {
		t.Error("the verifier passes for the secret")
	}
}

// A new token is for the session that it is made for, with another secret.
func TestANewTokenKeepsTheID(t *testing.T) {
	t.Parallel()
	first := New("")
	second := New(first.Ref().ID)
	if first.Ref().ID != second.Ref().ID || first.Ref().Verifier == second.Ref().Verifier {
		t.Error("the new Token has another ID, or the same secret")
	}
	if other := New(""); other.Ref().ID == first.Ref().ID || !other.Ref().ID.Valid() || other.Ref().ID[14] != '7' {
		t.Errorf("a new session has the ID %s", other.Ref().ID)
	}
}

// Neither the format, nor the ID or the secret of another token goes with a signature.
func TestSignerRefusesOtherFormatsAndMixtures(t *testing.T) {
	t.Parallel()
	s := testSigner()
	a, b := New(""), New("")
	value := s.Encode(&a)
	for _, format := range []string{"0", "2", "A", ".", " ", "\x00"} {
		if _, _, ok := s.Decode(format + value[1:]); ok {
			t.Errorf("the format %q was accepted", format)
		}
	}
	mixed := a
	copy(mixed[:16], b[:16])
	for _, bad := range []Token{mixed, b} {
		if _, _, ok := s.Decode(bad.Text() + value[tokenLength:]); ok {
			t.Error("a signature was accepted for another token")
		}
	}
	// The cookies of before: 32 bytes and a signature.
	mac := hmac.New(sha256.New, bytes.Repeat([]byte("new"), 11))
	mac.Write([]byte("sessions/v1\x00session\x00"))
	mac.Write(a[16:])
	encode := base64.RawURLEncoding.EncodeToString
	if _, _, ok := s.Decode(encode(a[16:]) + "." + encode(mac.Sum(nil))); ok {
		t.Error("a cookie of the old form was accepted")
	}
	for n := range len(value) {
		if _, _, ok := s.Decode(value[:n]); ok {
			t.Errorf("the first %d bytes were accepted", n)
		}
		if _, _, ok := s.Decode(value + value[:n+1]); ok {
			t.Errorf("%d bytes more were accepted", n+1)
		}
	}
}

func anyToken() *Token {
	v := New("")
	return &v
}

func FuzzDecodeCookie(f *testing.F) {
	s := testSigner()
	good := s.Encode(anyToken())
	old := (&Signer{macs: s.macs[1:], info: s.info}).Encode(anyToken())
	for _, seed := range []string{"", ".", good, old, good + "=", good[:108], strings.ToUpper(good), `"` + good + `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		v, isOld, ok := s.Decode(value)
		if !ok {
			if v != (Token{}) || isOld {
				t.Error("a refused value left something behind")
			}
			return
		}
		which := 0
		if isOld {
			which = 1
		}
		if again := (&Signer{macs: s.macs[which:], info: s.info}).Encode(&v); again != value {
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
		v := New("")
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte("sessions/v1\x00session\x00"))
		mac.Write([]byte("1"))
		mac.Write(v[:])
		encode := base64.RawURLEncoding.EncodeToString
		if got, want := testSigner().Encode(&v), "1"+encode(v[:])+"."+encode(mac.Sum(nil)); got != want {
			t.Errorf("signed as %q, want %q", got, want)
		}
	}
}
