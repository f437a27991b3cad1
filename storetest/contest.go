package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// A contest is one row that many clients write at once: they save it, give it new
// verifiers, and touch and save it with verifiers that were replaced.
type contest struct {
	*suite

	mu      sync.Mutex
	current driver.Row   // as the last save that returned left it
	old     []driver.Ref // replaced by a save that has returned
	writes  int

	ended, done atomic.Bool // the call that ends the row has returned; the clients can stop
}

func (s *suite) contest() *contest { return &contest{suite: s, current: s.createAs("alice", life)} }

// state returns the row, one of the refs replaced last, if there is any, and a number.
func (c *contest) state() (row driver.Row, replaced driver.Ref, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	if len(c.old) > 0 {
		replaced = c.old[len(c.old)-1-c.writes%min(3, len(c.old))]
	}
	return c.current, replaced, c.writes
}

// write makes one write of the given kind. It must find nothing if the row had
// ended before. Otherwise it may lose to another.
func (c *contest) write(kind int) {
	ended := c.ended.Load()
	r, replaced, n := c.state()
	touching := driver.Life{Idle: idle, Throttle: time.Duration(n%2) * time.Hour}
	switch kind {
	case 0, 1:
		old, to := r.Ref, r.Ref
		if kind == 0 {
			to = c.next(old)
		}
		r.Data = fmt.Appendf(nil, `{"n":%d}`, n)
		r, err := c.tryRenew(r, to, life)
		if err != nil && !lost(err) || ended && !errors.Is(err, driver.ErrNotFound) {
			c.Errorf("save, after the end %t: %v", ended, err)
		}
		if err != nil {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.current = r; old != to {
			c.old = append(c.old, old)
		}
	case 2:
		err := c.tryTouch(r.Ref, touching)
		if err != nil && !errors.Is(err, driver.ErrNotFound) || ended && err == nil {
			c.Errorf("touch, after the end %t: %v", ended, err)
		}
	case 3:
		if replaced == (driver.Ref{}) {
			return
		}
		if err := c.tryTouch(replaced, touching); !errors.Is(err, driver.ErrNotFound) {
			c.Errorf("touch by a verifier that had been replaced: %v", err)
		}
		r.Ref = replaced
		if _, err := c.trySave(r, life); !errors.Is(err, driver.ErrNotFound) {
			c.Errorf("save by a verifier that had been replaced: %v", err)
		}
	}
}

// run lets eight clients write until the row has had some verifiers and end has run,
// and a little longer.
func (c *contest) run(verifiers int, end func()) {
	parallel(9, func(i int) {
		if i == 8 {
			c.waitFor(verifiers)
			end()
			c.done.Store(true)
			return
		}
		for kind, last := i, false; !last; {
			last = c.done.Load()
			for range 4 {
				c.write(kind % 4)
				kind++
			}
		}
	})
}

// waitFor counts writes and not seconds, so that it works on a slow machine too.
func (c *contest) waitFor(verifiers int) {
	for had := 0; had < verifiers && !c.Failed(); time.Sleep(100 * time.Microsecond) {
		c.mu.Lock()
		writes := c.writes
		had = len(c.old)
		c.mu.Unlock()
		if had < verifiers && writes > 20_000 {
			c.Errorf("the row had %d verifiers after %d writes", had, writes)
			return
		}
	}
}

// lose runs ten contests whose row end ends. None of the verifiers that it had opens it then.
func (s *suite) lose(end func(i int, id driver.ID)) {
	s.Helper()
	for i := 0; i < 10 && !s.Failed(); i++ {
		c := s.contest()
		id := c.current.ID
		c.run(i%5, func() {
			end(i, id)
			c.ended.Store(true)
		})
		c.gone(append(c.old, c.current.Ref)...)
		c.listsNone(driver.ListRequest{All: true, Limit: 10})
		c.count(0)
	}
}

var contestRules = []rule{
	{"a replaced verifier finds nothing, whatever happens at the same time", func(s *suite) {
		c := s.contest()
		c.run(20, func() {})
		c.gone(c.old...)
		c.unchanged(c.current)
		c.count(1)
	}},
	{"end ends the row, whatever verifier it gets at the same time", func(s *suite) {
		s.lose(func(_ int, id driver.ID) { s.noError("end", s.tryEndOf("alice", id)) })
	}},
	{"end all ends the row, whatever verifier it gets at the same time", func(s *suite) {
		s.lose(func(i int, _ driver.ID) { s.endEach([]driver.EndAllRequest{{User: "alice"}, {All: true}}[i%2]) })
	}},
}
