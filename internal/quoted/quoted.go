// Package quoted reads the lists in headers, whose members may be quoted strings.
package quoted

import "strings"

// Split splits text at sep, but not inside of a quoted string (RFC 9110, section 5.6.4), and
// trims the parts. It reports whether each quote is closed.
func Split(text string, sep byte) (parts []string, closed bool) {
	start, inside := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inside && c == '\\':
			i++
		case c == '"':
			inside = !inside
		case c == sep && !inside:
			parts = append(parts, trim(text[start:i]))
			start = i + 1
		}
	}
	return append(parts, trim(text[start:])), !inside
}

func trim(s string) string { return strings.Trim(s, " \t") }
