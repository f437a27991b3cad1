package sessions_test

import (
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// A change is one thing that a request does, for the session and for a model
// of it.
type change struct {
	kind string
	key  string
	n    int
}

func (c change) do(s *sessions.Session) {
	k := sessions.NewKey[int](c.key)
	switch c.kind {
	case "set":
		k.Set(s, c.n)
	case "end":
		k.Delete(s)
	case "clear":
		s.Clear()
	case "update":
		k.Update(s, func(old int) int { return 3*old + c.n })
	}
}

func (c change) model(m map[string]int) {
	switch c.kind {
	case "set":
		m[c.key] = c.n
	case "end":
		delete(m, c.key)
	case "clear":
		clear(m)
	case "update":
		m[c.key] = 3*m[c.key] + c.n
	}
}

func randomChanges(rnd *rand.Rand, mark int) []change {
	var all []change
	for range 1 + rnd.IntN(6) {
		all = append(all, change{
			kind: []string{"set", "delete", "update", "update", "set", "clear"}[rnd.IntN(6)],
			key:  string(rune('a' + rnd.IntN(4))),
			n:    mark*100 + rnd.IntN(3),
		})
	}
	return all
}

// Two requests load the same session; the second to save finds the first's
// changes, and must end as if it had begun after it. A change that changed nothing
// when it was made has no say, so the model of the second leaves those out.
func TestMergeAgreesWithAModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		v := loggedIn(t, newManager(t, memstore.New()))
		start := map[string]int{"count": 1}
		for _, k := range []string{"a", "b", "c"} {
			start[k] = rnd.IntN(3)
		}
		v.visit(func(s *sessions.Session) {
			for k, n := range start {
				sessions.NewKey[int](k).Set(s, n)
			}
		})
		first, second := randomChanges(rnd, 1), randomChanges(rnd, 2)
		v.visit(func(s *sessions.Session) {
			for _, c := range second {
				c.do(s)
			}
			v.twin().visit(func(s *sessions.Session) {
				for _, c := range first {
					c.do(s)
				}
			})
		})
		want, seen := maps.Clone(start), maps.Clone(start)
		for _, c := range first {
			c.model(want)
		}
		touched := map[string]bool{}
		for _, c := range second {
			old, there := seen[c.key]
			c.model(seen)
			idle := c.kind == "set" && there && old == c.n || c.kind == "delete" && !there
			if c.kind == "clear" {
				touched["*"] = true
			}
			if idle && !touched[c.key] && !touched["*"] {
				continue
			}
			touched[c.key] = true
			c.model(want)
		}
		if maps.Equal(seen, start) { // all in all the second changed nothing and wrote nothing
			want = maps.Clone(start)
			for _, c := range first {
				c.model(want)
			}
		}
		got := look(v, func(s *sessions.Session) map[string]int {
			m := map[string]int{}
			for _, k := range s.Keys() {
				m[k], _ = sessions.NewKey[int](k).Get(s)
			}
			return m
		})
		if !maps.Equal(got, want) {
			t.Fatalf("seed %d: from %v, first %v, second %v: got %v, want %v", seed, start, first, second, got, want)
		}
	}
}
