package row

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sqlsessions/sessions/driver"
)

// List asks for another page where the last one had rows of other users.
func TestListLeavesOutOtherUsers(t *testing.T) {
	t.Parallel()
	var all []driver.Row
	for i := range 20 {
		r := driver.Row{Ref: driver.Ref{ID: driver.ID(fmt.Sprintf("%02d", i))}, User: "bob"}
		if i%3 == 1 {
			r.User = "alice"
		}
		all = append(all, r)
	}
	for limit, want := range map[int]string{1: "[04]", 2: "[04 07]", 5: "[04 07 10 13 16]", 6: "[04 07 10 13 16 19]", 50: "[04 07 10 13 16 19]"} {
		req := driver.ListRequest{User: "alice", After: "01", Limit: limit}
		rows, err := List(req, func(after driver.ID) ([]driver.Row, error) {
			from := slices.IndexFunc(all, func(r driver.Row) bool { return r.ID > after })
			if from < 0 {
				return nil, nil
			}
			return all[from:min(from+limit, len(all))], nil
		})
		var ids []driver.ID
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
		if got := fmt.Sprint(ids); got != want || err != nil {
			t.Errorf("limit %d: %s, %v; want %s", limit, got, err, want)
		}
	}
}

func TestEndUser(t *testing.T) {
	t.Parallel()
	const alice, bob = `{"$user":"alice"}`, `{"$user":"bob","a":"\"alice\""}`
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		limit int
		fail  error
		want  string
	}{
		"all":   {limit: 10, want: "2 <nil> [b c d2]"},
		"limit": {limit: 1, want: "1 <nil> [b]"},
		"error": {limit: 10, fail: broken, want: "1 broken [b c]"},
	} {
		rows := map[string]string{"a": bob, "b": alice, "c": alice, "d": alice, "e": alice} // c is dead, e is excepted
		var ended []string
		req := driver.EndAllRequest{User: "alice", Except: []driver.ID{ID("e")}, Limit: c.limit}
		n, err := EndUser(req, func(each func(driver.Verifier, []byte)) error {
			for _, sid := range []string{"a", "b", "c", "d", "d2", "e"} {
				if text, there := rows[sid]; there {
					each(driver.Verifier(sid), []byte(text))
				}
			}
			return nil
		}, func(r Found) error {
			if r.Version != Version([]byte(alice)) {
				t.Errorf("%s: %q with the version of something else", name, string(r.Sid))
			}
			if r.Sid == "d" { // it gets another sid first
				delete(rows, "d")
				rows["d2"] = alice
				return driver.ErrNotFound
			}
			ended = append(ended, string(r.Sid))
			delete(rows, string(r.Sid))
			if r.Sid != "c" {
				return nil
			}
			if c.fail != nil {
				return c.fail
			}
			return driver.ErrNotFound
		})
		if got := fmt.Sprint(n, err, ended); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestUntilGivesUp(t *testing.T) {
	t.Parallel()
	if err := Until(func() (bool, error) { return false, nil }); err == nil {
		t.Error("it ended without being done")
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	broken, left := errors.New("broken"), errors.New("left")
	if err := Answer(ctx, broken); err != broken { //nolint:errorlint // the same
		t.Errorf("before the end: %v", err)
	}
	cancel(left)
	if err := Answer(ctx, broken); !errors.Is(err, broken) || !errors.Is(err, left) {
		t.Errorf("after the end: %v", err)
	}
	if err := Answer(ctx, sql.ErrNoRows); err != driver.ErrNotFound { //nolint:errorlint // the same
		t.Errorf("no rows: %v", err)
	}
	if err := Answer(ctx, nil); err != nil {
		t.Errorf("no error: %v", err)
	}
}
