package express_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/takeover"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// noCreate is a store in which a take-over stops when it has set the old row aside.
type noCreate struct{ sessions.Store }

func (noCreate) Create(context.Context, driver.CreateRequest) (none driver.SaveResult, err error) {
	return none, errLost
}

// A take-over stops when it has set the old row aside, and then Node saves late: there are two
// rows of one session, of which the one set aside counts, in whichever order an import finds them.
func TestExpressImportOfWhatWasSetAside(t *testing.T) {
	eachTakeOver(t, func(t *testing.T, b testbed.Backend) {
		s := newSite(t, b)
		stops, err := takeover.New(noCreate{s.tab.Store}, s.options, s.from)
		testbed.Check(t, err)
		cookies := make(map[string]string)
		for i := range 40 {
			user := fmt.Sprint("user", i)
			cookies[user] = s.login(user)
			visit(t, stops, cookies[user], func(*sessions.Session) {})
			s.late(cookies[user], "late")
		}
		for round := range 2 {
			r, err := takeover.Import(t.Context(), s.manager(), nil)
			testbed.Check(t, err)
			if r.Read != 80 || !r.Verified() || round == 1 && (r.Updated != 0 || r.Copied != 0) {
				t.Errorf("import %d: %+v", round, r)
			}
		}
		s.from.ImportedOnly = true
		for user, cookie := range cookies {
			if in, _ := s.in(s.manager(), cookie, user); !in {
				t.Errorf("%s is logged out, or has what was saved late", user)
			}
		}
	})
}
