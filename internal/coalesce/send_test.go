package coalesce_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sqlsessions/sessions/internal/coalesce"
)

// A panic in the group's goroutine would end the program, where net/http catches those of handlers.
func TestThePanicOfABatchIsItsCallers(t *testing.T) {
	t.Parallel()
	broken := errors.New("the hook is broken")
	for name, p := range map[string]any{"an error": broken, "a text": broken.Error()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(1, 1, 10)
				together := s.Together
				sent := 0
				s.Together = func(ctx context.Context, calls []*coalesce.Call[string, string]) {
					if sent++; sent > 1 {
						together(ctx, calls)
						return
					}
					calls[0].Out, calls[1].RunAlone = "half done", true
					panic(p)
				}
				ended := 0
				s.Superseded = func(of, _ *coalesce.Call[string, string]) bool {
					if ended++; of.Err == nil {
						t.Errorf("a call that panicked ended without an error: %+v", of)
					}
					return false
				}
				var wait sync.WaitGroup
				wait.Go(func() { _, _ = s.Do(t.Context(), "first") })
				synctest.Wait()
				for _, in := range []string{"a", "b"} {
					wait.Go(func() {
						defer func() {
							err, _ := recover().(error)
							if err == nil || !strings.HasPrefix(err.Error(), "the hook is broken\n") || !strings.Contains(err.Error(), "send_test.go") {
								t.Errorf("%s panicked with %v", in, err)
							}
							if _, isError := p.(error); isError && !errors.Is(err, broken) {
								t.Errorf("%s panicked with %v, which does not wrap the hook's error", in, err)
							}
						}()
						out, err := s.Do(t.Context(), in)
						t.Errorf("%s: %q, %v", in, out, err)
					})
				}
				synctest.Wait()
				wait.Go(func() { // has to wait for the first a
					if out, err := s.Do(t.Context(), "a"); err != nil || out != "A" {
						t.Errorf("after the panic: %q, %v", out, err)
					}
				})
				synctest.Wait()
				wait.Wait()
				s.want(t, "first", "a")
				if sent != 2 || ended != 1 {
					t.Errorf("sent %d batches and asked %d times whether the second a is superseded, want 2 and 1", sent, ended)
				}
			})
		})
	}
}
