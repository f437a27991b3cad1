package gate_test

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
	"github.com/sqlsessions/sessions/internal/gate"
)

var (
	errGone   = errors.New("gone")
	errValue  = errors.New("the database takes no x")
	errFollow = errors.New("a change of its own fails")
)

// A table has one row, of words. Each statement takes a second.
type table struct {
	gate       gate.Gate
	mu         sync.Mutex
	words      string
	version    int
	gone       bool
	statements []string
	failing    error
}

// A save adds a word to the row as it has it.
type save struct {
	table   *table
	word    string
	single  bool
	words   string
	version int
	follow  func()
}

func (s *save) Update(ctx context.Context) error {
	t, words := s.table, s.words
	if !strings.HasSuffix(words, s.word) {
		words += s.word
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.statements = append(t.statements, words)
	switch {
	case t.gone:
		return errGone
	case t.version != s.version:
		return driver.ErrConflict
	case strings.Contains(words, "x"):
		return errValue
	case t.failing != nil:
		return t.failing
	}
	t.words, t.version = words, t.version+1
	s.words, s.version = words, t.version
	return nil
}

func (s *save) MayMerge(err error) bool { return errors.Is(err, driver.ErrConflict) }

func (s *save) Rebase(context.Context) (bool, error) {
	time.Sleep(time.Second)
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.table.statements = append(s.table.statements, "load")
	s.words, s.version = s.table.words+s.word, s.table.version
	return true, nil
}

func (s *save) Joins() bool            { return !s.single }
func (s *save) Follows(gate.Save) bool { return true }
func (s *save) Shared(err error) bool {
	return !errors.Is(err, errValue) && !errors.Is(err, driver.ErrConflict)
}
func (s *save) Copy() gate.Save   { return &save{words: s.words, version: s.version} }
func (s *save) Stored() gate.Save { return &save{words: s.words, version: s.version} }

func (s *save) Carried(by gate.Save, err error) {
	if err == nil {
		s.words, s.version = by.(*save).words, by.(*save).version
	}
}

func (s *save) Follow(other gate.Save) error {
	if s.follow != nil {
		s.follow()
	}
	if s.word == "!" {
		return errFollow
	}
	s.words, s.version = other.(*save).words+s.word, other.(*save).version
	return nil
}

// run begins the saves in this order at the same moment, while another is made, and returns
// their errors.
func (t *table) run(test *testing.T, saves ...*save) (errs map[string]error) {
	errs = map[string]error{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, s := range append([]*save{{word: "-"}}, saves...) {
		s.table = t
		wait.Go(func() {
			err := t.gate.Run(test.Context(), "one", s)
			mu.Lock()
			defer mu.Unlock()
			errs[s.word] = err
		})
		synctest.Wait()
	}
	wait.Wait()
	return errs
}

func words(s string) (saves []*save) {
	for word := range strings.SplitSeq(s, "") {
		saves = append(saves, &save{word: word, single: strings.ToUpper(word) == word && word != "!"})
	}
	return saves
}

func TestSavesGoTogether(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		saves, stored string
		statements    []string
		errs          map[string]error
		prepare       func(*table)
	}{
		"all that wait": {"abcd", "-abcd", []string{"-", "-abcd"}, nil, nil},
		"one that goes alone divides them": {
			"abCde", "-abCde",
			[]string{"-", "-ab", "-abC", "-abCde"},
			nil, nil,
		},
		"one whose own change fails is left out":  {"a!c", "-ac", []string{"-", "-ac"}, map[string]error{"!": errFollow}, nil},
		"the last of them too":                    {"ac!", "-ac", []string{"-", "-ac"}, map[string]error{"!": errFollow}, nil},
		"what the database refuses is told to it": {"axc", "-ac", []string{"-", "-axc", "-c", "-ca", "-cax"}, map[string]error{"x": errValue}, nil},
		"the end of the row is told to all": {
			"abc", "",
			[]string{"-", "a", "b", "c"},
			map[string]error{"-": errGone, "a": errGone, "b": errGone, "c": errGone},
			func(t *table) { t.gone = true },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tab := &table{}
				if test.prepare != nil {
					test.prepare(tab)
				}
				errs := tab.run(t, words(test.saves)...)
				for word, err := range errs {
					if !errors.Is(err, test.errs[word]) || (err == nil) != (test.errs[word] == nil) {
						t.Errorf("%s: %v", word, err)
					}
				}
				stored := strings.Split(tab.words, "")
				want := strings.Split(test.stored, "")
				slices.Sort(stored)
				slices.Sort(want)
				if !slices.Equal(tab.statements, test.statements) || !slices.Equal(stored, want) {
					t.Errorf("stored %q with %q, want %q with %q", tab.words, tab.statements, test.stored, test.statements)
				}
			})
		})
	}
}

