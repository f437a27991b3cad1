package target

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Nothing that a command works with shows the password when it is printed.
func TestPrintingShowsNoPassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://bob:Tr0ub4dor@db.example.com/app", "mysql://bob:Tr0ub4dor@db.example.com/app"} {
		address, err := Parse(url)
		if err != nil {
			t.Fatal(err)
		}
		db, err := address.open(false, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		o := Options{URL: url, Table: "sessions"}
		for _, v := range []any{o, &o, address, &address, Target{Options: o, Address: address, DB: db}, &Target{Options: o, Address: address, DB: db}} {
			var text bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
				fmt.Fprintf(&text, verb+"\n", v)
				fmt.Fprintf(&text, verb+"\n", struct{ V any }{v})
			}
			raw, err := json.Marshal(v)
			fmt.Fprintln(&text, string(raw), err)
			slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v)
			slog.New(slog.NewJSONHandler(&text, nil)).Info("m", "v", v)
			if strings.Contains(text.String(), "4dor") || strings.Contains(text.String(), fmt.Sprintf("%x", "4dor")) {
				t.Errorf("%T shows the password:\n%s", v, text.String())
			}
		}
	}
}
