//go:build race

package stores_test

// The pure-Go SQLite runs some ten times slower under the race detector.
// `make test` runs its test of the whole backlog without.
const sqliteBacklog = backlog / 10
