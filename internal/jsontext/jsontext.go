// Package jsontext finds where the parts of a JSON text (RFC 8259) begin and end.
// It takes the texts that [encoding/json.Valid] takes, in a fraction of its time,
// and keeps every byte as it is.
package jsontext

import "slices"

// maxDepth is that of encoding/json.
const maxDepth = 10_000

// A Member is one of an object's. Both parts alias the text.
type Member struct{ Name, Value []byte } // the name has its quotes

// Object appends the members of text, which must be one JSON object, to members.
// It reports false when it is not, and does not look at whether bytes are UTF-8
// or names are unique.
func Object(text []byte, members []Member) ([]Member, bool) {
	begin := space(text, 0)
	if begin == len(text) || text[begin] != '{' {
		return members, false
	}
	end, members := object(text, begin, 1, members, true)
	return members, end >= 0 && space(text, end) == len(text)
}

// All functions below take the place where something begins and return the one after
// it, or -1 when it is not what it should be.

func value(b []byte, p, depth int) int {
	if p >= len(b) {
		return -1
	}
	switch c := b[p]; {
	case c == '"':
		return str(b, p)
	case depth > maxDepth && (c == '{' || c == '['):
		return -1
	case c == '{':
		end, _ := object(b, p, depth, nil, false)
		return end
	case c == '[':
		return array(b, p, depth)
	case c == '-' || isDigit(c):
		return number(b, p)
	case c == 't':
		return word(b, p, "true")
	case c == 'f':
		return word(b, p, "false")
	case c == 'n':
		return word(b, p, "null")
	}
	return -1
}

// object collects members only where they are wanted.
func object(b []byte, p, depth int, members []Member, want bool) (int, []Member) {
	p = space(b, p+1)
	if p < len(b) && b[p] == '}' {
		return p + 1, members
	}
	for {
		name := p
		if p >= len(b) || b[p] != '"' {
			return -1, members
		}
		if p = str(b, p); p < 0 {
			return -1, members
		}
		nameEnd := p
		if p = space(b, p); p >= len(b) || b[p] != ':' {
			return -1, members
		}
		from := space(b, p+1)
		if p = value(b, from, depth+1); p < 0 {
			return -1, members
		}
		if want {
			if len(members) == cap(members) { // as many again for each such part of the text
				members = slices.Grow(members, 1+len(members)*(len(b)-p)/p)
			}
			members = append(members, Member{b[name:nameEnd:nameEnd], b[from:p:p]})
		}
		var last bool
		if p, last = next(b, p, '}'); last || p < 0 {
			return p, members
		}
	}
}

func array(b []byte, p, depth int) int {
	p = space(b, p+1)
	if p < len(b) && b[p] == ']' {
		return p + 1
	}
	for {
		if p = value(b, p, depth+1); p < 0 {
			return -1
		}
		var last bool
		if p, last = next(b, p, ']'); last || p < 0 {
			return p
		}
	}
}

// next passes a comma and what space is around it, or the end of an object or array.
func next(b []byte, p int, end byte) (_ int, last bool) {
	p = space(b, p)
	switch {
	case p >= len(b):
		return -1, false
	case b[p] == end:
		return p + 1, true
	case b[p] == ',':
		return space(b, p+1), false
	}
	return -1, false
}

// plain are the bytes that stand for themselves in a string.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 0x20 && c != '"' && c != '\\'
	}
	return t
}()

func str(b []byte, p int) int {
	for p++; p < len(b); p++ {
		for p < len(b) && plain[b[p]] {
			p++
		}
		if p == len(b) {
			return -1
		}
		switch b[p] {
		case '"':
			return p + 1
		case '\\':
			if p++; p == len(b) {
				return -1
			}
			switch b[p] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if p+4 >= len(b) || !isHex(b[p+1]) || !isHex(b[p+2]) || !isHex(b[p+3]) || !isHex(b[p+4]) {
					return -1
				}
				p += 4
			default:
				return -1
			}
		default: // a control character
			return -1
		}
	}
	return -1
}

func number(b []byte, p int) int {
	if b[p] == '-' {
		p++
	}
	if p < len(b) && b[p] == '0' {
		p++
	} else if p = digits(b, p); p < 0 {
		return -1
	}
	if p < len(b) && b[p] == '.' {
		if p = digits(b, p+1); p < 0 {
			return -1
		}
	}
	if p < len(b) && (b[p] == 'e' || b[p] == 'E') {
		if p++; p < len(b) && (b[p] == '+' || b[p] == '-') {
			p++
		}
		return digits(b, p)
	}
	return p
}

// digits passes one or more.
func digits(b []byte, p int) int {
	from := p
	for p < len(b) && isDigit(b[p]) {
		p++
	}
	if p == from {
		return -1
	}
	return p
}

func word(b []byte, p int, w string) int {
	if len(b)-p < len(w) || string(b[p:p+len(w)]) != w {
		return -1
	}
	return p + len(w)
}

func space(b []byte, p int) int {
	for p < len(b) && (b[p] == ' ' || b[p] == '\t' || b[p] == '\n' || b[p] == '\r') {
		p++
	}
	return p
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
