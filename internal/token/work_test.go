package token

import (
	"bytes"
	"hash"
	"net/http"
	"strings"
	"testing"
)

// A countedHash counts signatures.
type countedHash struct {
	hash.Hash
	sums *int
}

func (c countedHash) Sum(b []byte) []byte {
	*c.sums++
	return c.Hash.Sum(b)
}

// Whatever a request's cookies are, few signatures are computed for it.
func TestTheWorkForARequestHasABound(t *testing.T) {
	t.Parallel()
	secrets := [][]byte{bytes.Repeat([]byte("a"), 32), bytes.Repeat([]byte("b"), 32), bytes.Repeat([]byte("c"), 32)}
	s, sums := NewSigner("session", secrets), 0
	for _, pool := range s.macs {
		plain := pool.New
		pool.New = func() any {
			m := plain().(*mac)
			m.hash = countedHash{m.hash, &sums}
			return m
		}
	}
	values := func(n int, value func() string) string {
		var b strings.Builder
		for range n {
			b.WriteString("session=" + value() + "; ")
		}
		return b.String() + "a=b"
	}
	live := func() string { return s.Encode(anyToken()) }
	forged := func() string {
		v := []byte(live())
		v[len(v)-2] ^= 1
		return string(v)
	}
	good := live()
	same := func() string { return good }
	for what, c := range map[string]struct {
		header string
		most   int
		found  int
	}{
		"a megabyte in one cookie":           {"session=" + strings.Repeat("A", 1<<20), 0, 0},
		"a megabyte in a signed one":         {"session=" + good + strings.Repeat("A", 1<<20), 0, 0},
		"a megabyte of others":               {strings.Repeat("a=b; ", 200_000) + "session=" + good, 0, 0},
		"10,000 of ours":                     {values(10_000, forged), 0, 0},
		"3,000 of ours, the most":            {values(maxCookies-1, forged), maxSignatures * len(secrets), 0},
		"200 forged and a good one":          {values(200, forged) + "; session=" + good, 200*len(secrets) + 1, 1},
		"as many as are checked":             {values(maxSignatures-1, forged) + "; session=" + good, maxSignatures * len(secrets), 1},
		"one more, and whichever comes last": {values(maxSignatures, forged) + "; session=" + good, maxSignatures * len(secrets), 0},
		"a thousand live ones":               {values(1000, live), maxCandidates + 1, 0},
		"the same a thousand times":          {values(1000, same), 1, 1},
	} {
		sums = 0
		found, _ := s.Read(http.Header{"Cookie": {c.header}}, "session")
		if sums > c.most || len(found) != c.found {
			t.Errorf("%s: %d signatures and %d tokens, want at most %d and %d", what, sums, len(found), c.most, c.found)
		}
	}
}
