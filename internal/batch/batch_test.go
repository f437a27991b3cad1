package batch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/batch"
	"github.com/sqlsessions/sessions/internal/native"
)

var errRefused = errors.New("refused")

// A table takes a second for each statement, and notes what was sent together. IDs are
// single letters.
type table struct {
	batch.Table
	mu     sync.Mutex
	sent   []string
	refuse bool
}

func (t *table) note(ids ...string) {
	t.mu.Lock()
	t.sent = append(t.sent, strings.Join(ids, "+"))
	t.mu.Unlock()
	time.Sleep(time.Second)
}

func (t *table) Connections() int       { return 1 }
func (t *table) Refused(err error) bool { return errors.Is(err, errRefused) }
func row(id driver.ID, n int) native.Row {
	return native.Row{Row: driver.Row{Ref: driver.Ref{ID: id}, Data: fmt.Append(nil, n)}}
}

func lookup(id, proof string) native.Lookup {
	return native.Lookup{Ref: driver.Ref{ID: driver.ID(id), Verifier: driver.Verifier(proof)}, Key: native.Key{id[0]}}
}

func (t *table) LoadRow(_ context.Context, l native.Lookup) (native.Row, error) {
	t.note(string(l.ID))
	return row(l.ID, 0), nil
}

func (t *table) LoadRows(_ context.Context, calls []*batch.LoadCall, byKey map[native.Key]*batch.LoadCall) error {
	var ids []string
	for i, c := range calls {
		ids = append(ids, string(c.In.ID))
		if t.refuse {
			continue
		}
		if c := byKey[c.In.Key]; c.In.ID == "x" {
			c.Err = driver.ErrSchema
		} else {
			c.Out = row(c.In.ID, i+1)
		}
	}
	if t.note(ids...); t.refuse {
		return errRefused
	}
	return nil
}

func (t *table) TouchRow(_ context.Context, w native.Write) (driver.SaveResult, error) {
	t.note(string(w.From.ID))
	return driver.SaveResult{}, nil
}

func (t *table) TouchRows(_ context.Context, calls []*batch.WriteCall) {
	var ids []string
	for _, c := range calls {
		ids = append(ids, string(c.In.From.ID))
	}
	t.note(ids...)
}

// Marks finds those of a and of all.
func (t *table) Marks(_ context.Context, ids []driver.ID) (found []native.Mark, err error) {
	var asked []string
	for _, id := range ids {
		asked = append(asked, string(id))
		if id == "a" || id == "all" {
			found = append(found, native.Mark{ID: id})
		}
	}
	if t.note(asked...); t.refuse && len(ids) > 2 {
		return nil, errRefused
	}
	return found, nil
}

func TestMarksAreLookedUpTogether(t *testing.T) {
	t.Parallel()
	for _, refuse := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			tab := &table{refuse: refuse}
			rows := batch.New(tab)
			var wait sync.WaitGroup
			for user := range strings.SplitSeq("zaba", "") {
				wait.Go(func() {
					want := []driver.ID{"all"}
					if user == "a" {
						want = append(want, "a")
					}
					found, err := rows.Marks(t.Context(), []driver.ID{"all", driver.ID(user)})
					var got []driver.ID
					for _, m := range found {
						got = append(got, m.ID)
					}
					slices.Sort(got)
					slices.Sort(want)
					if err != nil || !slices.Equal(got, want) {
						t.Errorf("%s: %q, %v; want %q", user, got, err, want)
					}
				})
				synctest.Wait()
			}
			wait.Wait()
			want := []string{"all+z", "all+a+b"}
			if refuse {
				want = append(want, "all+a", "all+b", "all+a")
			}
			if !slices.Equal(slices.Sorted(slices.Values(tab.sent)), slices.Sorted(slices.Values(want))) {
				t.Errorf("sent %q, want %q", tab.sent, want)
			}
		})
	}
}

func TestARowIsLoadedOnceForAllCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := &table{}
		rows := batch.New(tab)
		var wait sync.WaitGroup
		answers := make([]native.Row, 7)
		for i, id := range strings.Split("zaababx", "") {
			wait.Go(func() {
				var err error
				answers[i], err = rows.LoadRow(t.Context(), lookup(id, fmt.Sprint(i)))
				if errors.Is(err, driver.ErrSchema) != (id == "x") {
					t.Errorf("%s: %v", id, err)
				}
			})
			synctest.Wait()
		}
		wait.Wait()
		if want := []string{"z", "a+b+x"}; !slices.Equal(tab.sent, want) {
			t.Errorf("sent %q, want %q", tab.sent, want)
		}
		for i, want := range strings.Split("011212", "") { // z, and a and b by their places in the batch
			if got := string(answers[i].Data); got != want {
				t.Errorf("answer %d is %s, want %s", i, got, want)
			}
		}
		if answers[1].Data[0] = 'X'; string(answers[2].Data) != "1" {
			t.Error("two callers share their data")
		}
	})
}

func TestARefusedBatchRunsOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := &table{refuse: true}
		rows := batch.New(tab)
		var wait sync.WaitGroup
		for _, id := range []string{"z", "a", "b"} {
			wait.Go(func() {
				if r, err := rows.LoadRow(t.Context(), lookup(id, "")); err != nil || string(r.ID) != id {
					t.Errorf("%s: %v, %v", id, r, err)
				}
			})
			synctest.Wait()
		}
		wait.Wait()
		slices.Sort(tab.sent[2:])
		if want := []string{"z", "a+b", "a", "b"}; !slices.Equal(tab.sent, want) {
			t.Errorf("sent %q, want %q", tab.sent, want)
		}
	})
}

func TestWritesGoInTheOrderOfTheirIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := &table{}
		rows := batch.New(tab)
		var wait sync.WaitGroup
		for i, id := range strings.Split("zcabc", "") {
			wait.Go(func() { touch(t, rows, id, driver.Life{Idle: time.Duration(i)}) })
			synctest.Wait()
		}
		wait.Wait()
		if want := []string{"z", "a+b+c", "c"}; !slices.Equal(tab.sent, want) {
			t.Errorf("sent %q, want %q", tab.sent, want)
		}
	})
}

func touch(t *testing.T, rows native.Rows, id string, life driver.Life) {
	t.Helper()
	_, err := rows.TouchRow(t.Context(), native.Write{SaveRequest: driver.SaveRequest{From: driver.Ref{ID: driver.ID(id)}, Life: life}})
	if err != nil {
		t.Errorf("%s: %v", id, err)
	}
}

// Of many touches of one row that wait the first does it for all, but not for those that ask
// for more or came when it was under way.
func TestATouchIsDoneForThoseThatWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := &table{}
		rows := batch.New(tab)
		usual := driver.Life{Idle: time.Hour, Throttle: time.Minute}
		var wait sync.WaitGroup
		wait.Go(func() { touch(t, rows, "z", usual) })
		synctest.Wait()
		for _, life := range []driver.Life{usual, usual, {Idle: time.Hour}, {Idle: time.Hour, Throttle: time.Hour}, {Idle: 2 * time.Hour, Throttle: time.Hour}} {
			wait.Go(func() { touch(t, rows, "a", life) })
			synctest.Wait()
		}
		for range 1000 {
			wait.Go(func() { touch(t, rows, "b", usual) })
		}
		synctest.Wait()
		time.Sleep(1500 * time.Millisecond) // the first of a and of b are under way
		wait.Go(func() { touch(t, rows, "b", usual) })
		wait.Wait()
		if want := []string{"z", "a+b", "a+b", "a"}; !slices.Equal(tab.sent, want) {
			t.Errorf("sent %q, want %q", tab.sent, want)
		}
	})
}
