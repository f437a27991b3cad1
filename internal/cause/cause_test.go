package cause_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/sqlsessions/sessions/internal/cause"
)

// A transaction whose context ends is rolled back by database/sql, and its commit does not say why.
func TestWhatComesFromAnEndedContext(t *testing.T) {
	t.Parallel()
	why := errors.New("the operator stopped it")
	ctx, stop := context.WithCancelCause(t.Context())
	never := func(error) bool { return false }
	errs := map[error]bool{
		fmt.Errorf("commit: %w", sql.ErrTxDone):   true,
		fmt.Errorf("query: %w", context.Canceled): true,
		errors.New("a syntax error"):              false,
	}
	for err := range errs {
		if got := cause.Add(ctx, err, never); !errors.Is(got, err) || errors.Is(got, why) {
			t.Errorf("before the end: %v", got)
		}
	}
	stop(why)
	for err, want := range errs {
		if got := cause.Add(ctx, err, never); !errors.Is(got, err) || errors.Is(got, why) != want {
			t.Errorf("%v became %v", err, got)
		}
	}
}
