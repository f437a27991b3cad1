package gate_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/gate"
)

// An unsureSave remembers whether its outcome is known, as a session's does.
type unsureSave struct {
	save
	unsure bool
}

func (s *unsureSave) Follows(gate.Save) bool         { return !s.unsure }
func (s *unsureSave) Carried(_ gate.Save, err error) { s.unsure = err != nil }

// When a caller's time is up, it uses its save again. The race detector sees whether the saves
// that were to go with it still read it.
func TestTheGateLetsGoOfASaveWhoseTimeIsUp(t *testing.T) {
	t.Parallel()
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			tab := &table{}
			time.AfterFunc(1500*time.Millisecond, func() { // another machine is first
				tab.mu.Lock()
				defer tab.mu.Unlock()
				tab.words, tab.version = tab.words+"~", tab.version+1
			})
			for i, word := range []string{"-", "a", "b", "c"} {
				s := &unsureSave{save: save{table: tab, word: word}}
				go func() {
					patience := time.Hour
					if i == 1 || i == 2 { // the moment at which the others are told to go on
						patience = 4 * time.Second
					}
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					_ = tab.gate.Run(ctx, driver.ID("one"), s)
				}()
				synctest.Wait()
			}
			time.Sleep(20 * time.Second)
			tab.mu.Lock()
			defer tab.mu.Unlock()
			if !strings.HasSuffix(tab.words, "c") {
				t.Errorf("the row has %q", tab.words)
			}
		})
	}
}

// A line has an end, and those who leave it make room.
func TestTheLineHasABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 1 << 13
		tab := &table{}
		hold, letGo := context.WithCancel(t.Context())
		defer letGo()
		var waiting sync.WaitGroup
		var full, left atomic.Int64
		come := func(n int) {
			for range n {
				waiting.Go(func() {
					switch err := tab.gate.Run(hold, "one", &save{table: tab, single: true, word: "x"}); {
					case errors.Is(err, context.Canceled):
						left.Add(1)
					case err != nil && strings.Contains(err.Error(), "too many"):
						full.Add(1)
					}
				})
			}
			synctest.Wait()
		}
		tab.failing = errGone // nothing is to follow
		come(1 + most + 10)
		if n := full.Load(); n != 10 {
			t.Errorf("%d were refused", n)
		}
		letGo()
		waiting.Wait()
		if n := left.Load(); n != 1+most {
			t.Errorf("%d left", n)
		}
		hold, letGo = context.WithCancel(t.Context())
		defer letGo()
		come(1 + most)
		if n := full.Load(); n != 10 {
			t.Errorf("%d were refused when all others had left", n-10)
		}
		letGo()
		waiting.Wait()
	})
}

// What the database refuses of one, and what was not sent because its time was up, is no part of
// what the others send.
func TestOthersSendNothingThatFailed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		patience time.Duration // of the first
		words    []string
		want     string
		failed   int
	}{
		"a value is refused":      {time.Hour, []string{"x1", "b", "x2"}, "-b", 2},
		"a save was not sent":     {3500 * time.Millisecond, []string{"a", "b", "x"}, "-b", 2},
		"the last one is refused": {time.Hour, []string{"a", "b", "x"}, "-ab", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tab := &table{}
				var wait sync.WaitGroup
				var failed atomic.Int64
				for i, word := range append([]string{"-"}, test.words...) {
					wait.Go(func() {
						patience := time.Hour
						if i == 1 {
							patience = test.patience
						}
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						defer cancel()
						if tab.gate.Run(ctx, "one", &save{table: tab, word: word}) != nil {
							failed.Add(1)
						}
					})
					synctest.Wait()
				}
				wait.Wait()
				if tab.words != test.want || int(failed.Load()) != test.failed {
					t.Errorf("the row has %q, and %d failed; statements %q", tab.words, failed.Load(), tab.statements)
				}
			})
		})
	}
}
