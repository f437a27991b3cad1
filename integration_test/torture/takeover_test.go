package torture_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func birthIn(data []byte) string {
	var doc struct {
		Birth string `json:"birth"`
	}
	_ = json.Unmarshal(data, &doc)
	return doc.Birth
}

// Whatever random clients do with the sessions of an Express application while they are taken
// over and imported, and whatever happens to the connections at the same time: none of them is
// logged out, none that ended comes back, and none is two or another's.
func TestTortureTakeover(t *testing.T) {
	for _, e := range engines {
		if e.name == "sqlite" {
			continue // no store of Express is on it
		}
		t.Run(e.name, func(t *testing.T) {
			t.Run("takeover", func(t *testing.T) {
				travel(t, e.backends, *duration/4)
			})
		})
	}
}

func travel(t *testing.T, backends []int, length time.Duration) {
	t.Helper()
	seed := *startSeed
	if seed == 0 {
		seed = uint64(rand.IntN(1_000_000))
	}
	if len(backends) < 3 {
		backends = append(slices.Clone(backends), backends[0])
	}
	s, total, began := newSite(t, backends, fraud{}), newPassage(), time.Now()
	for ; time.Since(began) < length && !t.Failed(); seed++ {
		problems := s.play(seed, min(2*time.Second, length/2), total)
		for i, p := range problems[:min(5, len(problems))] {
			t.Errorf("seed %d, %d of %d: %s", seed, i+1, len(problems), p)
		}
	}
	t.Logf("%s: %v", time.Since(began).Round(time.Second), total)
	if s.leaks() {
		t.Error("the log holds a session ID of Express")
	}
	if t.Failed() {
		t.Logf("to try again: make torture SEED=%d D=%s DB=%s", seed-1, max(4*length, 5*time.Minute), strings.TrimPrefix(t.Name(), "TestTortureTakeover/"))
		t.Logf("the end of the nodes' log:\n%s", s.log.tail(3000))
	}
}
