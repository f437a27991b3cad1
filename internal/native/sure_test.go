package native_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
)

var (
	errLost  = errors.New("the answer was lost")
	errTaken = errors.New("a duplicate key, as a driver says it")
)

// A store that loses the answer of the first write. The write is carried out when the second
// comes, as when it was still under way.
type losing struct {
	empty
	there  []native.Row // what the looks at the row find
	writes int
	ended  error   // of the second End
	dead   []error // of the looks at endings
}

func (l *losing) LoadRow(context.Context, native.Lookup) (row native.Row, err error) {
	row, l.there = l.there[0], l.there[1:]
	return row, nil
}

func (l *losing) CreateRow(context.Context, native.Write) (driver.SaveResult, error) {
	if l.writes++; l.writes == 1 {
		return driver.SaveResult{}, errLost
	}
	return driver.SaveResult{}, errTaken
}

func (l *losing) End(context.Context, driver.EndRequest) error {
	if l.writes++; l.writes == 1 {
		return errLost
	}
	return l.ended
}

func (l *losing) Endings(context.Context, []driver.ID) ([]driver.Ending, error) {
	err := l.dead[0]
	l.dead = l.dead[1:]
	return []driver.Ending{{Reason: "logout"}}, err
}

// Explain makes the contract's error of a driver's.
func (l *losing) Explain(_ context.Context, err error) error {
	if errors.Is(err, errTaken) {
		return fmt.Errorf("%w: %w", driver.ErrExists, err)
	}
	return err
}

// A create whose answer was lost finds its own row in its way. That is not another's.
func TestACreateThatWasLostDoesNotTakeItsOwnID(t *testing.T) {
	t.Parallel()
	l := &losing{there: []native.Row{{}, {Row: driver.Row{Version: 1}}}} // another's, so that nothing is certain
	_, err := native.New("anystore", l, l).Create(t.Context(), driver.CreateRequest{
		Ref: driver.Ref{ID: "0123abcd-4567-7890-89ef-0123456789ab", Verifier: driver.Verifier(strings.Repeat("v", 32))},
	})
	if !errors.Is(err, errLost) || errors.Is(err, driver.ErrExists) || len(l.there) != 0 {
		t.Errorf("%v with %d looks left, want that the answer was lost", err, len(l.there))
	}
}

// An ending whose answer was lost finds nothing to end. If what it has done can't be looked
// up, it is not known; and what ended for another reason was ended by another.
func TestAnEndingThatWasLostDoesNotSayNotFound(t *testing.T) {
	t.Parallel()
	for _, second := range []error{driver.ErrNotFound, driver.ErrConflict} {
		for _, reason := range []string{"logout", "revoked"} {
			for _, look := range []error{nil, errLost} {
				l := &losing{ended: second, dead: []error{look}}
				err := native.New("anystore", l, l).End(t.Context(), driver.EndRequest{ID: "0123abcd-4567-7890-89ef-0123456789ab", Reason: reason})
				byAnother := look == nil && reason != "logout"
				want := look
				if byAnother {
					want = second
				}
				if !errors.Is(err, want) || !byAnother && errors.Is(err, second) {
					t.Errorf("the second try said %v and the look %v, to end with %q: %v", second, look, reason, err)
				}
			}
		}
	}
}

func (l *losing) SaveRow(context.Context, native.Write) (driver.SaveResult, error) {
	return driver.SaveResult{}, errLost
}

// After a lost answer the row has another write's version. Whether that came before the lost one
// or after it is not known.
func TestAnothersWriteIsNotTakenForOnesOwn(t *testing.T) {
	t.Parallel()
	l := &losing{there: []native.Row{{Row: driver.Row{Version: 7}}}}
	_, err := native.New("anystore", l, l).Save(t.Context(), driver.SaveRequest{
		From:     driver.Ref{ID: "0123abcd-4567-7890-89ef-0123456789ab", Verifier: driver.Verifier(strings.Repeat("v", 32))},
		Verifier: driver.Verifier(strings.Repeat("v", 32)), Version: 3, Data: []byte("{}"),
	})
	if !errors.Is(err, errLost) || len(l.there) != 0 {
		t.Errorf("%v with %d looks left, want that the answer was lost", err, len(l.there))
	}
}
