package quoted

import (
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		parts  string
		closed bool
	}{
		"":                     {"", true},
		"a":                    {"a", true},
		"a ,\tb\t,":            {"a|b|", true},
		`a="b,c",d`:            {`a="b,c"|d`, true},
		`a="b\",c",d`:          {`a="b\",c"|d`, true},
		`a="b\\",c`:            {`a="b\\"|c`, true},
		`a="b,c`:               {`a="b,c`, false},
		`a="b\`:                {`a="b\`, false},
		`a\,b`:                 {`a\|b`, true}, // a backslash escapes in quotes alone
		`"a","b`:               {`"a"|"b`, false},
		`a"b,c"d,e`:            {`a"b,c"d|e`, true},
		strings.Repeat(`"`, 3): {`"""`, false},
	} {
		parts, closed := Split(text, ',')
		if got := strings.Join(parts, "|"); got != want.parts || closed != want.closed {
			t.Errorf("%q: %q, %v; want %q, %v", text, got, closed, want.parts, want.closed)
		}
	}
	if parts, _ := Split("a;b,c", ';'); !slices.Equal(parts, []string{"a", "b,c"}) {
		t.Errorf("at a semicolon: %q", parts)
	}
}
