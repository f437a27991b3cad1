package express_test

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express/takeover"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// 300 users come with six parallel first requests each, while an import runs, is killed and
// runs again. Some log out, and some are revoked. No other is logged out, and none of these is
// logged in again.
func TestExpressTakeOverUnderLoad(t *testing.T) {
	const users, absent, tabs = 300, 900, 6
	cli := testbed.Build(t, "./cmd/sessions")
	s := newSite(t, testbed.Backends[testbed.Postgres])
	s.from.Until = time.Now().Add(60 * 24 * time.Hour)
	m := s.manager()
	cookies := make([]string, users+absent)
	testbed.Parallel(8, func(worker int) {
		for i := worker; i < len(cookies); i += 8 {
			cookies[i] = s.login(fmt.Sprint(i))
		}
	})
	imports := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), cli, "import", "--from", "connect-pg-simple", "--table", s.tab.Name,
			"--from-table", s.old.name, "--user-key", "passport.user", "--quiet")
		cmd.Env = append(os.Environ(), "DATABASE_URL="+testbed.PostgresURL)
		cmd.Stderr = os.Stderr
		testbed.Check(t, cmd.Start())
		return cmd
	}
	killed := imports()
	var background sync.WaitGroup
	background.Go(func() {
		for s.tab.Rows(t) < absent/3 {
			if t.Context().Err() != nil {
				return
			}
		}
		_ = killed.Process.Kill()
		if killed.Wait() == nil {
			t.Error("the import was done before it was killed")
		}
		if err := imports().Wait(); err != nil {
			t.Errorf("the import that goes on: %v", err)
		}
	})

	own := make([]string, users)
	testbed.Parallel(8, func(worker int) {
		for i := worker; i < users; i += 8 {
			user := fmt.Sprint(i)
			var wait sync.WaitGroup
			var mu sync.Mutex
			for tab := range tabs {
				wait.Go(func() {
					if tab == 0 && i%5 == 1 { // another device of the user
						if _, err := m.RevokeUser(t.Context(), user); err != nil {
							t.Error(err)
						}
						return
					}
					in, next := s.in(m, cookies[i], user)
					if !in && i%5 != 1 {
						t.Errorf("request %d of user %d is a visitor's", tab, i)
					}
					mu.Lock()
					own[i] = next
					mu.Unlock()
				})
			}
			wait.Wait()
			if i%5 == 2 {
				visit(t, m, own[i], (*sessions.Session).Destroy)
				s.late(cookies[i], user)
			}
		}
	})
	background.Wait()
	report, err := takeover.Import(t.Context(), m, nil)
	if err != nil || !report.Verified() || report.Ended < users/5 {
		t.Errorf("the last import: %+v, %v", report, err)
	}
	for _, only := range []bool{false, true} {
		s.from.ImportedOnly = only
		m := s.manager()
		for i := range users {
			want := i%5 != 1 && i%5 != 2
			for what, cookie := range map[string]string{"old": cookies[i], "new": own[i]} {
				if in, _ := s.in(m, cookie, fmt.Sprint(i)); in != want {
					t.Errorf("ImportedOnly %v, user %d with the %s cookie: logged in %v, want %v", only, i, what, in, want)
				}
			}
		}
	}
	for i := users; i < len(cookies); i++ {
		if in, _ := s.in(s.manager(), cookies[i], fmt.Sprint(i)); !in {
			t.Errorf("user %d, who was copied, is logged out", i)
		}
	}
}
