package stores_test

import (
	"sync"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// A session that is too large makes mysqlstore forget a prepared statement; requests that
// have it in hand must not feel that.
func TestAStatementIsForgottenWhileItIsUsed(t *testing.T) {
	cache := stmt.Cache{DB: testbed.Backends[testbed.MySQL].Connect(t).DB}
	const query = "SELECT 41 + ?"
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for range 3000 {
				var row, each int
				_, err := cache.Exec(t.Context(), query, 1)
				if err == nil {
					err = cache.QueryRow(t.Context(), query, []any{1}, &row)
				}
				if err == nil {
					err = cache.Query(t.Context(), query, []any{1}, func(scan func(...any) error) error { return scan(&each) })
				}
				if err != nil {
					t.Error(err)
					return
				}
				if row != 42 || each != 42 {
					t.Errorf("read %d and %d, want 42", row, each)
				}
			}
		})
	}
	used := make(chan struct{})
	go func() { users.Wait(); close(used) }()
	for done := false; !done; {
		cache.Forget(query)
		select {
		case <-used:
			done = true
		default:
		}
	}
}
