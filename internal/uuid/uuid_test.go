package uuid

import (
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestVersion7(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]bool{}
		last := ""
		for range 100 {
			text := Format(New())
			if text[14] != '7' || !strings.ContainsAny(text[19:20], "89ab") || seen[text] {
				t.Fatalf("%s is no new UUID of version 7", text)
			}
			if text <= last {
				t.Fatalf("%s, made a microsecond later, does not come after %s", text, last)
			}
			seen[text], last = true, text
			time.Sleep(time.Microsecond)
		}
		b := New()
		ms := int64(binary.BigEndian.Uint64(append([]byte{0, 0}, b[:6]...)))
		if ms != time.Now().UnixMilli() {
			t.Errorf("the time in %s is %d, want %d", Format(b), ms, time.Now().UnixMilli())
		}
	})
}

func TestCanonicalTextOnly(t *testing.T) {
	t.Parallel()
	const text = "0123abcd-4567-7890-89ef-0123456789af"
	b, ok := Parse(text)
	if !ok || Format(b) != text {
		t.Fatalf("%s became %x, %t and %s", text, b, ok, Format(b))
	}
	for _, bad := range []string{
		"", strings.ToUpper(text), "{" + text + "}", "urn:uuid:" + text, strings.ReplaceAll(text, "-", ""),
		text[:35], text + "0", text[:35] + "g", text[:35] + "/", text[:35] + ":", text[:35] + "`", " " + text[1:],
		strings.Replace(text, "-", "a", 1), "-" + text[1:], text[:9] + "-" + text[10:], text[:35] + "\x00", text[:34] + "é",
	} {
		if _, ok := Parse(bad); ok {
			t.Errorf("%q was taken for a canonical UUID", bad)
		}
	}
}

// Extra dashes must neither stand for digits nor run past the end.
func TestDashesInWrongPlaces(t *testing.T) {
	t.Parallel()
	const text = "0123abcd-4567-7890-89ef-0123456789af"
	for i := range text {
		for j := i; j < len(text); j++ {
			b := []byte(text)
			b[i], b[j] = '-', '-'
			if _, ok := Parse(string(b)); ok != (string(b) == text) {
				t.Errorf("%s: taken for a canonical UUID: %t", b, ok)
			}
			b = append(b[:i], append([]byte("-"), b[i:]...)...)[:Length]
			if _, ok := Parse(string(b)); ok && string(b) != text {
				t.Errorf("%s was taken for a canonical UUID", b)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "0123abcd-4567-7890-89ef-0123456789af", "0123abcd-4567-7890-89ef-0123456789-f", "------------------------------------"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if b, ok := Parse(text); ok && Format(b) != text {
			t.Errorf("%q was accepted, and is spelled %q", text, Format(b))
		}
	})
}

func TestDerive(t *testing.T) {
	t.Parallel()
	// SHA-256 of "a" begins with ca978112ca1bbdcafac231b39a23dc4d.
	if got, want := Derive("a"), "ca978112-ca1b-8dca-bac2-31b39a23dc4d"; got != want {
		t.Errorf("derived %s, want %s", got, want)
	}
}
