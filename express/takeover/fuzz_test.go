package takeover

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/internal/names"
	"github.com/sqlsessions/sessions/internal/wire"
	"github.com/sqlsessions/sessions/memstore"
)

// FuzzTranslate imports rows with any text. What becomes of one is refused, or a row that
// this package can read, with the values that it had.
func FuzzTranslate(f *testing.F) {
	secret := []byte("0123456789abcdefghijklmnopqrstuv")
	quiet := slog.New(slog.DiscardHandler)
	old, err := express.New(memstore.New(), express.Options{Secrets: []string{string(secret)}})
	if err != nil {
		f.Fatal(err)
	}
	p := &predecessor{From: From{Manager: old, Until: time.Now().Add(time.Hour), UserKey: "passport.user"}, old: wire.Inside(old)}
	m, err := wire.New(memstore.New(), sessions.Options{Secrets: [][]byte{secret}, Logger: quiet}, nil, p)
	if err != nil {
		f.Fatal(err)
	}
	p.here = wire.Inside(m.(*sessions.Manager))
	for _, seed := range []string{
		`{"cookie":{"originalMaxAge":60000,"expires":"2026-01-02T03:05:05.678Z","httpOnly":true,"path":"/"},"passport":{"user":7}}`,
		`{"cookie":{},"a":[1.50,"é"],"$user":"x","passport":{"user":"bob"}}`, `{"cookie":null}`,
		`{"cookie":{"originalMaxAge":1e300}}`, `[]`, `{"passport":{"user":{}},"":1}`,
		`{"cookie":{"expires":"x"},"n":"\u0000","passport":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		row := driver.Row{Ref: driver.Ref{ID: "0123abcd-4567-7890-89ef-0123456789ab", Verifier: "sid"}, Data: data, ExpiresIn: time.Hour}
		next, err := p.translate(row)
		_ = p.leftBehind(row)
		if err != nil {
			return
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal(data, &before) != nil || json.Unmarshal(next.Data, &after) != nil {
			t.Fatalf("%q became %q", data, next.Data)
		}
		if _, _, err := p.here.Decode(next); err != nil {
			t.Fatalf("%q became %q, which can't be read: %v", data, next.Data, err)
		}
		if next.User != "" && names.Check(next.User) != nil {
			t.Errorf("%q is of the user %q", data, next.User)
		}
		for name, raw := range before {
			if name != "cookie" && (name == "" || name[0] != '$') && !bytes.Equal(after[name], raw) {
				t.Errorf("the value %q was %q, and became %q", name, raw, after[name])
			}
		}
	})
}
