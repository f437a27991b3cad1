package sessions_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
	"github.com/sqlsessions/sessions/observe"
)

// What a client can bring about again and again is logged once a minute, and what the
// operator has to mend each time. For errors see TestAClientCannotFillTheLogWithErrors.
func TestAClientCannotFillTheLog(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		level string
		want  int
		again func(*spy, *visitor)
	}{
		"a logout wins": {"INFO", 3, func(_ *spy, v *visitor) {
			v = loggedIn(v.tb, v.manager)
			v.visit(func(s *sessions.Session) {
				v.twin().visit((*sessions.Session).Destroy)
				count.Set(s, 2)
			})
		}},
		"a damaged session": {"ERROR", 3, func(store *spy, v *visitor) {
			row, err := store.List(v.tb.Context(), driver.ListRequest{User: "damaged", Limit: 1})
			if err != nil {
				v.tb.Fatal(err)
			}
			row[0].Data = []byte("damaged")
			if err := saveRow(v.tb, store, row[0]); err != nil {
				v.tb.Fatal(err)
			}
			v.twin().visit(func(*sessions.Session) {})
		}},
		"the store is down": {"ERROR", 30, func(store *spy, v *visitor) {
			store.reset(failing(errDown, "load"))
			v.twin().visit(func(*sessions.Session) {})
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			store, log := newSpy(), new(logBook)
			m := newManager(t, store, func(o *sessions.Options) { o.Logger = log.logger() })
			v := newVisitor(t, m)
			v.visit(func(s *sessions.Session) { s.SetUser("damaged") })
			for range 30 {
				c.again(store, v)
				time.Sleep(6 * time.Second)
			}
			lines := log.lines(t, c.level)
			if len(lines) != c.want {
				t.Errorf("%s: %d lines, want %d:\n%s", what, len(lines), c.want, log.text())
			}
			if c.want == 3 && lines[2]["left_out"] != 9.0 {
				t.Errorf("%s: the last line does not say that 9 were left out: %v", what, lines[2])
			}
		})
	}
}

// What clients can bring about, and may be a fault of the program's all the same, is logged ten
// times a minute.
func TestAClientCannotFillTheLogWithErrors(t *testing.T) {
	t.Parallel()
	late := func(v *visitor, change func(*sessions.Session)) {
		v.serve(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			change(sessions.FromContext(r.Context()))
		})
	}
	for what, again := range map[string]func(testing.TB, *sessions.Manager){
		"more than MaxBytes": func(tb testing.TB, m *sessions.Manager) {
			newVisitor(tb, m).visit(func(s *sessions.Session) { name.Set(s, strings.Repeat("x", 1<<17)) })
		},
		"no UTF-8": func(tb testing.TB, m *sessions.Manager) {
			newVisitor(tb, m).visit(func(s *sessions.Session) { name.Set(s, "\xff") })
		},
		"a sign-in over plain HTTP": func(tb testing.TB, m *sessions.Manager) { newVisitor(tb, m).visit(signIn) },
		"a late change beside a logout": func(tb testing.TB, m *sessions.Manager) {
			v := loggedIn(tb, m)
			late(v, func(s *sessions.Session) {
				v.twin().visit((*sessions.Session).Destroy)
				count.Set(s, 2)
			})
		},
		"a change after the request": func(tb testing.TB, m *sessions.Manager) {
			var after *sessions.Session
			loggedIn(tb, m).visit(func(s *sessions.Session) { after = s })
			count.Set(after, 2)
		},
		"a late update that panics": func(tb testing.TB, m *sessions.Manager) {
			v := loggedIn(tb, m)
			late(v, func(s *sessions.Session) {
				count.Update(s, panicsOnce())
				v.twin().visit(func(s *sessions.Session) { count.Set(s, 10) })
			})
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			log := new(logBook)
			m := newManager(t, memstore.New(), func(o *sessions.Options) {
				o.Logger = log.logger()
				if strings.Contains(what, "plain HTTP") {
					o.Cookie.Secure = sessions.SecureAlways
				}
			})
			for range 130 {
				again(t, m)
				time.Sleep(time.Second)
			}
			lines, leftOut := map[string]int{}, map[string]float64{}
			for _, line := range log.lines(t, "ERROR") {
				text := line["msg"].(string)
				lines[text]++
				n, _ := line["left_out"].(float64)
				leftOut[text] += n
			}
			for text, n := range lines {
				if n != 30 || leftOut[text] != 100 {
					t.Errorf("%s: %d lines %q, which leave out %v", what, n, text, leftOut[text])
				}
			}
			if len(lines) == 0 {
				t.Errorf("%s: no line", what)
			}
		})
	}
}

// The error handler has answered; what the handler does after that is lost, and of a logout
// the log says so.
func TestADestroyAfterTheErrorHandlerIsLogged(t *testing.T) {
	t.Parallel()
	log := new(logBook)
	v := loggedIn(t, newManager(t, memstore.New(), func(o *sessions.Options) { o.Logger = log.logger() }))
	res := v.serve(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		sessions.NewKey[any]("f").Set(s, func() {})
		w.WriteHeader(http.StatusOK)
		count.Set(s, 2) // not worth a line, because the request has failed
		s.Destroy()
		if err := s.Err(); err == nil {
			t.Error("Err is nil")
		}
		if err := s.Save(r.Context()); !errors.Is(err, sessions.ErrTooLate) {
			t.Errorf("Save returns %v", err)
		}
	})
	wantStatus(t, res, http.StatusInternalServerError)
	lines := log.lines(t, "ERROR")
	if len(lines) != 2 || lines[1]["change"] != "Destroy" || !v.alive() || value(v, count) != 1 {
		t.Errorf("alive %v; the log says:\n%s", v.alive(), log.text())
	}
}

// A replaced token that comes to Load is what it is in a request.
func TestLoadOfAReplacedToken(t *testing.T) {
	t.Parallel()
	for _, end := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var seen []observe.Refuse
			m := newManager(t, memstore.New(), func(o *sessions.Options) {
				o.EndOnReplay = end
				o.Observer = &observe.Observer{Refuse: func(_ context.Context, r observe.Refuse) { seen = append(seen, r) }}
			})
			v := loggedIn(t, m)
			old, name := v.twin(), id(v)
			v.visit(func(s *sessions.Session) { s.SetUser("ann") })
			for _, pause := range []time.Duration{30 * time.Second, time.Second} {
				time.Sleep(pause)
				if _, err := m.Load(t.Context(), old.cookie); !errors.Is(err, sessions.ErrNotFound) || !errors.Is(err, sessions.ErrLoad) {
					t.Errorf("Load returns %v", err)
				}
				if late := pause == time.Second; len(seen) > 0 != late || v.alive() == (late && end) {
					t.Errorf("end %v, late %v: %v, alive %v", end, late, seen, v.alive())
				}
			}
			if len(seen) != 1 || seen[0].ID != name || end && reason(v) != sessions.ReasonReplay {
				t.Errorf("end %v: %v", end, seen)
			}
		})
	}
}
