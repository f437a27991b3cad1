package express_test

import (
	"net/http"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express/takeover"
)

// However requests of one browser get ahead of each other, each of them has the session.
func TestATakeOverThatIsOvertaken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, v *move, b *browser, at int) int {
		m, s := v.process(t, at, func(_ *steps, call func() error) error {
			if !b.tab(v.next).loggedIn() {
				t.Error("the request that overtakes is a visitor's")
			}
			return call()
		})
		tab := b.tab(m)
		if !tab.loggedIn() {
			t.Error("the request that is overtaken is a visitor's")
		}
		if n := count(t, v.next); n != 1 {
			t.Errorf("%d sessions", n)
		}
		return s.n
	})
}

// Of two requests each stands at some step, and goes on when the other is done.
func TestTwoTakeOversAtAnyStep(t *testing.T) {
	t.Parallel()
	for _, from := range situations {
		for one := 1; ; one++ {
			var calls int
			for two := 1; ; two++ {
				v, b := from.begin(t)
				stands, done, finished := make(chan struct{}), make(chan struct{}), make(chan struct{})
				second, other := v.process(t, two, func(_ *steps, call func() error) error {
					close(stands)
					<-done
					return call()
				})
				first, this := v.process(t, one, func(_ *steps, call func() error) error {
					go func() {
						defer close(finished)
						if !b.tab(second).loggedIn() {
							t.Errorf("%s, %d and %d: the second is a visitor's", from, one, two)
						}
					}()
					select {
					case <-stands:
					case <-finished:
					}
					return call()
				})
				if !b.tab(first).loggedIn() {
					t.Errorf("%s, %d and %d: the first is a visitor's", from, one, two)
				}
				close(done)
				if calls = this.n; calls < one {
					break
				}
				<-finished
				if n := count(t, v.next); n != 1 {
					t.Errorf("%s, %d and %d: %d sessions", from, one, two, n)
				}
				if other.n < two {
					break
				}
			}
			if calls < one {
				break
			}
		}
	}
}

// A process dies, or an answer is lost, at each step of a take-over.
func TestATakeOverThatStops(t *testing.T) {
	t.Parallel()
	eachMishap(t, func(t *testing.T, what string, m *sessions.Manager, s *steps, v *move, b *browser) {
		tab := b.tab(m)
		res := tab.visit(func(s *sessions.Session) {
			if s.User() != "42" {
				t.Error("it was served as a visitor")
			}
		})
		if res.StatusCode != http.StatusOK && res.Header["Set-Cookie"] != nil {
			t.Errorf("%d with the cookie %q", res.StatusCode, res.Header["Set-Cookie"])
		}
		if what == "answer lost" && (s.hit == "create" || s.hit == "save") && res.StatusCode != http.StatusOK {
			t.Errorf("after a %s whose answer was lost nothing was looked for: %d", s.hit, res.StatusCode)
		}
		if !b.loggedIn() {
			t.Error("the next request is a visitor's")
		}
		b.visit(func(s *sessions.Session) { views.Update(s, func(n int) int { return n + 10 }) })
		if late := b.tab(v.next); value(late, views) < 11 {
			t.Errorf("views is %d: a change was lost", value(late, views))
		}
	})
}

// A late save of Node comes at each step of a take-over. What it saved is lost, as it would
// be if it came later; nothing else is.
func TestATakeOverAndALateSave(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, v *move, b *browser, at int) int {
		old, cookie := v.row(t), b.cookies["connect.sid"]
		m, s := v.process(t, at, func(_ *steps, call func() error) error {
			v.late(t, old)
			return call()
		})
		tab := b.tab(m)
		if !tab.loggedIn() {
			t.Error("it is a visitor's")
		}
		tab.visit(func(s *sessions.Session) { views.Set(s, 50) })
		v.late(t, old)
		if got := value(b.tab(v.next).onlyOld(cookie), views); got != 50 {
			t.Errorf("views is %d after the late save, want 50", got)
		}
		return s.n
	})
}

// An import runs at each step of a take-over, and the other way about.
func TestATakeOverBesideAnImport(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, v *move, b *browser, at int) int {
		m, s := v.process(t, at, func(_ *steps, call func() error) error {
			if !v.from.ImportedOnly {
				v.imports(t)
			}
			return call()
		})
		if tab := b.tab(m); !tab.loggedIn() {
			t.Error("it is a visitor's")
		}
		return s.n
	})
	each(t, func(t *testing.T, v *move, b *browser, at int) int {
		tab := b.tab(v.next)
		m, s := v.process(t, at, func(_ *steps, call func() error) error {
			if !tab.loggedIn() {
				t.Error("it is a visitor's")
			}
			return call()
		})
		if _, err := takeover.Import(t.Context(), m, nil); err != nil {
			t.Error(err)
		}
		if !tab.loggedIn() || !b.tab(v.next).loggedIn() {
			t.Error("the import logged the user out")
		}
		return s.n
	})
}

// A take-over stops at each step, and its user comes only when the old table is not read any more.
func TestATakeOverThatStopsBeforeTheLastImport(t *testing.T) {
	t.Parallel()
	eachMishap(t, func(t *testing.T, _ string, m *sessions.Manager, _ *steps, v *move, b *browser) {
		cookie := b.cookies["connect.sid"]
		b.tab(m).visit(func(*sessions.Session) {})
		if !v.from.ImportedOnly {
			v.imports(t)
		}
		v.from.ImportedOnly = true
		if !b.tab(v.manager(t)).onlyOld(cookie).loggedIn() {
			t.Error("the user is logged out")
		}
	})
}

// An import that stops at each step has lost nothing, and goes on where it was.
func TestAnImportThatStops(t *testing.T) {
	t.Parallel()
	eachMishap(t, func(t *testing.T, _ string, m *sessions.Manager, _ *steps, v *move, b *browser) {
		_, _ = takeover.Import(t.Context(), m, nil)
		v.imports(t)
		v.from.ImportedOnly = true
		if tab := b.tab(v.manager(t)); !tab.loggedIn() {
			t.Error("the user is logged out")
		}
	})
}

// An import does not see a row that is being taken over, neither under its old sid nor set
// aside, whatever both do in which order. It must not take the session for one that ended.
func TestAnImportInTheMiddleOfATakeOver(t *testing.T) {
	t.Parallel()
	for take := 1; ; take++ {
		var calls int
		for read := 1; ; read++ {
			v := newMove(t)
			b := v.login(t)
			v.imports(t)
			stands, done, finished := make(chan struct{}), make(chan struct{}), make(chan struct{})
			importing, i := v.process(t, read, func(_ *steps, call func() error) error {
				close(stands)
				<-done
				return call()
			})
			taking, s := v.process(t, take, func(_ *steps, call func() error) error {
				go func() {
					defer close(finished)
					if _, err := takeover.Import(t.Context(), importing, nil); err != nil {
						t.Error(err)
					}
				}()
				select {
				case <-stands:
				case <-finished:
				}
				return call()
			})
			if tab := b.tab(taking); !tab.loggedIn() {
				t.Errorf("take-over from %d on, import from %d on: a visitor's", take, read)
			}
			close(done)
			if calls = s.n; calls < take {
				break
			}
			<-finished
			if tab := b.tab(v.next); !tab.loggedIn() {
				t.Errorf("take-over from %d on, import from %d on: logged out afterwards", take, read)
			}
			if i.n < read {
				break
			}
		}
		if calls < take {
			break
		}
	}
}
