package handover_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

var names = []string{"views", "user", "cart", "ключ", "smile 😀", "10", "2", `quo"te`, "nested.path", "Cookie"}

var texts = []string{
	`""`, `"plain"`, `"😀 Ω 漢字"`, `"<script>&amp;</script>"`, `"quote \" back \\ slash"`, `"tab\tline\nnul\u0000"`, `"sep\u2028\u2029"`, `"\ud83d\ude00"`,
	`null`, `true`, `false`, `0`, `-7`, `0.1`, `1.50`, `1e21`, `123456.789e3`, `9007199254740993`, `-9007199254740993`, `123456789012345678901234567890`,
	`[]`, `{}`, `[1,"two",null,{"three":[3]}]`, `{"b":1,"a":{"c":[true,{"d":"é"}],"10":1,"2":2}}`, `{"cookie":{"maxAge":1},"save":"x"}`,
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func newSet(r *rand.Rand) op {
	if r.IntN(8) == 0 {
		return op{Op: "set", Key: pick(r, names), Date: 1 + r.Int64N(4_000_000_000_000)}
	}
	raw := json.RawMessage(pick(r, texts))
	if r.IntN(3) == 0 {
		raw = fmt.Appendf(nil, `{"n":%d,"list":[%s,%s]}`, r.Int64()-r.Int64(), pick(r, texts), pick(r, texts))
	}
	return op{Op: "set", Key: pick(r, names), Value: raw}
}

func newSets(r *rand.Rand) (ops []op) {
	for range 1 + r.IntN(3) {
		ops = append(ops, newSet(r))
	}
	return ops
}

// newOps makes a request for a browser.
func newOps(r *rand.Rand, b *browser, loaded bool) []op {
	ops := []op{{Op: "view"}}
	held := slices.Sorted(maps.Keys(b.data))
	if !loaded {
		held = nil
	}
	switch n := r.IntN(100); {
	case n < 14:
		return ops
	case n < 42 || n < 80 && !loaded && r.IntN(2) == 0:
		return append(ops, newSets(r)...)
	case n < 50 && len(held) > 0: // with another value, the same one, or none
		name := pick(r, held)
		switch r.IntN(4) {
		case 0, 1:
			ops = append(ops, op{Op: "delete", Key: name}, op{Op: "set", Key: name, Value: b.data[name]})
		case 2:
			ops = append(ops, op{Op: "set", Key: name, Value: json.RawMessage(`"for a moment"`)}, op{Op: "set", Key: name, Value: b.data[name]})
		default:
			ops = append(ops, op{Op: "delete", Key: name})
		}
		return ops
	case n < 56:
		ops = append(ops, op{Op: "regenerate"})
		if r.IntN(3) > 0 {
			ops = append(ops, newSets(r)...)
		}
		return append(ops, op{Op: "view"})
	case n < 61:
		if r.IntN(3) == 0 {
			ops = append(ops, newSets(r)...)
		}
		return append(ops, op{Op: "destroy"})
	case n < 65:
		return append(append(ops, newSets(r)...), op{Op: "null"})
	case n < 68:
		return append(ops, op{Op: "touch"})
	case n < 75:
		if r.IntN(4) > 0 {
			ops = append(ops, newSets(r)...)
		}
		ops = append(ops, op{Op: "save"})
		if r.IntN(2) == 0 {
			ops = append(ops, newSet(r))
		}
		return ops
	case n < 80 && loaded:
		ops = append(append(ops, newSets(r)...), op{Op: "reload"}, op{Op: "view"})
		if r.IntN(2) == 0 {
			ops = append(ops, newSet(r))
		}
		return ops
	}
	ops = append(ops, newAttribute(r, b.cookie))
	switch r.IntN(3) {
	case 0:
		ops = append(ops, newSets(r)...)
	case 1:
		ops = append(ops, op{Op: "save"})
	}
	return ops
}

// newAttribute changes something that the cookie has now.
func newAttribute(r *rand.Rand, now attributes) op {
	choices := []struct {
		name, is string
		values   []string
	}{
		{"maxAge", "originalMaxAge", []string{"null", "60000", "3600000", "90000500", "2592000000"}},
		{"expires", "expires", []string{
			"null", `"` + time.Now().Add(time.Duration(300+r.IntN(1_000_000))*time.Second).UTC().Format(time.RFC3339) + `"`,
		}},
		{"httpOnly", "httpOnly", []string{"true", "false"}},
		{"secure", "secure", []string{"true", "false"}},
		{"partitioned", "partitioned", []string{"true", "false"}},
		{"priority", "priority", []string{`"low"`, `"medium"`, `"high"`, "null"}},
		{"sameSite", "sameSite", []string{`"lax"`, `"strict"`, `"none"`, "true", "false"}},
		{"domain", "domain", []string{`"example.com"`, `".example.org"`, "null"}},
		{"path", "path", []string{`"/"`, `"/app"`}},
	}
	for {
		c := pick(r, choices)
		value := json.RawMessage(pick(r, c.values))
		old, _ := json.Marshal(map[string]any{c.is: now[c.is]})
		next, _ := json.Marshal(map[string]json.RawMessage{c.is: value})
		a, _ := parseAttributes(old)
		b, _ := parseAttributes(next)
		if len(a) != len(b) || !a.like(b, time.Second) || a["expires"] != b["expires"] {
			return op{Op: "cookie", Key: c.name, Value: value}
		}
	}
}