// Another machine's save between two of ours costs a load, and nothing is lost.
func TestAnotherMachineIsAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := &table{}
		time.AfterFunc(1500*time.Millisecond, func() {
			tab.mu.Lock()
			defer tab.mu.Unlock()
			tab.words, tab.version = tab.words+"~", tab.version+1
		})
		for word, err := range tab.run(t, words("abc")...) {
			if err != nil {
				t.Errorf("%s: %v", word, err)
			}
		}
		if tab.words != "-~cab" {
			t.Errorf("stored %q with %q", tab.words, tab.statements)
		}
	})
}

// A function of an update that panics, or takes too long, is its request's alone.
func TestAChangeThatPanicsOrTakesLong(t *testing.T) {
	t.Parallel()
	for name, follow := range map[string]func(){"panics": func() { panic("oops") }, "takes long": func() { time.Sleep(time.Hour) }} {
		for _, place := range []int{0, 1, 2} {
			t.Run(fmt.Sprint(name, place), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					tab := &table{}
					saves := words("abc")
					saves[place].follow = follow
					var wait sync.WaitGroup
					for _, s := range append([]*save{{word: "-"}}, saves...) {
						s.table = tab
						wait.Go(func() {
							defer func() {
								if got := recover(); (got != nil) != (s.follow != nil && name == "panics") {
									t.Errorf("%s panicked with %v", s.word, got)
								}
							}()
							ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
							defer stop()
							if err := tab.gate.Run(ctx, "one", s); err != nil && name == "panics" {
								t.Errorf("%s: %v", s.word, err)
							}
						})
						synctest.Wait()
						time.Sleep(time.Millisecond)
					}
					wait.Wait()
					for _, s := range words("de") { // the line goes on
						s.table, s.version, s.words = tab, tab.version, tab.words
						if err := tab.gate.Run(t.Context(), "one", s); err != nil {
							t.Errorf("%s: %v", s.word, err)
						}
					}
					want := 5
					if name != "panics" {
						want = 3
					}
					if len(tab.words) < want || strings.Contains(tab.words, saves[place].word) {
						t.Errorf("stored %q", tab.words)
					}
				})
			})
		}
	}
}

// One that stops waiting was not made, or it is told that it may have been; no other is held up.
func TestASaveThatStopsWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := &table{}
		var wait sync.WaitGroup
		for i, s := range append([]*save{{word: "-"}}, words("abcd")...) {
			s.table = tab
			wait.Go(func() {
				ctx, stop := context.WithTimeout(t.Context(), []time.Duration{time.Hour, 500 * time.Millisecond, time.Hour, 1500 * time.Millisecond, time.Hour}[i])
				defer stop()
				if err := tab.gate.Run(ctx, "one", s); (err != nil) != (i == 1 || i == 3) {
					t.Errorf("%s: %v", s.word, err)
				}
			})
			synctest.Wait()
		}
		wait.Wait()
		if tab.words != "-bcd" || len(tab.statements) != 2 {
			t.Errorf("stored %q with %q", tab.words, tab.statements)
		}
	})
}

// However long one session's saves take, those of others do not wait for them.
func TestNoSessionWaitsForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gate.Gate
		var wait sync.WaitGroup
		began := time.Now()
		for i := range 200 {
			wait.Go(func() {
				if err := g.Run(t.Context(), driver.ID(fmt.Sprint(i)), &save{table: &table{}}); err != nil {
					t.Error(err)
				}
			})
		}
		if wait.Wait(); time.Since(began) != time.Second {
			t.Errorf("they took %v", time.Since(began))
		}
	})
}
